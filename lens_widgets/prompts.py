"""Prompts to begin with: indirect objects and repeated random tokens."""

from lens_widgets.demo.prompts import IOI_ANSWERS, IOI_PROMPTS, ioi_prompts, repeated_tokens

__all__ = ["IOI_ANSWERS", "IOI_PROMPTS", "ioi_prompts", "repeated_tokens"]
