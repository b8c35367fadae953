"""Prompts to begin with: indirect objects and repeated random tokens."""

from lens_widgets.demo.prompts import IOI_ANSWERS, IOI_PROMPTS, ioi_prompts
from lens_widgets.demo.sets import IOI, SecondHalfLogProb, ioi, repeated_tokens
from lens_widgets.prompt_pairs import PromptPairs

__all__ = [
    "IOI",
    "IOI_ANSWERS",
    "IOI_PROMPTS",
    "PromptPairs",
    "SecondHalfLogProb",
    "ioi",
    "ioi_prompts",
    "repeated_tokens",
]
