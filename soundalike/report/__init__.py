"""What people look at: figures, answers, notebooks."""
