"""Which songs sound alike."""
