"""Within the day: the lists of users who have just bought something, as a small layer over the release that is served."""
