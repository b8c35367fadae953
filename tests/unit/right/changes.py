"""What becomes of the metric when something is ablated or patched: one hooked forward a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit import reference
from tests.unit.reference import Hook
from tests.unit.right.case import Case, ask, check
from tests.unit.right.plain import ANSWER, PlainRun, near

A = lw.analysis
PARTS = {"head": "attn.hook_z", "mlp": "hook_mlp_out", "attn": "hook_attn_out"}
BLOCKS = {"resid_pre": "hook_resid_pre", "attn_out": "hook_attn_out", "mlp_out": "hook_mlp_out"}
HEADS = {name: f"attn.hook_{name}" for name in ("z", "q", "k", "v", "pattern")}

ESTIMATED = ("resid_pre", "mlp_out", "z", "k", "pattern")
"""One of each kind: what is read, what is written, and by heads."""


def _effect(run: PlainRun, name: str, head: int | None, value: Any = 0.0) -> float:
    return run.metric(reference.write(name, value, head=head)) - run.metric()


@check("ablation effects", "one forward for each head, MLP and attention layer, under a hook")
def ablations(case: Case) -> None:
    answered, prompt = 0, case.prompts[-1]
    run = case.run(prompt)
    before = run.metric()
    grid = None
    for over, part in PARTS.items():
        try:
            got = A.ablation_sweep(case.session, over=over, per_prompt=True)  # type: ignore[arg-type]
        except InputError:
            continue
        answered += 1
        expected = np.full(got.shape[1:], np.nan)
        for layer in case.layers:
            if not case.has(layer, part):
                continue
            for head in range(case.facts.n_heads) if over == "head" else [None]:
                edit = reference.write(f"blocks.{layer}.{part}", 0.0, head=head)
                expected[(layer,) if head is None else (layer, head)] = run.metric(edit) - before
        near(got.sel(prompt=prompt), expected, over)
        if over != "attn":
            if grid is None:
                grid = ask(case, lw.AblationPanel, "grid", ablation_kind="zero", prompt=prompt)
            near(grid[f"{over}s"], expected, f"ablation/grid {over}")
    if not answered:
        raise InputError("Nothing of this model can be ablated.", "")


@check("mean and resampled ablations", "the same with a mean or the corrupted prompt's value")
def other_ablations(case: Case) -> None:
    layer = case.layers[-1]
    present = [over for over, part in PARTS.items() if case.has(layer, part)]
    over = next((over for over in present if over != "head" or case.has_heads(layer)), "mlp")
    part = PARTS[over]
    got = A.ablation_sweep(case.session, "mean", over, per_prompt=True)  # type: ignore[arg-type]
    name, head = f"blocks.{layer}.{part}", 2 % case.facts.n_heads if over == "head" else None
    at = {"layer": layer, **({} if head is None else {"head": head}), "prompt": 0}
    every = torch.cat([case.run(prompt, now=False).read(name) for prompt in case.prompts])
    mean = every.mean(dim=0)
    expected = _effect(case.run(0), name, head, mean if head is None else mean[head])
    near(got.sel(at), expected, "mean")
    other = case.run(0, now=False, corrupted=True).read(name)
    edit = reference.write(name, other if head is None else other[:, head], head=head)
    ablated = lw.Ablate(f"L{layer}.{over}" if head is None else f"L{layer}H{head}", "resample")
    run = case.session.run([*case.session.interventions.active, ablated])
    near(run.metric[0], case.run(0).metric(edit), "resample")


@check("effects of what is switched off", "two forwards, one without it")
def switched_off(case: Case) -> None:
    effects = ask(case, lw.AblationPanel, "intervention_effects")["effect"].values
    if not case.ablated:
        assert len(effects) == 0
        return
    change = [case.run(p).metric() - case.run(p, now=False).metric() for p in case.prompts]
    near(effects, [np.mean(change)], "ablation/intervention_effects")


@check("ablations and the loss", "the mean loss of one forward for a head, under a hook")
def loss_effects(case: Case) -> None:
    table = ask(case, lw.HeadScoresView, "loss_effects", ablation_kind="zero")
    for layer in case.layers:
        got = table["loss_change"].values[layer]
        if np.isnan(got).all():
            assert not case.has_heads(layer), "heads that are not ablated"
            continue
        head = min(2, case.facts.n_heads - 1)
        edit = reference.write(f"blocks.{layer}.attn.hook_z", 0.0, head=head)
        runs = [case.run(prompt) for prompt in case.prompts]
        losses = [
            [float(reference.losses(run.logits(*more), run.tokens).mean()) for more in ([edit], [])]
            for run in runs
        ]
        near(got[head], np.mean([after - before for after, before in losses]), f"layer {layer}")


def _patched(case: Case, name: str, prompt: int, head: int | None, pos: Any, into: str) -> float:
    """The metric of one run with another's activation in it."""
    runs = {
        "corrupted": case.run(prompt, corrupted=True),
        "clean": case.run(prompt),
    }
    base = runs.pop(into)
    (source,) = runs.values()
    where = slice(None) if pos is None else pos
    return base.metric(reference.put(name, source.read(name), head=head, pos=where))


@check("patching of blocks", "one forward a cell with the other run's activation put in its place")
def patched_blocks(case: Case) -> None:
    _patching(case, BLOCKS, "blocks")


@check("patching of heads", "the same")
def patched_heads(case: Case) -> None:
    _patching(case, HEADS, "heads")


def _patching(case: Case, nodes: dict[str, str], question: str) -> None:
    options = {"patch_into": "corrupted", "normalize": False}
    shown = ask(case, lw.PatchingView, question, prompt=0, **options)
    answered = 0
    for node, part in nodes.items():
        try:
            got = A.patch_sweep(case.session, node, per_prompt=True)
        except InputError:
            assert node not in shown
            continue
        answered += 1
        for layer in {case.layers[0], case.layers[-1]}:
            name = f"blocks.{layer}.{part}"
            if not case.has(layer, part):
                continue
            if question == "blocks":
                prompt = case.prompts[-1]
                for pos in (1, len(case.run(prompt).ids) - 1):
                    expected = _patched(case, name, prompt, None, pos, "corrupted")
                    near(got.sel(prompt=prompt, layer=layer, pos=pos), expected, (node, layer, pos))
                continue
            head = got.sizes["head"] - 1
            expected = _patched(case, name, 0, head, None, "corrupted")
            near(got.sel(prompt=0, layer=layer, head=head), expected, (node, layer, head))
        here = got.sel(prompt=0).values
        told = shown[node].values
        near(told[tuple(map(slice, here.shape))], here[tuple(map(slice, told.shape))], question)
        if node == "z":
            _by_position(case, node, part)
    if not answered:
        raise InputError("Nothing of this kind can be patched.", "")


def _by_position(case: Case, node: str, part: str) -> None:
    got = A.patch_sweep(case.session, node, by_pos=True, into="clean", per_prompt=True)
    layer = max(layer for layer in case.layers if case.has(layer, part))
    expected = _patched(case, f"blocks.{layer}.{part}", 0, 0, 2, "clean")
    near(got.sel(prompt=0, layer=layer, head=0, pos=2), expected, f"{node} by position")


@check("estimates of patching", "gradients of a whole forward, by autograd")
def estimates(case: Case) -> None:
    prompt = case.prompts[-1]
    base, source = case.run(prompt, corrupted=True), case.run(prompt)
    found: dict[str, tuple[Any, str]] = {}
    for node in ESTIMATED:
        part = (BLOCKS | HEADS)[node]
        try:
            found[node] = A.estimate_sweep(case.session, node, per_prompt=True), part
        except InputError:
            continue
    if not found:
        raise InputError("Nothing can be estimated.", "")
    names = {
        (node, layer): f"blocks.{layer}.{part}"
        for node, (_, part) in found.items()
        for layer in case.layers
        if case.has(layer, part)
    }
    slopes = _gradients(base, list(names.values()))
    for (node, layer), name in names.items():
        got = found[node][0].sel(prompt=prompt, layer=layer)
        moved = (source.read(name) - base.read(name)) * slopes[name]
        over = [axis for axis in range(moved.dim()) if axis != _kept_axis(node)]
        expected = base.metric() + moved.sum(dim=over)
        near(got.values[: len(expected)], expected, f"{node} of layer {layer}")


def _kept_axis(node: str) -> int:
    """The axis that a map counts, of an activation of one prompt."""
    return 1 if node in ("z", "q", "k", "v") else 0


def _gradients(run: PlainRun, names: list[str]) -> dict[str, Tensor]:
    kept: dict[str, Tensor] = {}

    def holder(name: str) -> Hook:
        def hold(value: Tensor, hook: Any) -> Tensor:
            # Of its own: the stream that enters the first layer may go elsewhere, too.
            kept[name] = value.clone()
            return kept[name]

        return name, hold

    with torch.enable_grad():
        hooks = [*run.hooks, *map(holder, names)]
        logits = run.model.run_with_hooks(run.tokens, fwd_hooks=hooks, use_cache=False)
        metric = logits[0, -1, ANSWER[0]] - logits[0, -1, ANSWER[1]]
        found = torch.autograd.grad(metric, [kept[name] for name in names], allow_unused=True)
    return {
        name: torch.zeros_like(kept[name])[0] if slope is None else slope[0].detach()
        for name, slope in zip(names, found, strict=True)
    }
