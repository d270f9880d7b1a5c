"""Makes ``pools`` importable from the folders below."""
