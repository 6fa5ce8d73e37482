"""Who sounds like what: the path from songs to answers, in folders that follow it."""
