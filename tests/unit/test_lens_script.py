"""The script of the logit lens gives the numbers of ``logit_lens``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.logit_lens.lens_script import lens_script
from tests.unit.scripts import MODELS, edited, execute


@pytest.mark.parametrize("which", ["current", "baseline", "difference"])
@pytest.mark.parametrize("name", MODELS)
def test_the_code_gives_the_lens_without_lens_widgets(name: str, which: Any) -> None:
    session = edited(name)
    shown = session.with_interventions([]) if which == "baseline" else session
    left = execute(session, lens_script(session, which))
    ours = lw.analysis.logit_lens(shown)
    assert left["stages"] == ours.stage.values.tolist()
    before = lw.analysis.logit_lens(session.with_interventions([]))
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        values = left["probs"][:, row, :length]
        np.testing.assert_allclose(ours["probs"][row, :, :length], values, atol=1e-5)
        assert left["ids"].shape == left["probs"].shape
        if which == "difference":
            values = left["baseline_probs"][:, row, :length]
            np.testing.assert_allclose(before["probs"][row, :, :length], values, atol=1e-5)
