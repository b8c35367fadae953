"""An edge of ``edge_sweep`` is one hooked forward in which one reader reads something else."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformer_lens import patching

import lens_widgets as lw
from lens_widgets.engine import current
from lens_widgets.engine.cancel import Cancelled, CancelToken
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.odd_models import masked_language_model
from tests.unit import edge_reference as plain
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows, state
from tests.unit.spies import spy

ARCHITECTURES = ("gpt2", "llama", "gemma2", "olmo2", "granite", "neox")


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, **options)


def _some(session: lw.Session, n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Edges of every kind of reader, and some more."""
    edges = session.stream.graph.edges()
    kinds = {reader.split(".")[-1]: (writer, reader) for writer, reader in edges}
    order = torch.randperm(len(edges), generator=torch.Generator().manual_seed(seed))
    return [*kinds.values(), *(edges[index] for index in order[:n].tolist())]


@pytest.mark.parametrize("into", ["corrupted", "clean"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_edge_is_one_hooked_forward(name: str, into: Any) -> None:
    session, model = _session(name), plain.forked(name)
    edges = _some(session, 9)
    sweep = lw.analysis.edge_sweep(session, edges, into, per_prompt=True)
    prompts = zip(rows(session), corrupted_rows(session), ANSWER_IDS, strict=True)
    for row, (clean, corrupted, (right, wrong)) in enumerate(prompts):
        base, other = (corrupted, clean) if into == "corrupted" else (clean, corrupted)
        source = plain.run(model, other)[1]
        for index, edge in enumerate(edges):
            logits = plain.run(model, base, [(*edge, source)])[0][0, -1]
            expected = float(logits[right] - logits[wrong])
            assert float(sweep[row, index]) == pytest.approx(expected, abs=1e-4), edge


def test_heads_to_heads_of_ioi_are_transformer_lenss_direct_paths() -> None:
    model = lw.load_demo("ioi")
    session = lw.Session(model, lw.prompts.IOI)
    corrupted = session.prompt_set.corrupted_tokens
    assert corrupted is not None
    runs = (session.tokens, corrupted)
    clean_cache, corrupted_cache = (
        model.run_with_cache(tokens, names_filter="blocks.0.attn.hook_z")[1] for tokens in runs
    )
    answers = session.answer_tokens
    assert answers is not None

    def metric(logits: torch.Tensor) -> torch.Tensor:
        last = logits[:, -1].gather(1, answers)
        return (last[:, 0] - last[:, 1]).mean()

    kinds: tuple[Literal["q", "k", "v"], ...] = ("q", "k", "v")
    for kind in kinds:
        with torch.no_grad():
            expected = patching.get_act_patch_direct_path(
                model, corrupted, clean_cache, corrupted_cache, metric, 0, 3, kind, verbose=False
            )[1]
        edges = [("L0H3", f"L1H{head}.{kind}") for head in range(model.cfg.n_heads)]
        got = lw.analysis.edge_sweep(session, edges)
        np.testing.assert_allclose(got.values, expected.numpy(), atol=1e-4)


def test_edges_of_the_induction_demo_are_hooked_forwards() -> None:
    """TransformerLens gives this kind of model no copies of the stream: the projection of the norm
    of the edited stream is put in place of one head's."""
    model = lw.load_demo("induction")
    pairs: Any = lw.prompts.repeated_tokens(model, seq_len=6, batch=2, corrupted="AB")
    session = lw.Session(model, pairs, metric=pairs.metric)
    corrupted = session.prompt_set.corrupted_tokens
    assert corrupted is not None
    clean, other = (model.run_with_cache(tokens)[1] for tokens in (session.tokens, corrupted))
    norm, attention = model.blocks[1].ln1, model.blocks[1].attn
    share = (clean["blocks.0.attn.hook_z"] - other["blocks.0.attn.hook_z"])[:, :, 3]
    stream = other["blocks.1.hook_in"] + share @ model.blocks[0].attn.W_O[3]
    normed = torch.nn.functional.layer_norm(
        stream, stream.shape[-1:], norm.weight, norm.bias, norm.original_component.eps
    )
    for kind, (head, reader) in {
        "q": (4, "L1H4.q"),
        "k": (1, "L1H1.k"),
        "v": (6, "L1H6.v"),
    }.items():
        weight, bias = (getattr(attention, f"{w}_{kind.upper()}")[head] for w in "Wb")
        made = normed @ weight + bias

        def put(activation: torch.Tensor, hook: Any, made: Any = made, head: int = head) -> Any:
            activation[:, :, head] = made
            return activation

        with torch.no_grad():
            name = f"blocks.1.attn.hook_{kind}"
            expected = pairs.metric(model.run_with_hooks(corrupted, fwd_hooks=[(name, put)]))
        sweep = lw.analysis.edge_sweep(session, [("L0H3", reader)], per_prompt=True)
        np.testing.assert_allclose(sweep.values[:, 0], expected.numpy(), atol=1e-4)


def test_interventions_are_in_force_in_both_runs() -> None:
    session, model = _session("gemma2"), plain.forked("gemma2")
    session.interventions.add(lw.Ablate("L0H2"))
    session.interventions.add(lw.Cut("embed", "L1.mlp", "zero"))

    def off(z: torch.Tensor, hook: Any) -> torch.Tensor:
        z[:, :, 2] = 0.0
        return z

    hooks, cut = [("blocks.0.attn.hook_z", off)], ("embed", "L1.mlp", None)
    edges = [("L0H1", "L1H2.q"), ("L0.mlp", "L1KV0.v"), ("L0H3", "L1.mlp"), ("L1H0", "logits")]
    sweep = lw.analysis.edge_sweep(session, edges, per_prompt=True)
    clean, corrupted = rows(session)[0], corrupted_rows(session)[0]
    source = plain.run(model, clean, [cut], hooks)[1]
    for index, edge in enumerate(edges):
        logits = plain.run(model, corrupted, [cut, (*edge, source)], hooks)[0][0, -1]
        expected = float(logits[30] - logits[31])
        assert float(sweep[0, index]) == pytest.approx(expected, abs=1e-4), edge


def test_means_errors_and_shares_are_labelled(session: lw.Session) -> None:
    edges = [("L0H1", "logits"), ("embed", "L0H1.q"), ("L0H1", "logits")]
    each = lw.analysis.edge_sweep(session, edges, per_prompt=True)
    mean = lw.analysis.edge_sweep(session, edges)
    assert each.dims == ("prompt", "edge")
    assert mean.writer.values.tolist() == ["L0H1", "embed", "L0H1"]
    np.testing.assert_allclose(mean, each.mean("prompt"), atol=1e-6)
    np.testing.assert_allclose(mean.sem, each.std("prompt", ddof=1) / 2**0.5, atol=1e-5)
    share = lw.analysis.edge_sweep(session, edges, normalize=True)
    low, high = mean.attrs["corrupted"], mean.attrs["clean"]
    np.testing.assert_allclose(share, (mean - low) / (high - low), atol=1e-5)
    assert share.attrs["units"] == "fraction restored"


def test_models_whose_blocks_cannot_be_batched_take_whole_forwards() -> None:
    session = _session("llama")
    edges = _some(session, 3)
    expected = lw.analysis.edge_sweep(session, edges).values
    # Something behind the last block stands in the way of reading only a few logits.
    session.interventions.add(lw.Steer("unembed.hook_out", torch.zeros(60)))
    np.testing.assert_allclose(lw.analysis.edge_sweep(session, edges), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ([("L9H9", "logits")], "writer='L9H9'"),
        ([("L0H1", "L9H9.q")], "reader='L9H9.q'"),
        ([("L1H1", "L0H1.q")], "reads the stream before"),
        ([("L0H1", "L1.attn")], "is no input that reads"),
        (["logits"], "edges has 'logits'"),
        (3, "edges=3 is not a list"),
    ],
)
def test_what_is_no_edge_is_refused(session: lw.Session, edges: Any, said: str) -> None:
    before = state(session)
    with pytest.raises(InputError, match=said):
        lw.analysis.edge_sweep(session, edges)
    assert state(session) == before


def test_what_cannot_be_patched_is_refused() -> None:
    alone = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    with pytest.raises(InputError, match="corrupted"):
        lw.analysis.edge_sweep(alone, [("embed", "logits")])
    same = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=PROMPTS)
    with pytest.raises(InputError, match="nothing to restore"):
        lw.analysis.edge_sweep(same, [("embed", "logits")], normalize=True)
    sweep = lw.analysis.edge_sweep(same, [("embed", "logits")])
    assert float(sweep[0]) == pytest.approx(float(same.baseline.mean()), abs=1e-6)
    odd = lw.Session(masked_language_model(), "w5 w6")
    with pytest.raises(InputError, match="Edges of this model would not add up"):
        lw.analysis.edge_sweep(odd, [("embed", "logits")])


def test_a_stop_is_noticed_between_blocks_and_leaves_no_hook(session: lw.Session) -> None:
    session.corrupted_run()
    token = CancelToken()
    session.stream.graph  # noqa: B018  found out before the sweep, which alone is stopped

    def stop(_module: Any, _args: Any) -> None:
        token.cancel()

    handle = session.model.blocks[0].register_forward_pre_hook(spy(stop))
    with current.working(token, waits_for_cells=False), pytest.raises(Cancelled):
        lw.analysis.edge_sweep(session, [("embed", "L0H1.q"), ("L0H1", "logits")])
    handle.remove()
