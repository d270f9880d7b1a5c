"""Commands about runs that are there: watch, list, show, compare, export, clean."""
