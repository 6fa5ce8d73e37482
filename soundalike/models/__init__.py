"""What learns to tell artists apart."""
