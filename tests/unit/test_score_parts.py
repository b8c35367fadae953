"""Decomposed attention scores add up to the scores, and name who wrote them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests import handmade as made
from tests.models import ARCHITECTURES, D_MODEL, tiny
from tests.unit import reference
from tests.unit.cases import rows

TEXTS = ["w5 w6 w7 w8 w9", "w5 w8 w9"]
NORMED = ("olmo2", "gemma3", "qwen3")
"""Their queries and keys go through norms of their own."""
UNSEEN = ("gptj", "native")
"""They turn queries and keys without saying how."""
POSSIBLE = [a for a in ARCHITECTURES if a not in (*NORMED, *UNSEEN, "bloom")]
SCALE_ONE = ("gptneo", "granite")


@pytest.mark.parametrize("name", POSSIBLE)
def test_parts_sum_to_the_scores_behind_the_pattern(name: str) -> None:
    session = lw.Session(tiny(name), TEXTS)
    for prompt in (0, 1):
        parts = lw.analysis.decompose_scores(session, "L1H3", prompt=prompt)
        total = torch.as_tensor(parts.sum(["query_source", "key_source"], skipna=False).values)
        if name == "gemma2":
            total = 5.0 * torch.tanh(total / 5.0)
        pattern = reference.activation(
            session.model, rows(session)[prompt], "blocks.1.attn.hook_pattern"
        )[3]
        again = total.masked_fill(total.isnan(), -torch.inf).softmax(dim=-1)
        np.testing.assert_allclose(again, pattern, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "attn_only", "gpt2_folded"])
def test_a_pair_is_what_its_writers_wrote_through_norm_and_matrices(name: str) -> None:
    session = lw.Session(tiny(name), TEXTS[0])
    model, tokens = session.model, rows(session)[0]
    parts = lw.analysis.decompose_scores(session, "L1H2")
    attn, norm = model.blocks[1].attn, model.blocks[1].ln1
    scale = reference.activation(model, tokens, "blocks.1.ln1.hook_scale")
    z = reference.activation(model, tokens, "blocks.0.attn.hook_z")
    written = {
        "L0H1": z[:, 1] @ model.blocks[0].attn.W_O[1],
        "pos_embed": reference.activation(model, tokens, "hook_pos_embed"),
    }
    read = {}
    for source, value in written.items():
        normed = (value - value.mean(dim=-1, keepdim=True)) / scale
        weight = getattr(norm, "weight", None)
        read[source] = (normed if weight is None else normed * weight).detach()
    query = read["L0H1"] @ attn.W_Q[2].detach()
    key = read["pos_embed"] @ attn.W_K[2].detach()
    expected = (query @ key.T / 8**0.5).tril()
    got = parts.sel(query_source="L0H1", key_source="pos_embed").fillna(0)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_joining_a_layers_heads_leaves_the_sum() -> None:
    session = lw.Session(tiny("gpt2"), TEXTS[0])
    fine = lw.analysis.decompose_scores(session, "L1H0")
    coarse = lw.analysis.decompose_scores(session, "L1H0", by="layer")
    assert coarse.query_source.values.tolist() == [
        "embed",
        "pos_embed",
        "L0.attn",
        "L0.mlp",
        "bias",
    ]
    heads = [f"L0H{h}" for h in range(4)]
    joined = fine.sel(query_source=heads, key_source="embed").sum("query_source", skipna=False)
    np.testing.assert_allclose(
        coarse.sel(query_source="L0.attn", key_source="embed"), joined, atol=1e-5
    )


def test_interventions_are_followed_and_edits_of_the_stream_have_a_row() -> None:
    session = lw.Session(tiny("gpt2"), TEXTS[0])
    vector = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(1))
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", vector, positions=2))
    parts = lw.analysis.decompose_scores(session, "L1H3")
    assert not parts.sel(query_source="L0H1").fillna(0).any()
    edited = parts.sel(query_source="interventions", key_source="embed")
    assert abs(edited.sel(query_pos=2)).max() > 1e-3
    np.testing.assert_allclose(edited.sel(query_pos=[1, 3]).fillna(0), 0, atol=1e-5)
    hooks = [
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.add("blocks.0.hook_resid_post", vector, at=(2,)),
    ]
    pattern = reference.activation(
        session.model, rows(session)[0], "blocks.1.attn.hook_pattern", hooks
    )[3]
    total = torch.as_tensor(parts.sum(["query_source", "key_source"], skipna=False).values)
    again = total.masked_fill(total.isnan(), -torch.inf).softmax(dim=-1)
    np.testing.assert_allclose(again, pattern, atol=1e-5)


def test_the_built_induction_head_matches_tokens_with_what_the_previous_head_copied() -> None:
    n = 5
    session = lw.Session(made.handmade(), made.repeated(n))
    parts = lw.analysis.decompose_scores(session, "L1H2")
    query = n + 2
    found = parts.sel(query_pos=query, key_pos=query - n + 1)
    assert float(found.sel(query_source="embed", key_source="L0H1")) == pytest.approx(
        made.MATCH, rel=1e-4
    )
    assert float(found.sum()) == pytest.approx(made.MATCH, rel=1e-4)
    rest = parts.sel(query_pos=query, key_pos=0, query_source="embed", key_source="embed")
    assert float(rest) == pytest.approx(made.REST, rel=1e-4)


@pytest.mark.parametrize("name", [*NORMED, *UNSEEN, "bloom"])
def test_scores_that_are_no_such_sum_are_refused(name: str) -> None:
    session = lw.Session(tiny(name), TEXTS)
    for prompt in (0, 1):
        with pytest.raises(InputError, match=r"this model|scores"):
            lw.analysis.decompose_scores(session, "L1H3", prompt=prompt)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "L1.mlp"}, "not a head"),
        ({"head": "L7H0"}, "2 layers of 4 heads"),
        ({"prompt": 2}, "prompt=2 is out of range"),
        ({"by": "neuron"}, "by='neuron'"),
    ],
)
def test_bad_input_is_named(options: dict[str, object], message: str) -> None:
    session = lw.Session(tiny("gpt2"), TEXTS)
    with pytest.raises(InputError, match=message):
        lw.analysis.decompose_scores(session, **{"head": "L1H3", **options})  # type: ignore[arg-type]
