"""Nothing jumps: a view's place is kept before its numbers are there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]

# The body as it is before any answer, and as it is in the end.
HEIGHT = "return Math.round(root.querySelector('.lw-body').getBoundingClientRect().height)"
VIEWS = [
    "circuit",
    "patching",
    "head_scores",
    "composition",
    "score_decomposition",
    "weight_circuit",
    "neuron",
    "logit_lens",
    "loss",
]


@pytest.mark.parametrize("width", [970, 600])
@pytest.mark.parametrize("view", VIEWS)
def test_the_height_is_kept_free_until_the_numbers_come(
    mount: Mount, view: str, width: int
) -> None:
    lab = mount(view, width=width, n_prompts=2, delay_ms=[150, 150], rest=None)
    lab.find(".lw-body[data-empty]").wait_for()
    before = lab.js(HEIGHT)
    lab.idle()
    lab.wait("root.querySelector('.lw-body[data-empty]') === null")
    assert lab.js(HEIGHT) == pytest.approx(before, abs=90 if width == 970 else 330)


def test_a_view_that_asks_anew_keeps_the_height_that_it_has(mount: Mount) -> None:
    lab = mount("patching", width=970, n_prompts=2, delay_ms=[150, 150])
    before = lab.js(HEIGHT)
    lab.find('[aria-label="maps"] [data-option="blocks"]').click()
    lab.wait_status("busy")
    assert lab.js(HEIGHT) >= before
    lab.idle()


def test_the_header_of_a_narrow_page_does_not_grow_with_what_it_says(mount: Mount) -> None:
    lab = mount("head_scores", width=970, n_prompts=2, delay_ms=[400, 400], rest=None)
    height = "return root.querySelector('.lw-head').getBoundingClientRect().height"
    lab.find(".lw-head").wait_for()
    before = lab.js(height)
    lab.wait("root.querySelector('.lw-pill').textContent.includes('computing')")
    assert lab.js(height) == before
    lab.idle()
    assert lab.js(height) == before
