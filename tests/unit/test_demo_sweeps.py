"""On the shipped models, too, every cell of a sweep is one plain hooked forward."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.patching.nodes import block_nodes
from lens_widgets.engine.hooks import nodes
from lens_widgets.errors import InputError
from tests.unit import reference
from tests.unit.cases import corrupted_rows, rows

NODES, STREAM_NODES = tuple(nodes()), block_nodes()
DEMOS = ("ioi", "induction")
each_demo = pytest.mark.parametrize("name", DEMOS)


@cache
def _session(name: str) -> lw.Session:
    model = lw.load_demo(name)
    if name == "ioi":
        two = lw.prompts.IOI_PROMPTS[:2]
        return lw.Session(model, two, answers=lw.prompts.IOI_ANSWERS[:2], corrupted=two[::-1])
    halves = lw.prompts.repeated_tokens(model, seq_len=7, batch=2, halves="AA", corrupted="BB")
    return lw.Session(model, halves.prompts, answers=(7, 8), corrupted=halves.corrupted)


def _metric(session: lw.Session, tokens: Tensor, prompt: int, *hooks: reference.Hook) -> float:
    assert session.answer_tokens is not None
    correct, wrong = session.answer_tokens[prompt].tolist()
    return reference.logit_diff(reference.logits(session.model, tokens, hooks), (correct, wrong))


def _cells(sweep: Any, count: int) -> list[dict[str, int]]:
    dims = [dim for dim in sweep.dims if dim != "prompt"]
    shape = [sweep.sizes[dim] for dim in dims]
    flat = torch.linspace(0, sweep[0].size - 1, count).long()
    places = torch.stack(torch.unravel_index(flat, shape), dim=1).tolist()
    return [dict(zip(dims, place, strict=True)) for place in places]


@each_demo
@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_every_ablated_head_is_one_hooked_forward(name: str, kind: Any) -> None:
    session = _session(name)
    model, prompts, corrupted = session.model, rows(session), corrupted_rows(session)
    sweep = lw.analysis.ablation_sweep(session, kind, per_prompt=True)
    before = [_metric(session, tokens, p) for p, tokens in enumerate(prompts)]
    for place in _cells(sweep, sweep[0].size):
        hook, head = f"blocks.{place['layer']}.attn.hook_z", place["head"]
        source = corrupted if kind == "resample" else prompts
        found = [reference.activation(model, tokens, hook)[:, head] for tokens in source]
        values: dict[str, list[Any]] = {
            "zero": [0.0, 0.0],
            "mean": [torch.cat(found).mean(dim=0)] * 2,
            "resample": found,
        }
        for prompt, tokens in enumerate(prompts):
            after = _metric(
                session, tokens, prompt, reference.write(hook, values[kind][prompt], head)
            )
            got = float(sweep.sel(place).isel(prompt=prompt))
            assert got == pytest.approx(after - before[prompt], abs=2e-5), place


@each_demo
@pytest.mark.parametrize("node", NODES)
def test_patched_cells_are_one_hooked_forward_each(name: str, node: Any) -> None:
    session = _session(name)
    if name == "induction" and node == "mlp_out":
        with pytest.raises(InputError, match="mlp_out"):
            lw.analysis.patch_sweep(session, node)
        return
    by_pos = node not in STREAM_NODES
    sweep = lw.analysis.patch_sweep(session, node, by_pos, per_prompt=True)
    for place in _cells(sweep, 24):
        hook = f"blocks.{place['layer']}.{'attn.' if by_pos else ''}hook_{node}"
        for prompt, (clean, corrupted) in enumerate(
            zip(rows(session), corrupted_rows(session), strict=True)
        ):
            source = reference.activation(session.model, clean, hook)
            patch = reference.put(hook, source, place.get("head"), place["pos"])
            got = float(sweep.sel(place).isel(prompt=prompt))
            expected = _metric(session, corrupted, prompt, patch)
            assert got == pytest.approx(expected, abs=2e-5), place


@each_demo
def test_attribution_sums_to_the_logit_difference(name: str) -> None:
    session = _session(name)
    for ablations in ([], [lw.Ablate("L0H4")]):
        changed = session.with_interventions(ablations)
        total = lw.analysis.attribution(changed, by="component").sum()
        assert float(total) == pytest.approx(float(changed.current.mean()), abs=1e-4)
