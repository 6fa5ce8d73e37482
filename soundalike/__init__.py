"""The path from songs to answers, in folders that follow it."""
