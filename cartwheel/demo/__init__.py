"""The demo: a real shop's year, landed as the shop would, and the story told from it."""
