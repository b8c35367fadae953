"""Patterns, scores and what they are made of."""
