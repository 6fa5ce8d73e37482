"""Models that predict the artist of a song."""
