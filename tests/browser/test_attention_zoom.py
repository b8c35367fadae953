"""Zooming into the pattern of a long prompt: what is on show becomes exact, and never stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.unit import reference
from tests.unit.cases import rows

from . import answers
from .conftest import Lab
from .test_attention import cell_point

Mount = Callable[..., Lab]
N = 700
SIZES = {"n_layers": 2, "n_heads": 2, "n_tokens": N, "n_prompts": 1}
EXACT = "root.querySelector('[data-lw-pattern]').dataset.exact === arg"
# How often the large pattern has asked; the strip of tokens asks for whole rows of its own.
ASKED = """
  const asked = kernel.requests.filter(({ method }) => method === 'attention/pattern_part');
  return asked.filter(({ slot }) => !slot.endsWith('strip')).length;
"""
# Of the large pattern's pixel at a point of the page.
COLOUR = """
  const canvas = root.querySelector('[data-lw-pattern] canvas');
  const { x, y, width } = canvas.getBoundingClientRect();
  const ratio = canvas.width / width;
  const place = [(arg[0] - x) * ratio, (arg[1] - y) * ratio].map(Math.round);
  const [r, g, b] = canvas.getContext('2d').getImageData(...place, 1, 1).data;
  return (r << 16) | (g << 8) | b;
"""


def zoom_into(lab: Lab, q: int, k: int, notches: int = 4) -> None:
    """By the wheel, until what is on show is exact."""
    lab.page.mouse.move(*cell_point(lab, q, k, N))
    for _ in range(notches):
        lab.page.mouse.wheel(0, -300)
    lab.wait(EXACT, "true")


def by_torch(lab: Lab, layer: int, head: int, prompt: int = 0) -> Any:
    """The head's pattern [query, key] of a forward with a hook, float32."""
    session = answers.session_of(lab.js("return kernel.described"))
    tokens = rows(session)[prompt]
    return reference.activation(session.model, tokens, f"blocks.{layer}.attn.hook_pattern")[head]


def told(lab: Lab) -> tuple[int, int, float]:
    """The cell under the mouse and its exact weight, as the readout has it."""
    found = lab.js(
        "const { queryPos, keyPos, value } = root.querySelector('[data-lw-readout]').dataset;"
        " return [queryPos, keyPos, value].map(Number);"
    )
    return int(found[0]), int(found[1]), found[2]


def test_what_is_zoomed_into_is_exact_without_another_question(mount: Mount) -> None:
    lab = mount("attention", **SIZES)
    rounded = lab.find("[data-lw-rounded]")
    assert rounded.inner_text() == "Cells are rounded; zoom in for exact ones."
    lab.wait(EXACT, "false")
    height = lab.js("return root.getBoundingClientRect().height")
    zoom_into(lab, 600, 300)
    assert rounded.inner_text() == "Cells on show are exact."
    assert lab.js("return root.getBoundingClientRect().height") == height
    asked = lab.js(ASKED)
    truth = by_torch(lab, 0, 0)
    x, y = cell_point(lab, 600, 300, N)
    seen = {}
    for step in range(12):
        at = (x + 17 * step - 100, y + 5 * step)
        lab.page.mouse.move(*at)
        q, k, value = told(lab)
        assert np.float32(value) == truth[q, k].numpy()
        assert lab.find(".lw-plot-tip").inner_text().endswith(f"{value:.4f}")
        seen[q, k] = (value, lab.js(COLOUR, [at[0] + 3, at[1] + 3]))
    assert lab.js(ASKED) == asked, "a number on show was asked for again"
    # At a byte a cell most of these would have one colour and one number.
    bytes_ = {round(255 * value) for value, _ in seen.values()}
    assert len({colour for _, colour in seen.values()}) > len(bytes_)
    # A smaller part of the same is there already.
    lab.page.mouse.move(x, y)
    lab.page.mouse.wheel(0, -300)
    lab.wait(EXACT, "true")
    assert lab.js(ASKED) == asked


@pytest.mark.parametrize(
    "change",
    [
        'root.querySelector(\'[role="gridcell"][data-head="L1H1"]\').click()',
        "kernel.select({ prompt: 1 })",
        "root.querySelector('[aria-label=\"ablate L0H0\"]').click()",
        "root.querySelector('[data-option=\"value\"]').click()",
        'root.querySelector(\'[aria-label="show"] [data-option="baseline"]\').click()',
    ],
    ids=["head", "prompt", "ablation", "mode", "run"],
)
def test_another_pattern_drops_the_exact_cells_at_once(mount: Mount, change: str) -> None:
    lab = mount("attention", **{**SIZES, "n_prompts": 2})
    zoom_into(lab, 600, 300)
    lab.js("kernel.manual = true")
    lab.js(change)
    lab.wait(EXACT, "false")
    assert "rests" in lab.find("[data-lw-rounded]").inner_text()
    lab.js("kernel.manual = false; while (kernel.held.length) kernel.release()")
    lab.wait(EXACT, "true")
    args = {"prompt": 0, "layer": 0, "head": 0, "attention_mode": "pattern", "show": "current"}
    selected: dict[str, Any] = lab.js(
        "const { layer, head, prompt } = kernel.selection; return { layer, head, prompt };"
    )
    traits = lab.js("return mounts[0].model.traits")
    options = {name: traits[name] for name in ("attention_mode", "show")}
    asked = {**args, **selected, **options, "head_average": "none"}
    lab.page.mouse.move(*cell_point(lab, 500, 200, N))
    lab.wait("root.querySelector('[data-lw-readout]').dataset.value !== undefined")
    q, k, value = told(lab)
    assert np.float32(value) == lab.answer("attention/pattern", **asked)["pattern"].values[q, k]


def test_keys_zoom_as_the_wheel_does(mount: Mount) -> None:
    lab = mount("attention", **SIZES)
    plot = lab.find("[data-lw-pattern]")
    plot.focus()
    for _ in range(3):
        plot.press("+")
    lab.wait(EXACT, "true")
    plot.press("ArrowUp")
    # The cursor begins in the last row, and is followed.
    lab.wait("root.querySelector('[data-lw-readout]').dataset.value !== undefined")
    q, k, _ = told(lab)
    assert (q, k) == (N - 2, 0)
    lab.wait(EXACT, "true")
    assert np.float32(told(lab)[2]) == by_torch(lab, 0, 0)[q, k].numpy()
    plot.press("-")
    plot.press("0")
    lab.wait(EXACT, "false")
    assert lab.find('button[aria-label="whole pattern"]').is_disabled()


def test_the_explorers_pattern_is_exact_where_zoomed_into(mount: Mount) -> None:
    lab = mount("explorer", width=1400, **SIZES)
    lab.wait("root.querySelector('.lw-zoom')")
    zoom_into(lab, 600, 300)
    q, k, value = told(lab)
    assert np.float32(value) == by_torch(lab, 0, 0)[q, k].numpy()
