"""Where heads look, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit import reference
from tests.unit.right.case import Case, ask, check
from tests.unit.right.direct import held, written_before
from tests.unit.right.plain import PlainRun, near

A = lw.analysis
KINDS = ("previous", "current", "first", "induction", "duplicate")


def _patterns(case: Case, run: PlainRun) -> Tensor:
    """[layer, head, query, key] of a run, NaN in layers that report none by heads."""
    n, n_heads = len(run.ids), case.facts.n_heads
    found = torch.full((len(case.layers), n_heads, n, n), torch.nan)
    for layer in case.layers:
        pattern = run.activations.get(f"blocks.{layer}.attn.hook_pattern")
        if pattern is not None and pattern.shape == found[layer].shape:
            found[layer] = pattern
    return found


def _all_patterns(case: Case, which: str, mode: str, prompt: int) -> np.ndarray:
    values: np.ndarray = A.attention_patterns(case.session, which, prompt, mode=mode).values  # type: ignore[arg-type]
    return values


@check("attention patterns", "Hugging Face's own attentions; patterns under a hook")
def patterns(case: Case) -> None:
    for prompt in case.prompts:
        run, clean = case.run(prompt), case.run(prompt, now=False)
        before, after = _patterns(case, clean), _patterns(case, run)
        got = _all_patterns(case, "baseline", "pattern", prompt)
        near(got, before, "baseline")
        near(_all_patterns(case, "current", "pattern", prompt), after, "current")
        own = case.twin.patterns(clean.tokens)
        attention = [layer for layer in case.layers if not np.isnan(got[layer]).all()]
        if len(own) == len(attention):
            # Hugging Face gives an attention sink a column of its own.
            width = got.shape[-1]
            near(got[attention], torch.stack(own)[..., :width], "Hugging Face's")
        view = {"prompt": prompt, "attention_mode": "pattern"}
        table = ask(case, lw.AttentionView, "patterns", show="difference", **view)
        near(table["patterns"], after - before, "attention/patterns")
        layer, head = attention[-1], 2 % case.facts.n_heads
        chosen = {"layer": layer, "head": head, **view}
        one = ask(case, lw.AttentionView, "pattern", show="current", head_average="none", **chosen)
        near(one["pattern"], after[layer, head], "attention/pattern")
        mean = ask(
            case, lw.AttentionView, "pattern", show="current", head_average="layer", **chosen
        )
        near(mean["pattern"], after[layer].mean(dim=0), "attention/pattern, mean")
        part = ask(
            case,
            lw.AttentionView,
            "pattern_part",
            show="baseline",
            head_average="none",
            query_start=3,
            query_stop=4,
            key_start=0,
            key_stop=2,
            **chosen,
        )
        near(part["pattern"], before[layer, head, 3:4, :2], "attention/pattern_part")


@check("value-weighted attention", "those patterns times the norms of Hugging Face's values")
def values(case: Case) -> None:
    prompt = case.prompts[-1]
    got = _all_patterns(case, "baseline", "value", prompt)
    run = case.run(prompt, now=False)
    expected = _patterns(case, run)
    n_heads = case.facts.n_heads
    for layer in case.layers:
        value = run.activations.get(f"blocks.{layer}.attn.hook_v")
        if value is None or value.dim() != 3:
            expected[layer] = torch.nan
            continue
        own = case.twin.given_out(f"blocks.{layer}.attn.v", run.tokens)
        if own is not None and own.numel() == value.numel():
            near(value.flatten(1), own.flatten(1), f"values of layer {layer}")
        norms = value.norm(dim=-1).T.repeat_interleave(n_heads // value.shape[1], dim=0)
        expected[layer] *= norms[:, None]
    near(got, expected, "baseline")


@check("attention scores", "logarithms of the patterns, up to a constant for each query")
def scores(case: Case) -> None:
    for prompt in case.prompts:
        got = torch.as_tensor(_all_patterns(case, "current", "scores", prompt))
        run = case.run(prompt)
        pattern = _patterns(case, run)
        for layer in case.layers:
            if got[layer].isnan().all():
                continue
            # Whatever else is in the softmax, such as a sink, has no part in these differences.
            seen = (pattern[layer] > 1e-8) & ~got[layer].isnan()
            assert bool((seen == (pattern[layer] > 1e-8)).all()), "an attended key has no score"
            near(
                _less_the_mean(got[layer], seen),
                _less_the_mean(pattern[layer].log(), seen),
                f"layer {layer}",
                1e-3,
            )
            hook = run.activations.get(f"blocks.{layer}.attn.hook_attn_scores")
            # Some ALiBi counts from the end of the batch: in a prompt that is padded that is a
            # constant, which no softmax sees.
            if prompt == 0 and hook is not None and not torch.allclose(hook, pattern[layer]):
                near(got[layer][seen], hook[seen], f"scores of layer {layer}")


def _less_the_mean(values: Tensor, seen: Tensor) -> Tensor:
    values = values.masked_fill(~seen, torch.nan)
    return values - values.nanmean(dim=-1, keepdim=True)


def _stripe(ids: Sequence[int], kind: str) -> list[tuple[int, int]]:
    """Queries and keys of a kind of score, by its definition."""
    every = range(len(ids))
    if kind == "previous":
        return [(q, q - 1) for q in every if q > 0]
    if kind in ("current", "first"):
        return [(q, q if kind == "current" else 0) for q in every]
    half = (len(ids) - 1) // 2
    if kind == "induction" and half and ids[1:] == [*ids[1 : half + 1]] * 2:
        return [(q, q - half + 1) for q in every if q >= half - 1]
    last = [(q, max((k for k in range(q) if ids[k] == ids[q]), default=-1)) for q in every]
    return [(q, k + (kind == "induction")) for q, k in last if k >= 0]


@check("head scores", "means of the patterns over stripes written out by hand")
def head_scores(case: Case) -> None:
    found: dict[bool, list[Tensor]] = {}
    for now in (False, True):
        for prompt in case.prompts:
            run = case.run(prompt, now=now)
            pattern = _patterns(case, run)
            rows = []
            for kind in KINDS:
                places = _stripe(run.ids, kind)
                cells = [pattern[:, :, q, k] for q, k in places]
                nothing = torch.full(pattern.shape[:2], torch.nan)
                rows.append(torch.stack(cells).mean(dim=0) if cells else nothing)
            found.setdefault(now, []).append(torch.stack(rows))
    before, after = (torch.stack(found[now]) for now in (False, True))
    for index, kind in enumerate(KINDS):
        got = A.head_scores(case.session, kind, per_prompt=True)  # type: ignore[arg-type]
        near(got, after[:, index], kind)
    table = ask(case, lw.HeadScoresView, "scores", prompt=None)
    near(table["current"], after.nanmean(dim=0), "head_scores/scores")
    near(table["baseline"], before.nanmean(dim=0), "head_scores/scores")
    stripe = ask(case, lw.AttentionView, "stripe", prompt=0, stripe="induction")
    near(stripe["current"], after[0, KINDS.index("induction")], "attention/stripe")
    places = list(zip(stripe["query_pos"].values, stripe["key_pos"].values, strict=True))
    assert places == _stripe(case.run(0).ids, "induction")


@check(
    "scores by source",
    "scores of a forward whose queries and keys are replaced by what one source gives each",
)
def sources(case: Case) -> None:
    answered = 0
    for layer in case.layers:
        head = min(2, case.facts.n_heads - 1)
        try:
            parts = A.decompose_scores(case.session, f"L{layer}H{head}", prompt=0)
        except InputError:
            continue
        answered += 1
        run = case.run(0)
        scores = torch.as_tensor(
            A.attention_patterns(case.session, "current", 0, mode="scores").values[layer, head]
        )
        total = torch.as_tensor(parts.sum(["query_source", "key_source"], skipna=False).values)
        if not parts.attrs["definition"].endswith("before the cap"):
            near(total, scores, f"sum at L{layer}H{head}")
        names = [str(name) for name in parts["query_source"].values]
        pairs = [(names[0], names[-2]), (names[-2], names[0])]
        for query, key in pairs:
            got = parts.sel(query_source=query, key_source=key)
            expected = _by_hand(case, run, layer, head, query, key)
            if expected is not None:
                near(got, expected.masked_fill(scores.isnan(), torch.nan), (layer, query, key))
        table = ask(
            case,
            lw.ScoreDecompositionView,
            "sources",
            layer=layer,
            head=head,
            prompt=0,
            sources_by="head",
            query_pos=3,
            key_pos=1,
        )
        if not np.isnan(parts.values[0, 0, 3, 1]):
            near(table["current"], parts.sel(query_pos=3, key_pos=1), "score_decomposition/sources")
        at = {"query_source": names[0], "key_source": names[-1], "show": "current"}
        one = ask(
            case,
            lw.ScoreDecompositionView,
            "positions",
            layer=layer,
            head=head,
            prompt=0,
            sources_by="head",
            **at,
        )
        pair = parts.sel(query_source=names[0], key_source=names[-1])
        near(one["score"], pair, "score_decomposition/positions")
    if not answered:
        raise InputError("No layer of this model has scores that are a sum over sources.", "")


def _by_hand(
    case: Case, run: PlainRun, layer: int, head: int, query: str, key: str
) -> Tensor | None:
    """What a pair of sources gives to the scores: the model's own, of a forward in which the head's
    queries and keys are what these two wrote. None where a forward does not tell."""
    base = f"blocks.{layer}.attn."
    hook = run.activations.get(f"{base}hook_attn_scores")
    if hook is None or torch.allclose(hook, run.read(f"{base}hook_pattern")):
        return None
    edits = []
    for side, source in (("q", query), ("k", key)):
        wrote = written_before(case, run, layer, source)
        entering = case.has(layer, "ln1.hook_in")
        if entering:
            wrote = held(case, run, f"blocks.{layer}.ln1")(wrote)
        given = run.read(f"blocks.{layer}.{'ln1.hook_out' if entering else 'attn.hook_in'}")
        name = f"{base}hook_{side}"
        without = run.read(name, _whole(f"{base}{side}.hook_in", given - wrote))
        part = run.read(name) - without
        edits.append((name, _put(part)))
    scores = run.read(f"{base}hook_attn_scores", *edits)[head]
    cap = getattr(case.twin.hf.config, "attn_logit_softcapping", None)
    return scores if cap is None else cap * torch.atanh(scores / cap)


def _whole(name: str, values: Tensor) -> reference.Hook:
    return name, _put(values)


def _put(values: Tensor):  # type: ignore[no-untyped-def]
    def edit(before: Tensor, hook: object) -> Tensor:
        return values[None].to(before.dtype).reshape(before.shape)

    return edit
