"""Where a library lies, what it is called, how it is written, what is in it."""
