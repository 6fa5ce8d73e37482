"""Clips and songs as numbers."""
