"""Scores of edges are TransformerLens's where it has any, elsewhere those of hooked forwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformer_lens.tools.analysis import attribution_patching as theirs

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.session.runs import PromptRuns
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

A = lw.analysis
KINDS = {"q_input": "q", "k_input": "k", "v_input": "v"}


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, **options)


def _name(node: theirs.Node) -> str:
    if node.kind in ("embed", "logits"):
        return node.kind
    if node.kind in ("mlp_out", "mlp_in"):
        return f"L{node.layer}.mlp"
    head = f"L{node.layer}H{node.head}"
    return f"{head}.{KINDS[node.kind]}" if node.kind in KINDS else head


def _theirs(session: lw.Session, prompt: int, like: Any, swapped: bool = False) -> np.ndarray:
    """Their scores of one prompt, as an array [writer, reader, pos]."""
    length = int(session.prompt_set.lengths[prompt])
    runs = [session.tokens, session.prompt_set.corrupted_tokens]
    clean, corrupted = (run[prompt : prompt + 1, :length] for run in runs)  # type: ignore[index]
    answer = session.answer_tokens[prompt].tolist()  # type: ignore[index]

    def metric(logits: Tensor) -> Tensor:
        return logits[0, -1, answer[0]] - logits[0, -1, answer[1]]

    config = theirs.EdgeAttributionConfig(granularity="edge")
    pair = (corrupted, clean) if swapped else (clean, corrupted)
    found = theirs.attribution_patch(session.model, *pair, metric, config).edge_scores
    out = np.full((like.sizes["writer"], like.sizes["reader"], length), np.nan)
    writers, readers = (list(like[dim].values) for dim in ("writer", "reader"))
    for (writer, reader), score in found.items():
        place = writers.index(_name(writer)), readers.index(_name(reader)), writer.position
        out[place] = score
    return out


def _close(got: np.ndarray, expected: np.ndarray, share: float = 1e-4) -> None:
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    largest = np.nanmax(np.abs(expected))
    assert largest > 0
    assert np.nanmax(np.abs(got - expected)) <= share * largest


def _demo(name: str) -> lw.Session:
    model = lw.load_demo(name)
    if name == "ioi":
        return lw.Session(model, lw.prompts.ioi(2))
    pairs = lw.prompts.repeated_tokens(model, 4, corrupted="BB")
    return lw.Session(model, pairs.prompts, answers=(5, 6), corrupted=pairs.corrupted)


@pytest.mark.parametrize(
    "made",
    [lambda: _session("gpt2"), lambda: _session("neox"), lambda: _demo("ioi")],
    ids=["gpt2", "neox", "ioi demo"],
)
def test_scores_are_transformer_lens_own(made: Callable[[], lw.Session]) -> None:
    session = made()
    scores = A.edge_scores(session, per_prompt=True, per_position=True)
    summed = A.edge_scores(session, per_prompt=True)
    for prompt in range(session.prompt_set.n_prompts):
        expected = _theirs(session, prompt, scores)
        _close(scores[prompt].values[..., : expected.shape[-1]], expected)
        assert bool(scores[prompt, ..., expected.shape[-1] :].isnull().all())
        _close(summed[prompt].values, expected.sum(-1))
    mean = A.edge_scores(session)
    _close(mean.values, summed.mean("prompt", skipna=False).values, 1e-6)


def test_slopes_of_the_clean_run_are_theirs_with_the_prompts_swapped() -> None:
    session = _session("gpt2")
    scores = A.edge_scores(session, run="clean", per_prompt=True)
    expected = _theirs(session, 0, scores, swapped=True).sum(-1)
    _close(scores[0].values, -expected)


def test_interventions_are_in_force_in_both_runs() -> None:
    session = _session("gpt2")
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Ablate("L1H2"))

    def off(z: Tensor, hook: Any) -> Tensor:
        z = z.clone()
        z[:, :, 1 if hook.layer() == 0 else 2] = 0.0
        return z

    scores = A.edge_scores(session, per_prompt=True)
    names = [f"blocks.{layer}.attn.hook_z" for layer in range(2)]
    with session.model.hooks(fwd_hooks=[(name, off) for name in names]):
        expected = _theirs(session, 0, scores).sum(-1)
    _close(scores[0].values, expected)
    session.interventions.add(lw.Ablate("L0.attn"))
    for head in range(4):
        assert np.nanmax(np.abs(A.edge_scores(session).sel(writer=f"L0H{head}"))) == 0


# --- hooked autograd, where theirs refuses -------------------------------------------------------


def _held(session: lw.Session, tokens: Tensor) -> dict[str, Tensor]:
    """What each writer adds to the stream, by hand from a plain run."""
    model, layers = session.model, range(session.facts.n_layers)
    names = ["blocks.0.hook_in"]
    for layer in layers:
        names += [f"blocks.{layer}.{n}" for n in ("attn.hook_z", "hook_mlp_out", "attn.o.hook_out")]
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, names_filter=names)
    found = {"embed": cache["blocks.0.hook_in"]}
    config = getattr(model.original_model, "config", None)
    for layer in layers:
        block = model.blocks[layer]
        z, whole = cache[f"blocks.{layer}.attn.hook_z"], cache[f"blocks.{layer}.attn.o.hook_out"]
        weight = block.attn.o.original_component.weight.detach()
        size = z.shape[-1]
        for head in range(z.shape[2]):
            part = z[:, :, head] @ weight[:, head * size : (head + 1) * size].T
            part = part * getattr(config, "residual_multiplier", 1.0)
            if hasattr(block, "ln1_post"):
                norm = block.ln1_post.original_component
                offset = 1.0 if "Gemma" in type(norm).__name__ else 0.0
                eps = getattr(norm, "eps", None) or norm.variance_epsilon
                part = part * (norm.weight.detach() + offset)
                part = part / (whole.square().mean(-1, keepdim=True) + eps).sqrt()
            found[f"L{layer}H{head}"] = part
        if layer in session.facts.mlp_layers:
            found[f"L{layer}.mlp"] = cache[f"blocks.{layer}.hook_mlp_out"]
    return found


def _reader(session: lw.Session, name: str, change: Tensor) -> Iterator[tuple[str, Any]]:
    """Hooks that let one reader alone read the stream plus ``change``."""
    if name == "logits":
        yield "ln_final.hook_in", lambda x, hook: x + change
        return
    layer = int(name[1])
    block, kept = session.model.blocks[layer], dict[str, Tensor]()

    def normed(norm: str, stream: Tensor) -> Tensor:
        part = getattr(block, norm, None)
        return stream if part is None else part.original_component(stream)

    if name.endswith(".mlp"):
        norm, at = ("ln2", "ln2.hook_in") if hasattr(block, "ln2") else ("none", "mlp.hook_in")
        if not hasattr(block, "ln2") and hasattr(block, "ln1"):
            norm, at = "ln1", "ln1.hook_in"
        yield f"blocks.{layer}.{at}", lambda x, hook: kept.update(x=x)
        yield (
            f"blocks.{layer}.mlp.hook_in",
            lambda x, hook: x + normed(norm, kept["x"] + change) - normed(norm, kept["x"]),
        )
        return
    kind, head = name[-1], int(name[:-2].split("H" if "H" in name else "KV")[1])
    size = session.model.cfg.d_head
    weight = getattr(block.attn, kind).original_component.weight[head * size : (head + 1) * size]

    def edit(value: Tensor, hook: Any) -> Tensor:
        moved = normed("ln1", kept["x"] + change) - normed("ln1", kept["x"])
        value = value.clone()
        # The head's part alone, which later parts of the model see.
        value[:, :, head] = value[:, :, head] + moved @ weight.T
        return value

    yield f"blocks.{layer}.hook_in", lambda x, hook: kept.update(x=x)
    yield f"blocks.{layer}.attn.hook_{kind}", edit


GROUPED = ("L0KV0.k", "L1KV1.v", "L1H2.q", "L1KV0.k", "L0.mlp", "L1.mlp", "logits")
OWN = ("L0H0.k", "L1H1.v", "L1H2.q", "L0.mlp", "L1.mlp", "logits")


@pytest.mark.parametrize(
    ("name", "readers"),
    [
        *((name, GROUPED) for name in ("llama", "gemma2", "olmo2", "granite", "qwen3", "native")),
        ("phi", OWN),
        ("induction demo", ("L0H1.k", "L1H1.q", "L1H1.k", "L1H0.v", "logits")),
    ],
)
def test_scores_are_those_of_hooked_forwards(name: str, readers: tuple[str, ...]) -> None:
    if name == "induction demo":
        session = _demo("induction")
    else:
        session = lw.Session(tiny(name), PROMPTS[:1], answers=ANSWERS[0], corrupted=CORRUPTED[:1])
    scores = A.edge_scores(session)
    correct, wrong = session.answer_tokens[0].tolist()  # type: ignore[index]
    corrupted_tokens = session.prompt_set.corrupted_tokens
    assert corrupted_tokens is not None
    clean, corrupted = (_held(session, tokens) for tokens in (session.tokens, corrupted_tokens))
    largest = float(np.nanmax(np.abs(scores)))
    for reader in readers:
        change = torch.zeros_like(clean["embed"], requires_grad=True)
        hooks = list(_reader(session, reader, change))
        logits = session.model.run_with_hooks(corrupted_tokens, fwd_hooks=hooks)[0, -1]
        metric = logits[correct] - logits[wrong]
        (slope,) = torch.autograd.grad(metric, change)
        for writer in scores["writer"].values:
            got = float(scores.sel(writer=writer, reader=reader))
            if np.isnan(got):
                continue
            expected = float(((clean[writer] - corrupted[writer]) * slope).sum())
            assert got == pytest.approx(expected, abs=1e-4 * largest), (writer, reader)


# --- what must add up ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "phi"])
@pytest.mark.parametrize(
    ("method", "nodes"), [("eap", "gradient"), ("eap-ig", "integrated"), ("relp", "relp")]
)
def test_a_writers_edges_sum_to_the_estimate_for_the_writer(
    name: str, method: Any, nodes: Any
) -> None:
    session = _session(name)
    sums = A.edge_scores(session, method, ig_steps=3).sum("reader")
    # What is not replaced stays as it is.
    heads = A.estimate_sweep(session, "z", method=nodes, ig_steps=3)
    largest = float(abs(sums).max())
    for layer in range(2):
        for head in range(4):
            expected = float(heads[layer, head]) - heads.attrs["corrupted"]
            got = float(sums.sel(writer=f"L{layer}H{head}"))
            assert got == pytest.approx(expected, abs=1e-5 * max(1.0, largest))
    mlps = A.estimate_sweep(session, "mlp_out", method=nodes, per_prompt=True, ig_steps=3)
    base = session.corrupted_run().metric.numpy()[:, None, None]
    whole = (mlps - base).sum("pos").mean("prompt")
    for layer in range(2):
        got = float(sums.sel(writer=f"L{layer}.mlp"))
        assert got == pytest.approx(float(whole[layer]), abs=1e-5 * max(1.0, largest))


@pytest.mark.parametrize("method", ["eap", "eap-ig", "relp"])
@pytest.mark.parametrize("run", ["corrupted", "clean"])
def test_what_was_written_in_the_run_of_the_slopes_needs_no_run_of_its_own(
    method: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = _session("gpt2").with_interventions([lw.Ablate("L0H1")])
    asked: list[bool] = []
    written = PromptRuns.written

    def counted(*args: Any, corrupted: bool) -> Any:
        asked.append(corrupted)
        return written(*args, corrupted=corrupted)

    monkeypatch.setattr(PromptRuns, "written", counted)
    A.edge_scores(session, method, run)
    assert asked == [run == "clean"]


@pytest.mark.parametrize("run", ["corrupted", "clean"])
def test_the_embeddings_integrated_edges_sum_to_the_difference(run: Any) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[:1], answers=ANSWERS[0], corrupted=CORRUPTED[:1])
    errors = []
    for steps in (8, 16, 32):
        scores = A.edge_scores(session, "eap-ig", run, steps)
        total = float(scores.sel(writer="embed").sum())
        errors.append(abs(total - (scores.attrs["clean"] - scores.attrs["corrupted"])))
        assert scores.attrs["ig_steps"] == steps
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.15)
    assert errors[2] / errors[1] == pytest.approx(0.5, abs=0.1)


def test_stability_is_the_share_of_draws_with_the_same_sign() -> None:
    session = _session("gpt2")
    each = A.edge_scores(session, per_prompt=True)
    each[:, 0, 0], each[:, 0, 1], each[:, 0, 2] = [2.0, 1.0], [-3.0, 1.0], [1.0, -1.0]
    found = A.edge_stability(each, resamples=4000)
    assert float(found[0, 0]) == 1.0
    # Of the four draws of two prompts one is twice the smaller, positive one.
    assert float(found[0, 1]) == pytest.approx(0.75, abs=0.03)
    assert bool(np.isnan(found[0, 2]))
    np.testing.assert_array_equal(found[1:].isnull(), each[0, 1:].isnull())
    np.testing.assert_array_equal(found, A.edge_stability(each, resamples=4000))
    for wrong, message in (
        (A.edge_scores(session), "no dim prompt"),
        (each[:1], "one prompt"),
    ):
        with pytest.raises(InputError, match=message):
            A.edge_stability(wrong)
    with pytest.raises(InputError, match="resamples=0"):
        A.edge_stability(each, resamples=0)


# --- bad input -----------------------------------------------------------------------------------


def test_what_scores_cannot_be_of_is_said() -> None:
    session = _session("gpt2")
    with pytest.raises(InputError, match=r"method='eapp'.*'eap'"):
        A.edge_scores(session, "eapp")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"run='both'.*'clean'"):
        A.edge_scores(session, run="both")  # type: ignore[arg-type]
    for steps in (0, -1, 2.5, True):
        with pytest.raises(InputError, match=f"ig_steps={steps}"):
            A.edge_scores(session, "eap-ig", ig_steps=steps)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no corrupted prompts"):
        A.edge_scores(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS))
    cut = session.with_interventions([lw.Cut("L0H1", "L1H2.q")])
    with pytest.raises(InputError, match="edges are cut"):
        A.edge_scores(cut)
    with pytest.raises(InputError, match="no rule for readers of which an edge is cut"):
        A.estimate_sweep(cut, "z", method="relp")
    same = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=PROMPTS)
    with pytest.raises(InputError, match="corrupted: these are the clean prompts"):
        A.edge_scores(same)
