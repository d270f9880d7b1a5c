"""With this file, pytest lets the folders below import the helpers beside it."""
