"""A patching map gives what one plain hooked forward per cell gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.patching.nodes import NODES, STREAM_NODES
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_MODEL, PATTERN_IS_A_COPY, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows

CASES = [(a, n) for a in ARCHITECTURES for n in NODES if (a, n) != ("attn_only", "mlp_out")]


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, **options)


def _hook(node: str, layer: int) -> str:
    return f"blocks.{layer}.{'' if node in STREAM_NODES else 'attn.'}hook_{node}"


def _expected(
    session: lw.Session,
    node: str,
    place: dict[str, int],
    hooks: tuple[reference.Hook, ...] = (),
) -> list[float]:
    """Each prompt's metric after patching one cell of the corrupted run by a plain hook."""
    name, values = _hook(node, place["layer"]), []
    prompts = zip(rows(session), corrupted_rows(session), ANSWER_IDS, strict=True)
    for clean, corrupted, answer in prompts:
        source = reference.activation(session.model, clean, name, hooks)
        pos = place.get("pos", slice(None))
        if isinstance(pos, int) and pos >= clean.shape[1]:
            values.append(float("nan"))
            continue
        patch = reference.put(name, source, place.get("head"), pos)
        logits = reference.logits(session.model, corrupted, [*hooks, patch])
        values.append(reference.logit_diff(logits, answer))
    return values


def _places(sweep: Any) -> list[dict[str, int]]:
    """The corners of a map and a few cells between."""
    dims = [d for d in sweep.dims if d != "prompt"]
    sizes = [sweep.sizes[d] for d in dims]
    flat = np.linspace(0, int(np.prod(sizes)) - 1, 7).astype(int)
    return [dict(zip(dims, map(int, np.unravel_index(i, sizes)), strict=True)) for i in flat]


@pytest.mark.parametrize(("name", "node"), CASES)
def test_each_cell_is_one_hooked_forward(name: str, node: Any) -> None:
    session = _session(name)
    if node == "pattern" and name in PATTERN_IS_A_COPY:
        with pytest.raises(InputError, match=r"node='pattern'.*ignores edits"):
            lw.analysis.patch_sweep(session, node)
        return
    # By position is the harder half: it also shows what a single position reaches.
    sweep = lw.analysis.patch_sweep(session, node, node not in STREAM_NODES, per_prompt=True)
    for place in _places(sweep):
        got = sweep.sel(place).values.tolist()
        expected = _expected(session, node, place)
        assert got == pytest.approx(expected, abs=2e-5, nan_ok=True), place


@pytest.mark.parametrize("node", NODES)
def test_a_map_is_made_under_the_interventions_of_both_runs(node: Any) -> None:
    session = _session("gpt2")
    vector = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(2))
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", vector, positions=1))
    hooks = (
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.add("blocks.0.hook_resid_post", vector, at=(1,)),
    )
    sweep = lw.analysis.patch_sweep(session, node, per_prompt=True)
    for place in _places(sweep):
        expected = _expected(session, node, place, hooks)
        got = sweep.sel(place).values.tolist()
        assert got == pytest.approx(expected, abs=2e-5, nan_ok=True), place


def test_patching_the_whole_first_stream_restores_the_clean_run() -> None:
    session = lw.Session(tiny("gpt2"), ["w5"], answers=("w30", "w31"), corrupted=["w6"])
    sweep = lw.analysis.patch_sweep(session, "resid_pre", normalize=True)
    assert float(sweep.sel(layer=0, pos=1)) == pytest.approx(1.0, abs=2e-5)
    assert float(sweep.sel(layer=0, pos=0)) == pytest.approx(0.0, abs=2e-5)
    assert sweep.attrs["clean"] == pytest.approx(float(session.baseline.mean()))
    assert sweep.attrs["corrupted"] == pytest.approx(float(session.corrupted_run().metric.mean()))


def test_a_map_needs_corrupted_prompts_and_a_known_node() -> None:
    with pytest.raises(InputError, match="no corrupted prompts"):
        lw.analysis.patch_sweep(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS), "z")
    with pytest.raises(InputError, match=r"node='zz'.*'resid_pre'"):
        lw.analysis.patch_sweep(_session("gpt2"), "zz")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"node='mlp_out'.*no blocks\.0\.hook_mlp_out"):
        lw.analysis.patch_sweep(_session("attn_only"), "mlp_out")


@pytest.mark.parametrize("node", ["resid_pre", "attn_out", "z"])
def test_an_estimate_is_the_gradient_times_the_difference(node: Any) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[:1], answers=ANSWERS[0], corrupted=CORRUPTED[:1])
    estimate = lw.analysis.estimate_sweep(session, node)
    (clean,), (corrupted,) = rows(session), corrupted_rows(session)
    base = reference.logit_diff(reference.logits(session.model, corrupted), ANSWER_IDS[0])
    for place in _places(estimate):
        name = _hook(node, place["layer"])
        source = reference.activation(session.model, clean, name)
        kept: dict[str, Tensor] = {}

        def keep(activation: Tensor, hook: Any, kept: dict[str, Tensor] = kept) -> Tensor:
            kept["x"] = activation.detach().clone().requires_grad_()
            return kept["x"] * 1.0

        logits = session.model.run_with_hooks(corrupted, fwd_hooks=[(name, keep)])[0, -1]
        (logits[ANSWER_IDS[0][0]] - logits[ANSWER_IDS[0][1]]).backward()
        gradient = kept["x"].grad
        assert gradient is not None
        change = (gradient * (source - kept["x"].detach()))[0]
        part = change[place["pos"]] if "pos" in place else change[:, place["head"]]
        assert float(estimate.sel(place)) == pytest.approx(base + float(part.sum()), abs=2e-5)
    assert estimate.attrs["estimate"]
    assert not lw.analysis.patch_sweep(session, node).attrs["estimate"]
    for parameter in session.model.parameters():
        parameter.grad = None
