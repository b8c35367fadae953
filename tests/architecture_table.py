"""The table of what works for which architecture: ``python -m tests.architecture_table`` writes it.

``tests/unit/test_architecture_numbers.py`` holds it against what is found.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import lens_widgets as lw
from lens_widgets.analysis.patching.patch_maps import available_nodes
from lens_widgets.analysis.weights.head_weights import weighted_layers
from lens_widgets.engine.hooks import nodes
from lens_widgets.errors import InputError
from tests.architectures import HUGGING_FACE, NOT_BUILT, build
from tests.unit.every_question import session_of
from tests.unit.right import CHECKS

A = lw.analysis
PAGE = Path(__file__).parent.parent / "docs" / "guide" / "architectures.md"

COLUMNS: dict[str, Callable[[lw.Session], Any]] = {
    "logit lens": lambda s: A.logit_lens(s)["kl"],
    "direct effects": lambda s: A.attribution(s, by="component"),
    "of heads": lambda s: A.attribution(s, by="head"),
    "neurons": lambda s: A.neuron_activations(s),
    "attention": lambda s: A.attention_patterns(s).isel(key_pos=0),
    "scores": lambda s: A.attention_patterns(s, mode="scores").isel(key_pos=0),
    "written by": lambda s: A.decompose_scores(s, _head(s)).isel(key_pos=0),
    "ablated heads": lambda s: A.ablation_sweep(s),
    "weights": lambda s: _weights(s),
}
"""By its column: something that must be answered for the column to say so."""

_INTRO = """# Architectures

What works for which architecture that TransformerLens reads, as the test suite found it on tiny
models of random weights. **yes**: answered, and held against plain runs as listed below the table.
**some**: in some layers, as the others are built of something else (state spaces, convolutions).
**no**: refused in words that say why. Tokens, losses and single activations work for all of them,
and so does patching what the last column names.

"""

_HEAD = (
    "The columns: the logit lens; direct effects on the logits by "
    "component, and of heads; activations of single neurons; attention patterns; attention scores "
    "before the softmax; those scores by who wrote the query and the key; ablations of heads; "
    "composition and circuits of weights.\n\n"
)

_CHECKED = """## What is checked

On each of these, for prompts of different lengths and with something ablated, as far as it is
answered; the functions of `lw.analysis` and the views' questions alike.

| number | held against |
| --- | --- |
"""


def row_of(session: lw.Session) -> list[str]:
    """The cells of one architecture, without its name."""
    cells = [_worth(session, ask) for ask in COLUMNS.values()]
    try:
        found = available_nodes(session, tuple(nodes()))
    except InputError:
        found = []
    return [*cells, ", ".join(found) or "none"]


def rows_of(page: str) -> dict[str, list[str]]:
    """The same from the page, by the name of the class."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {name.strip("`"): cells for name, *cells in lines if len(cells) > 1}


def _head(session: lw.Session) -> str:
    """The last layer's first head, of those that have attention."""
    layers = session.facts.layers.attention or (0,)
    return f"L{layers[-1]}H0"


def _weights(session: lw.Session) -> xr.DataArray:
    """By layer: a number where a head's OV circuit can be had, NaN where it is refused."""
    layers = weighted_layers(session.model, "weights")
    ranks = [float("nan")] * session.facts.n_layers
    for layer in layers:
        ranks[layer] = A.ov_circuit(session, f"L{layer}H0").left.shape[1]
    return xr.DataArray(ranks, dims="layer")


def _worth(session: lw.Session, ask: Callable[[lw.Session], Any]) -> str:
    try:
        values = ask(session)
    except InputError:
        return "no"
    if "layer" not in values.dims:
        return "yes"
    empty = np.isnan(values).all([dim for dim in values.dims if dim != "layer"]).values
    if empty.all():
        return "no"
    return "some" if empty.any() else "yes"


def page_of(table: dict[str, list[str]]) -> str:
    """The whole page, of the cells by architecture."""
    names = ["architecture", *COLUMNS, "can be patched"]
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    lines += [f"| {' | '.join([f'`{name}`', *table[name]])} |" for name in sorted(table)]
    checked = [f"| {check.name} | {check.against} |" for check in CHECKS.values()]
    reasons: dict[str, list[str]] = {}
    for name, reason in NOT_BUILT.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    rest = [f"- {reason}: {', '.join(sorted(each))}." for reason, each in reasons.items()]
    return (
        _INTRO
        + _HEAD
        + "\n".join(lines)
        + "\n\n"
        + _CHECKED
        + "\n".join(checked)
        + "\n\n## Not tried\n\nTransformerLens knows these names too.\n\n"
        + "\n".join(rest)
        + "\n"
    )


if __name__ == "__main__":
    found = {name: row_of(session_of(build(name))) for name in sorted(HUGGING_FACE)}
    PAGE.write_text(page_of(found), encoding="utf-8")
