"""From prompts to the features the network sees. May import ``magi.model`` and ``weights``."""
