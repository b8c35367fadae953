"""Sweeps that put one run's activations into another."""
