"""Tokens, their losses, and the BOS token."""
