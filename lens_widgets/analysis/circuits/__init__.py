"""Edges of the residual stream, and circuits: sets of them."""
