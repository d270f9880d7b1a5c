"""The table of judges: what each is asked, what it sees, and how its reply is read."""
