import gc
import os
from typing import TYPE_CHECKING

import pytest

from tests.shapes import check_shapes

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

# The shipped models need no network; a test that asked the Hub for something would hide that.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Locks that are taken in a wrong order fail a test even where they happen to end well. Set before
# the package is imported, and handed on to the kernels that tests start.
os.environ.setdefault("LENS_WIDGETS_WATCH_LOCKS", "1")
# Also before the package is imported: shapes in its annotations are checked at every call.
LAYERS = ("engine", "prompts", "interventions", "session", "analysis")
check_shapes([f"lens_widgets.{layer}" for layer in LAYERS])


def pytest_collection_finish() -> None:
    """What was imported stays, so nobody needs to look through it for what can be let go."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def smollm2() -> "TransformerBridge":
    """A real language model; without its package, the error says how to get it."""
    from lens_widgets.models.demo import load_demo

    return load_demo("smollm2")
