"""What each part adds to the logits through the final norm, whose scale is held as it was."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit import reference
from tests.unit.right.case import Case, ask, check
from tests.unit.right.plain import ANSWER, PlainRun, near

A = lw.analysis
Linear = Callable[[Tensor], Tensor]
"""From vectors [pos, d_model], one at each position, to what a norm makes of them."""


def held(case: Case, run: PlainRun, part: str) -> Linear:
    """A norm with its scale held at what the run had: what it multiplies each entry with is seen
    from what went in and came out, and whether it takes the mean off from how it answers."""
    before, after = (run.read(f"{part}.hook_{end}") for end in ("in", "out"))
    norm: Any = case.twin.module(part)
    with torch.no_grad():
        centred = torch.allclose(norm(before), norm(before + 1.0), atol=1e-4)
    bias = getattr(norm, "bias", None)
    after = after if bias is None else after - bias.detach()

    def take_off(x: Tensor) -> Tensor:
        return x - x.mean(dim=-1, keepdim=True) if centred else x

    gain = after.double() / take_off(before.double())
    return lambda x: (take_off(x.double()) * gain).float()


class Reading:
    """How one position of a run is read for the answer's logit minus the wrong one's."""

    def __init__(self, case: Case, run: PlainRun, pos: int = -1) -> None:
        self.case, self.run, self.pos = case, run, pos
        self._norm = held(case, run, "ln_final")
        unembed: Any = case.twin.hf.get_output_embeddings()
        good, bad = ANSWER
        self._read = (unembed.weight[good].float() - unembed.weight[bad].float()).detach()
        bias = unembed.bias
        shift = 0.0 if bias is None else float((bias[good] - bias[bad]).detach())
        raw = float(run.read("ln_final.hook_out")[pos].float() @ self._read) + shift
        logits = run.logits()[pos]
        self.total = float(logits[good] - logits[bad])
        # What an architecture does to logits at its end, as one factor.
        self._factor = self.total / raw
        norm_bias = getattr(case.twin.module("ln_final"), "bias", None)
        if norm_bias is not None:
            shift += float(norm_bias.detach().float() @ self._read)
        self.bias = shift * self._factor

    def effect(self, written: Tensor) -> float:
        """Of what was written into the stream at each position [pos, d_model]."""
        return float(self._norm(written)[self.pos] @ self._read) * self._factor


def written_before(case: Case, run: PlainRun, layer: int, source: str) -> Tensor:
    """What a source, as scores by source name it, wrote [pos, d_model]."""
    if source == "pos_embed":
        return run.read("hook_pos_embed").expand(len(run.ids), -1)
    if source == "embed":
        first = run.read("blocks.0.hook_in")
        learned = "hook_pos_embed" in run.activations
        return first - run.read("hook_pos_embed") if learned else first
    head = re.fullmatch(r"L(\d+)H(\d+)", source)
    if head:
        return head_write(case, run, int(head[1]), int(head[2]))
    number, part = source[1:].split(".")
    return part_write(run, int(number), part)


def part_write(run: PlainRun, layer: int, part: str) -> Tensor:
    """What a layer's attention, MLP or other part wrote [pos, d_model]."""
    names = {
        "attn": "hook_attn_out",
        "mlp": "hook_mlp_out",
        "per_layer_input": "post_per_layer_input_norm.hook_out",
    }
    return run.read(f"blocks.{layer}.{names.get(part, f'{part}.hook_out')}")


def head_write(case: Case, run: PlainRun, layer: int, head: int) -> Tensor:
    """What one head wrote [pos, d_model]: what attention puts out with it alone, less without."""
    return _lone_write(case, run, layer, head, run.read(f"blocks.{layer}.attn.hook_z")[:, head])


def _lone_write(case: Case, run: PlainRun, layer: int, head: int, z: Tensor) -> Tensor:
    """What attention writes when of all heads only one puts out something, ``z`` [pos, d_head],
    less what it writes when none does."""
    name = f"blocks.{layer}.attn.hook_z"
    normed = case.has(layer, "ln1_post.hook_in")
    site = f"blocks.{layer}.{'ln1_post.hook_in' if normed else 'hook_attn_out'}"
    silent = reference.write(name, 0.0)
    outputs = [run.read(site, silent, *more) for more in ([reference.write(name, z, head)], [])]
    wrote = outputs[0] - outputs[1]
    return held(case, run, f"blocks.{layer}.ln1_post")(wrote) if normed else wrote


def _neuron_write(case: Case, run: PlainRun, layer: int, neuron: int) -> Tensor:
    """What one neuron wrote: what the MLP puts out, less what it does without."""
    normed = case.has(layer, "ln2_post.hook_in")
    site = f"blocks.{layer}.{'ln2_post.hook_in' if normed else 'hook_mlp_out'}"
    without = reference.zero_last_dim(f"{case.neurons(layer)}.hook_in", neuron)
    wrote = run.read(site) - run.read(site, without)
    return held(case, run, f"blocks.{layer}.ln2_post")(wrote) if normed else wrote


@check(
    "direct effects of components and layers",
    "what hooks say they wrote, and how Hugging Face's stream changes from layer to layer, read "
    "through its final norm and unembedding",
)
def components(case: Case) -> None:
    by = {k: A.attribution(case.session, by=k, per_prompt=True) for k in ("component", "layer")}
    for prompt in case.prompts[-1:]:
        run = case.run(prompt)
        read = Reading(case, run)
        got = by["component"].sel(prompt=prompt)
        expected = {"bias": read.bias}
        for name in map(str, got["component"].values):
            if name != "bias":
                expected[name] = read.effect(written_before(case, run, 0, name))
        near(got, [expected[str(name)] for name in got["component"].values], "by component")
        near(sum(expected.values()), read.total, "all of them", 1e-3)
        streams = [run.read(f"blocks.{layer}.hook_in") for layer in case.layers]
        steps = zip(streams, [*streams[1:], run.read("ln_final.hook_in")], strict=True)
        layers = [read.effect(end - start) for start, end in steps]
        near(by["layer"].sel(prompt=prompt), layers, "by layer")
        clean = case.run(prompt, now=False)
        table = ask(case, lw.AttributionTable, "rows", by="component", prompt=prompt, pos=None)
        near(table["current"], got, "attribution/rows")
        own = case.twin.streams(clean.tokens)
        near(own[-1], clean.read("ln_final.hook_in"), "Hugging Face's stream")
        before = Reading(case, clean)
        expected_layers = [before.effect(end - start) for start, end in itertools.pairwise(own)]
        table = ask(case, lw.AttributionTable, "rows", by="layer", prompt=prompt, pos=None)
        rows = dict(zip(map(str, table["component"].values), table["baseline"], strict=True))
        got_layers = [rows[f"L{layer}"] for layer in case.layers]
        near(got_layers, expected_layers, "attribution/rows by layer")


@check("direct effects at a position", "the same, at another position")
def at_a_position(case: Case) -> None:
    got = A.attribution(case.session, by="component", pos=2, per_prompt=True).sel(prompt=0)
    run = case.run(0)
    read = Reading(case, run, pos=2)
    names = [str(name) for name in got["component"].values]
    effects = {n: read.effect(written_before(case, run, 0, n)) for n in names if n != "bias"}
    near(got, [{"bias": read.bias, **effects}[name] for name in names], "pos=2")
    every = A.attribution(case.session, by="component", per_position=True, per_prompt=True)
    near(every.sel(prompt=0, pos=2), got, "per_position")


@check(
    "direct effects of heads",
    "what attention puts out with one head alone, less without any, read in the same way",
)
def heads(case: Case) -> None:
    got = A.attribution(case.session, by="head", per_prompt=True)
    for prompt in case.prompts[:1]:
        run = case.run(prompt)
        read = Reading(case, run)
        expected = np.full(got.shape[1:], np.nan)
        for layer in case.layers:
            if case.has_heads(layer):
                for head in range(case.facts.n_heads):
                    expected[layer, head] = read.effect(head_write(case, run, layer, head))
        near(got.sel(prompt=prompt), expected, "by head")
        grid = ask(case, lw.AblationPanel, "grid", ablation_kind=None, prompt=prompt)
        near(grid["heads"], expected, "ablation/grid")
        table = ask(case, lw.AttributionTable, "rows", by="head", prompt=prompt, pos=None)
        rows = dict(zip(table["component"].values, table["current"].values, strict=True))
        for layer, head in np.argwhere(~np.isnan(expected)):
            near(rows[f"L{layer}H{head}"], expected[layer, head], "attribution/rows")


@check(
    "direct effects by source token",
    "what attention puts out when one head has one token's value times its weight, and no other",
)
def by_source(case: Case) -> None:
    answered = 0
    for layer in case.layers:
        head = min(2, case.facts.n_heads - 1)
        try:
            got = A.attribution_by_source(case.session, f"L{layer}H{head}")
        except InputError:
            continue
        answered += 1
        run = case.run(0)
        read, base = Reading(case, run), f"blocks.{layer}.attn."
        value = run.read(f"{base}hook_v")
        group = head * value.shape[1] // case.facts.n_heads
        weight = run.read(f"{base}hook_pattern")[head, -1]
        expected = []
        for key in (1, len(run.ids) - 1):
            carried = weight[key] * value[key, group]
            alone = _lone_write(case, run, layer, head, carried.expand(len(run.ids), -1))
            expected.append(read.effect(alone))
        near(got.sel(prompt=0).values[[1, len(run.ids) - 1]], expected, f"L{layer}H{head}")
        table = ask(
            case, lw.AttributionTable, "sources", prompt=0, layer=layer, head=head, pos=None
        )
        near(table["current"], got.sel(prompt=0).values[: len(run.ids)], "attribution/sources")
        near(np.nansum(got.sel(prompt=0)), read.effect(head_write(case, run, layer, head)), "sum")
    if not answered:
        raise InputError("No layer's heads put out pattern times values.", "")


@check(
    "direct effects of neurons",
    "what an MLP puts out, less what it does without the neuron, read in the same way",
)
def neurons(case: Case) -> None:
    answered = 0
    for layer in case.layers:
        try:
            got = A.attribution(case.session, by="neuron", layer=layer, per_prompt=True)
        except InputError:
            continue
        answered += 1
        run = case.run(0)
        read = Reading(case, run)
        chosen = [0, got.sizes["neuron"] - 1, int(np.abs(got.sel(prompt=0).values).argmax())]
        expected = [read.effect(_neuron_write(case, run, layer, each)) for each in chosen]
        near(got.sel(prompt=0).values[chosen], expected, f"layer {layer}")
        table = ask(case, lw.AttributionTable, "neurons", layer=layer, prompt=0, pos=None)
        numbers = table["neuron"].values
        near(table["current"], got.sel(prompt=0).values[numbers], "attribution/neurons")
    if not answered:
        raise InputError("No layer of this model has an MLP of neurons.", "")


@check("logits that build up", "the stream at each stage of a forward, read in the same way")
def accumulated(case: Case) -> None:
    got = A.accumulated_attribution(case.session, per_prompt=True)
    for prompt in case.prompts:
        run = case.run(prompt)
        read = Reading(case, run)
        streams = (stream_at(run, str(stage)) for stage in got["stage"].values)
        expected = [read.effect(stream) + read.bias for stream in streams]
        near(got.sel(prompt=prompt), expected, "accumulated_attribution")
        lines = ask(case, lw.LogitLensView, "lines", prompt=prompt, incl_mid=True)
        near(lines["accumulated"].sel(show="current"), expected, "logit_lens/lines")
        parts = A.attribution(case.session, by="component", per_prompt=True).sel(prompt=prompt)
        near(lines["contribution"].sel(show="current"), parts, "logit_lens/lines, parts")


def stream_at(run: PlainRun, stage: str) -> Tensor:
    """The residual stream [pos, d_model] at a stage, as TransformerLens names it."""
    if stage == "final_post":
        return run.read("ln_final.hook_in")
    layer, kind = stage.split("_")
    return run.read(f"blocks.{layer}.{'hook_in' if kind == 'pre' else 'hook_resid_mid'}")
