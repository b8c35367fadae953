"""Sweeps that remove one component each."""
