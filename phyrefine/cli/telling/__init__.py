"""What a command prints: tables, and errors in one line."""
