"""Prompts to begin with: indirect objects and repeated random tokens."""

from lens_widgets.prompts.indirect_objects import IOI, IOI_ANSWERS, IOI_PROMPTS, ioi, ioi_prompts
from lens_widgets.prompts.pairs import PromptPairs
from lens_widgets.prompts.repeated import SecondHalfLogProb, repeated_tokens

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
