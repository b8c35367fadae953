"""Writers, readers and edges of a model, by name and number."""

from __future__ import annotations

from typing import Any

import pytest

import lens_widgets as lw
from lens_widgets.analysis.circuits.graph import score_matrix
from lens_widgets.engine.access import access_for
from lens_widgets.engine.components import Reader
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.errors import InputError
from tests.models import native, tiny
from tests.odd_models import masked_language_model, without_attention_everywhere


def _graph(model: object) -> StreamGraph:
    return StreamGraph.of(access_for(model).facts())  # type: ignore[arg-type]


def _counted(n_layers: int, n_heads: int) -> int:
    """Of a model without shared keys and values: the sum of what each reader can hear."""
    heard = [1 + layer * (n_heads + 1) for layer in range(n_layers + 1)]
    return sum(3 * n_heads * n + n + n_heads for n in heard[:-1]) + heard[-1]


def test_the_demo_has_1519_edges_and_gpt2_small_32491() -> None:
    graph = _graph(lw.load_demo("ioi"))
    assert graph.n_edges == len(graph.edges()) == 1_519
    assert _counted(12, 12) == 32_491
    shape: dict[str, Any] = {"d_model": 24, "d_head": 2, "n_layers": 12, "n_heads": 12, "d_mlp": 4}
    small = _graph(native(**shape, act_fn="gelu", normalization_type="LN"))
    assert (small.n_edges, len(small.writers)) == (32_491, 157)


def test_names_are_in_the_models_order() -> None:
    graph = _graph(tiny("gpt2"))
    heads = [f"L0H{head}" for head in range(4)]
    assert graph.writer_names[:6] == ("embed", *heads, "L0.mlp")
    assert graph.reader_names[:3] == ("L0H0.q", "L0H1.q", "L0H2.q")
    assert graph.reader_names[11:14] == ("L0H3.v", "L0.mlp", "L1H0.q")
    assert graph.reader_names[-1] == "logits"
    assert all(str(Reader.parse(name)) == name for name in graph.reader_names)
    assert graph.reader_names[graph.of_layer(1, "k")] == tuple(f"L1H{h}.k" for h in range(4))


def test_a_head_reaches_the_mlp_of_its_layer_unless_both_read_at_once() -> None:
    assert _graph(tiny("gpt2")).edge("L0H1", "L0.mlp") == (2, 12)
    for name in ("neox", "phi", "falcon"):
        with pytest.raises(InputError, match="reads the stream before L0H1 writes"):
            _graph(tiny(name)).edge("L0H1", "L0.mlp")


def test_keys_and_values_belong_to_groups_of_heads() -> None:
    graph = _graph(tiny("llama"))
    assert [n for n in graph.reader_names if n.startswith("L1KV")] == [
        "L1KV0.k",
        "L1KV1.k",
        "L1KV0.v",
        "L1KV1.v",
    ]
    with pytest.raises(InputError, match=r"share their keys and values\. Head 3 uses L1KV1\.k"):
        graph.reader("L1H3.k")
    with pytest.raises(InputError, match="have keys of their own"):
        _graph(tiny("gpt2")).reader("L1KV0.k")


@pytest.mark.parametrize(
    ("writer", "reader", "said"),
    [
        ("L9H0", "logits", "writer='L9H0' is no writer of this model"),
        ("L0.attn", "logits", "writer='L0.attn' is no writer"),
        ("L0H1", "L1H9.q", "layer 1 has L1H0.q to L1H3.q"),
        ("L0H1", "L7.mlp", "this model has no such reader"),
        ("L0H1", "L1KV0.q", "is no input that reads"),
        ("L1H1", "L0H1.q", "L0H1.q reads the stream before L1H1 writes to it"),
        ("L1H1", "L1H0.v", "L1H0.v reads the stream before"),
    ],
)
def test_what_is_no_edge_is_refused_in_words(writer: str, reader: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _graph(tiny("gpt2")).edge(writer, reader)


def test_layers_have_in_the_graph_what_they_have() -> None:
    assert {w.kind for w in _graph(tiny("attn_only")).writers} == {"embed", "head"}
    jamba = _graph(without_attention_everywhere("Jamba"))
    assert {w.layer for w in jamba.writers if w.kind == "head"} == {1}
    assert {w.layer for w in jamba.writers if w.kind == "mlp"} == {0, 1}
    with pytest.raises(InputError, match="Edges of this model would not add up"):
        _graph(masked_language_model())


def test_scores_of_another_model_are_refused(session: lw.Session) -> None:
    graph = session.stream.graph
    matrix = score_matrix(graph, {("embed", "L0H1.q"): 2.0})
    assert float(matrix[graph.edge("embed", "L0H1.q")]) == 2.0
    with pytest.raises(InputError, match="no writer of this model"):
        score_matrix(graph, {("L5H1", "logits"): 1.0})
    with pytest.raises(InputError, match="edges has 'logits'"):
        graph.edge_mask(["logits"])


def test_all_that_asks_for_the_graph_of_a_model_has_the_same_one(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = session.stream.graph
    monkeypatch.setattr(StreamGraph, "_made", lambda facts: pytest.fail("made again"))
    session.interventions.add(lw.Cut("L0H1", "logits", "zero"))
    session.edit_prompt(0, session.prompt_set.rows()[0][::-1])
    assert lw.Circuit(session, [("embed", "L1H1.v")]).graph is graph is session.stream.graph
