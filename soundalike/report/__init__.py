"""Figures, answers and notebooks: all that people look at."""
