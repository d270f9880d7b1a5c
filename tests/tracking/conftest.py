"""With this file, pytest lets the tests of this folder import the helpers beside it."""
