"""Within the day: the lists of users who have just bought something, as small layers over the release that is served."""
