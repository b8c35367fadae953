"""Data sets of prompts, and quantities of the analysis computed over all of them."""

from lens_widgets.data.dataset import Dataset
from lens_widgets.data.run import DataRun
from lens_widgets.data.stages import Progress
from lens_widgets.data.store import per_prompt

__all__ = ["DataRun", "Dataset", "Progress", "per_prompt"]
