"""Prompts from the user's download: tables of prompts and folders of clips."""
