"""The plan between prediction and prompt: read from a reply, measured, edited by a critique."""
