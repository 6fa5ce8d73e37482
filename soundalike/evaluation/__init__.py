"""How good models are on what they were not trained on, and why."""
