"""A circuit is measured as one plain forward in which all other edges carry something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformer_lens.tools.analysis import attribution_patching as theirs

import lens_widgets as lw
from lens_widgets.analysis.circuits.evaluate import metrics_of, shares_of
from lens_widgets.engine.recompute import BlockPositions, SparseBlock
from lens_widgets.engine.stream import StreamParts
from lens_widgets.errors import InputError
from tests import handmade
from tests.models import tiny
from tests.odd_models import without_attention_everywhere
from tests.unit import edge_reference as plain
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows, state
from tests.unit.scripts import execute


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, **options)


def _random(session: lw.Session, share: float, seed: int) -> lw.Circuit:
    edges = session.stream.graph.edges()
    drawn = torch.rand(len(edges), generator=torch.Generator().manual_seed(seed)) < share
    return lw.Circuit(session, [edge for edge, kept in zip(edges, drawn, strict=True) if kept])


def _theirs(circuit: lw.Circuit, n_pos: int) -> list[tuple[theirs.Node, theirs.Node]]:
    """A circuit's edges as TransformerLens has them: at every position."""
    last, found = circuit.session.facts.n_layers - 1, []
    for writer, reader in circuit.edges:
        for pos in range(n_pos):
            if writer == "embed":
                source = theirs.Node("embed", pos)
            elif writer.endswith("mlp"):
                source = theirs.Node("mlp_out", pos, int(writer[1:-4]))
            else:
                source = theirs.Node("attn_head_out", pos, *map(int, writer[1:].split("H")))
            if reader == "logits":
                target = theirs.Node("logits", pos, last)
            elif reader.endswith("mlp"):
                target = theirs.Node("mlp_in", pos, int(reader[1:-4]))
            else:
                place, kind = reader[1:].split(".")
                kinds: Any = f"{kind}_input"
                target = theirs.Node(kinds, pos, *map(int, place.split("H")))
            found.append((source, target))
    return found


@pytest.mark.parametrize(("name", "n"), [("gpt2", 12), ("neox", 7), ("ioi", 1)])
def test_shares_are_those_of_transformer_lens(name: str, n: int) -> None:
    if name == "ioi":
        prompts: Any = lw.prompts.IOI
        options: dict[str, Any] = {
            "answers": [prompts.answers[2]],
            "corrupted": [prompts.corrupted[2]],
        }
        session = lw.Session(lw.load_demo("ioi"), [prompts.prompts[2]], **options)
    else:
        session = lw.Session(tiny(name), PROMPTS[1], answers=ANSWERS[1], corrupted=CORRUPTED[1])
    corrupted = session.prompt_set.corrupted_tokens
    assert corrupted is not None
    assert session.answer_tokens is not None
    right, wrong = session.answer_tokens[0].tolist()

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return logits[0, -1, right] - logits[0, -1, wrong]

    n_pos = session.tokens.shape[1]
    for seed in range(n):
        circuit = _random(session, (seed + 1) / (n + 1), seed)
        expected = theirs.faithfulness(
            session.model, session.tokens, corrupted, metric, _theirs(circuit, n_pos)
        )
        assert expected.circuit_size == len(circuit) * n_pos
        assert float(circuit.faithfulness()) == pytest.approx(expected.recovered, abs=1e-4)


@pytest.mark.parametrize("name", ["llama", "gemma2", "olmo2", "granite"])
def test_where_they_cannot_it_is_a_hooked_forward(name: str) -> None:
    session, model = _session(name), plain.forked(name)
    # Where nothing at all is left to a reader its norm makes something of rounding.
    for kind, share in (("resample", 0.4), ("zero", 0.8)):
        circuit = _random(session, share, 1)
        got = circuit.metric(kind)  # type: ignore[arg-type]
        prompts = zip(rows(session), corrupted_rows(session), ANSWER_IDS, strict=True)
        for row, (clean, corrupted, (right, wrong)) in enumerate(prompts):
            source = plain.run(model, corrupted)[1] if kind == "resample" else None
            cuts = [(*edge, source) for edge in circuit.complement.edges]
            logits = plain.run(model, clean, cuts)[0][0, -1]
            assert float(got[row]) == pytest.approx(float(logits[right] - logits[wrong]), abs=1e-4)


@pytest.mark.parametrize("kind", ["resample", "mean", "zero"])
def test_nothing_is_0_and_everything_1(kind: Any) -> None:
    session = _session("gemma2")
    session.interventions.add(lw.Ablate("L0H2"))
    nothing = lw.Circuit(session, [])
    everything = lw.Circuit(session, session.stream.graph.edges())
    assert float(nothing.faithfulness(kind)) == pytest.approx(0, abs=1e-6)
    assert float(everything.faithfulness(kind)) == pytest.approx(1, abs=1e-6)
    assert float(everything.completeness(kind)) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(everything.metric(kind), session.current, atol=1e-6)
    if kind == "resample":
        corrupted = session.corrupted_run().metric
        np.testing.assert_allclose(nothing.metric(kind), corrupted, atol=1e-5)
    half = _random(session, 0.5, 3)
    left = half.complement.faithfulness(kind)
    assert float(half.completeness(kind)) == pytest.approx(float(left), abs=1e-6)


@pytest.mark.parametrize("name", ["llama", "bloom", "phi", "Jamba"])
def test_a_circuit_is_what_the_cuts_of_all_others_leave(name: str) -> None:
    """In a batch that computes no more than what changes, as in a run by itself: also where MLPs
    report their outputs inside, share a norm, or have no attention beside them."""
    model = tiny(name) if name != "Jamba" else without_attention_everywhere("Jamba")
    session = lw.Session(model, PROMPTS[1], answers=ANSWERS[1], corrupted=CORRUPTED[1])
    circuit = _random(session, 0.6, 5)
    cuts = [lw.Cut(*edge) for edge in circuit.complement.edges]
    np.testing.assert_allclose(circuit.metric(), session.run(cuts).metric, atol=1e-5)


@pytest.mark.parametrize("name", ["gemma2", "phi"])
def test_the_code_of_a_circuit_gives_its_metric(name: str) -> None:
    session = _session(name)
    circuit = _random(session, 0.7, 5)
    kinds: tuple[Any, ...] = ("resample", "mean")
    for kind in kinds:
        left = execute(session, circuit.to_code(kind))["values"]
        np.testing.assert_allclose(left, circuit.metric(kind), atol=1e-4)
    session.interventions.add(lw.Ablate("L0H1"))
    with pytest.raises(InputError, match="is written out without interventions"):
        circuit.to_code()


def test_an_edges_worth_is_the_circuit_less_the_circuit_without_it() -> None:
    session = _session("neox")
    circuit = _random(session, 0.3, 7)
    effects = circuit.effects(per_prompt=True)
    whole = circuit.metric()
    assert list(zip(effects.writer.values, effects.reader.values, strict=True)) == list(
        circuit.edges
    )
    for index, edge in list(enumerate(circuit.edges))[::7]:
        worth = whole - circuit.without(edge).metric()
        np.testing.assert_allclose(effects[:, index], worth, atol=2e-5)


def test_the_handmade_circuit_is_found_edge_by_edge() -> None:
    model = handmade.handmade()
    session = lw.Session(model, torch.cat([handmade.repeated(6, seed) for seed in range(2)]))
    graph = session.stream.graph
    known = lw.Circuit(session, handmade.CIRCUIT)
    everything = lw.Circuit(session, graph.edges())
    worth = abs(everything.effects("zero"))
    edges = zip(worth.writer.values, worth.reader.values, strict=True)
    scores = dict(zip(edges, worth.values.tolist(), strict=True))
    # Every edge of the circuit is above every other one: an area of 1 under the ROC curve.
    outside = [score for edge, score in scores.items() if edge not in known]
    assert min(scores[edge] for edge in handmade.CIRCUIT) > 1e-3
    assert max(outside) < 1e-5
    assert lw.Circuit.top(session, len(known), scores) == known
    assert float(known.faithfulness("zero")) == pytest.approx(1, abs=1e-5)
    assert known.pruned() == known
    curve = lw.analysis.circuit_curve(session, scores, [4 / 52, 8 / 52, 1.0], "zero")
    assert graph.n_edges == 52
    assert curve.values[1:] == pytest.approx([1, 1], abs=1e-5)
    assert curve.values[0] < 0.9


def test_circuits_combine_as_sets(session: lw.Session) -> None:
    one = lw.Circuit(session, [("embed", "L0H1.q"), ("L0H1", "logits")])
    other = lw.Circuit(session, [("L0H1", "logits"), ("L1H2", "logits")])
    assert one | other == lw.Circuit(session, [*one.edges, *other.edges])
    assert (one & other).edges == (("L0H1", "logits"),)
    assert (one - other).edges == (("embed", "L0H1.q"),)
    assert one.without(("embed", "L0H1.q")) == one & other <= other
    assert len({one, other, lw.Circuit(session, one.edges)}) == 2
    assert len(one.complement) == session.stream.graph.n_edges - 2
    with pytest.raises(InputError, match="is not in this circuit"):
        one.without(("L1H2", "logits"))
    assert repr(one).endswith("2 of 110 edges)")


def test_pruning_leaves_the_ways_from_the_embedding_to_the_logits() -> None:
    session = _session("llama")
    way = [("embed", "L0H1.q"), ("L0H1", "L1KV1.k"), ("L1H3", "logits"), ("embed", "L1.mlp")]
    loose = [("L0H2", "L0.mlp"), ("L0.mlp", "L1H0.q"), ("L1H1", "L1.mlp")]
    circuit = lw.Circuit(session, [*way, *loose])
    assert circuit.pruned() == lw.Circuit(session, way[:3])
    assert circuit.pruned().nodes == ("embed", "L0H1", "L1H3", "logits")
    # A key serves all heads of its group.
    assert lw.Circuit(session, [*way[:2], ("L1H1", "logits")]).pruned().nodes == ()


def test_the_curve_measures_the_circuits_it_names() -> None:
    session = _session("olmo2")
    sweep = lw.analysis.edge_sweep(session, into="clean")
    scores = sweep - sweep.attrs["clean"]
    curve = lw.analysis.circuit_curve(session, scores, [0.1, 0.5, 1.0], random=3)
    for index, size in enumerate(curve["size"].values):
        circuit = lw.Circuit.top(session, round(size * 82), scores)
        assert int(curve.edges[index]) == len(circuit) <= round(size * 82)
        share = circuit.faithfulness()
        assert float(curve[index]) == pytest.approx(float(share), abs=1e-6)
        assert float(curve.sem[index]) == pytest.approx(float(share.sem), abs=1e-6)
    assert session.stream.graph.n_edges == 82
    f = curve.values
    assert curve.attrs["cpr"] == pytest.approx(0.4 * (f[0] + f[1]) / 2 + 0.5 * (f[1] + f[2]) / 2)
    g = abs(1 - f)
    assert curve.attrs["cmd"] == pytest.approx(0.4 * (g[0] + g[1]) / 2 + 0.5 * (g[1] + g[2]) / 2)
    assert curve.random_low[0] <= curve.random_mean[0] <= curve.random_high[0]
    again = lw.analysis.circuit_curve(session, scores, [0.1, 0.5, 1.0], random=3)
    assert again.random_mean.values.tolist() == curve.random_mean.values.tolist()
    signed = lw.analysis.circuit_curve(session, scores, [0.1], absolute=False)
    assert signed.attrs["ranking"] == "signed"


def test_the_error_of_a_share_is_its_spread_over_resampled_prompts() -> None:
    generator = torch.Generator().manual_seed(1)
    part = 0.5 + 0.1 * torch.randn(400, generator=generator)
    share, error = shares_of(part[None], torch.zeros(400), torch.ones(400))
    assert float(share) == pytest.approx(float(part.mean()))
    assert float(error) == pytest.approx(float(part.std()) / 20, rel=0.1)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_files_are_the_benchmarks(name: str, tmp_path: Path) -> None:
    session, path = _session(name), tmp_path / "circuit.json"
    scores = {edge: float(i) for i, edge in enumerate(session.stream.graph.edges())}
    circuit = lw.Circuit.top(session, 30, scores)
    circuit.save(path)
    content = json.loads(path.read_text())
    assert content["cfg"] == {
        "n_layers": 2,
        "n_heads": 4,
        "parallel_attn_mlp": False,
        "d_model": 32,
    }
    # The benchmark counts keys and values for every head.
    assert len(content["edges"]) == 110
    assert {"input->a0.h0<q>", "a0.h1->m0", "m1->logits"} <= set(content["edges"])
    assert content["nodes"]["logits"] == {"in_graph": True}
    assert set(content["edges"]["a0.h1->a1.h3<k>"]) == {"score", "in_graph"}
    again = lw.Circuit.open(path, session)
    assert again == circuit
    assert again.scores is not None
    assert circuit.scores is not None
    assert torch.equal(again.scores[again.mask], circuit.scores[circuit.mask])
    path.write_text(path.read_text().replace('"n_heads": 4', '"n_heads": 8'))
    with pytest.raises(InputError, match="of another model: n_heads is 8, this one has 4"):
        lw.Circuit.open(path, session)
    path.write_text("{}")
    with pytest.raises(InputError, match="is no circuit of the benchmark"):
        lw.Circuit.open(path, session)


def test_bad_input_is_refused_and_nothing_changes(session: lw.Session) -> None:
    before = state(session)
    other = lw.Circuit(_session("llama"), [("embed", "logits")])
    circuit = lw.Circuit(session, [("embed", "logits")])
    alone = lw.Circuit(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS), [("embed", "logits")])
    same = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=PROMPTS)
    refused: list[tuple[Any, str]] = [
        (lambda: lw.Circuit(session, [("L9H1", "logits")]), "writer='L9H1'"),
        (lambda: lw.Circuit(session, [("L0H1", "L0H1.q")]), "reads the stream before"),
        (lambda: circuit | other, "is a circuit of another model"),
        (lambda: circuit.metric("gone"), "kind='gone' is not known"),  # type: ignore[arg-type]
        (lambda: alone.metric(), "needs corrupted prompts"),
        (lambda: lw.Circuit(same, []).faithfulness(), "leaves no share to tell"),
        (lambda: lw.Circuit.top(session, 111, {}), "n=111 is no number of edges"),
        (lambda: lw.Circuit.top(session, 3, other.metric()), "scores is a DataArray"),
        (lambda: lw.analysis.circuit_curve(session, {}, [2.0]), "sizes has 2.0"),
    ]
    for work, said in refused:
        with pytest.raises(InputError, match=said):
            work()
    assert state(session) == before


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_what_a_circuit_cuts_counts_where_the_session_cuts_the_same_edge(name: str) -> None:
    """Of an edge that several replace the last one counts, and its share is replaced once."""
    session = _session(name)
    edges = session.stream.graph.edges()
    first, second = [edge for edge in edges if edge[0] == "L0H1"][-2:]
    cut = session.with_interventions([lw.Cut(*first, "mean"), lw.Cut(*second)])
    kept = [edge for edge in edges if edge not in (first, second)]
    whole = lw.Circuit(cut, kept).metric("zero")
    plainly = session.run([lw.Cut(*first, "zero"), lw.Cut(*second, "zero")]).metric
    np.testing.assert_allclose(whole.values, plainly.numpy(), atol=1e-5)
    one_by_one = cut.run([*cut.interventions, lw.Cut(*first, "zero")]).metric
    others = [edge for edge in edges if edge != first]
    np.testing.assert_allclose(
        lw.Circuit(cut, others).metric("zero").values, one_by_one.numpy(), atol=1e-5
    )


def test_readers_that_read_the_same_are_normed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    session = _session("gpt2")
    normed: list[int] = []
    norm = StreamParts.normed

    def count(stream: StreamParts, layer: int, streams: torch.Tensor) -> torch.Tensor:
        normed.append(len(streams))
        return norm(stream, layer, streams)

    whole = session.stream.graph.mask
    one_kept = torch.zeros_like(whole)
    one_kept[session.stream.graph.writer("embed"), session.stream.graph.reader("L1H0.q")] = True
    session.run()
    monkeypatch.setattr(StreamParts, "normed", count)
    metrics_of(session, [torch.zeros_like(whole)])
    assert normed == [1, 1]
    normed.clear()
    metrics_of(session, [one_kept])
    assert normed == [1, 2]


def test_projections_that_are_made_anew_are_not_made_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = _session("gpt2")
    whole = session.stream.graph.mask
    # Of each other reader edges are kept, but none is left as it was.
    half = whole & (torch.arange(whole.shape[1]) % 2 == 0)[None]
    half[session.stream.graph.writer("embed")] = False
    computed: list[tuple[int, int, bool]] = []
    computing = SparseBlock.computing

    def count(block: SparseBlock, prompts: torch.Tensor, at: BlockPositions) -> Any:
        computed.append((at.query.n_computed, at.input.n_computed, at.output.n_computed > 0))
        return computing(block, prompts, at)

    monkeypatch.setattr(SparseBlock, "computing", count)
    metrics_of(session, [half])
    assert computed == [(0, 0, True)] * session.facts.n_layers
    computed.clear()
    half[:, session.stream.graph.reader("L1H1.k")] = True
    metrics_of(session, [half & whole])
    # One key of the second layer is left as it was, so that its projection has something to do.
    assert computed[0] == (0, 0, True)
    assert computed[1][1] > 0
