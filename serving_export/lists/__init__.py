"""From scored candidates to what a release shows: scores, lists, their reasons, and what is similar to an item."""
