"""What weights alone say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit.right.case import Case, ask, check
from tests.unit.right.plain import near

A = lw.analysis
ROWS, COLUMNS = [5, 30, 7], [31, 2, 59, 11]


class Head:
    """A head's matrices, measured: what the model makes of vectors with a single entry.

    ``q``, ``k`` and ``v`` [d_model, d_head] are what such vectors become when attention is given
    them, ``o`` [d_head, d_model] what attention puts out when the head does.
    """

    def __init__(self, case: Case, layer: int, head: int) -> None:
        self.case, self.layer, self.head = case, layer, head
        self.q, self.k, self.v = (self._read(side) for side in "qkv")
        self.o = self._write()

    def _read(self, side: str) -> Tensor:
        base = f"blocks.{self.layer}.attn."
        d_model = self.case.model.cfg.d_model
        given = torch.cat([torch.zeros(1, d_model), torch.eye(d_model)])
        name = f"{base}hook_{side}"
        made = self._forward(f"{base}{side}.hook_in", given, name)
        group = self.head * made.shape[1] // self.case.facts.n_heads
        return (made[1:] - made[:1])[:, group]

    def _write(self) -> Tensor:
        base = f"blocks.{self.layer}.attn."
        d_head = self.v.shape[1]
        z = torch.zeros(1 + d_head, self.case.facts.n_heads, d_head)
        z[1:, self.head] = torch.eye(d_head)
        normed = self.case.has(self.layer, "ln1_post.hook_in")
        site = f"blocks.{self.layer}.{'ln1_post.hook_in' if normed else 'hook_attn_out'}"
        made, doubled = (self._forward(f"{base}hook_z", n * z, site) for n in (1, 2))
        if not torch.allclose(made * 2 - made[:1], doubled, atol=1e-4):
            # What BERT's attention hands on has been through a norm.
            made = self._forward(f"{base}hook_z", z, f"{base}o.hook_out")
        return made[1:] - made[:1]

    def _forward(self, name: str, values: Tensor, read: str) -> Tensor:
        """What is read at one hook of a forward whose activation at another is ``values``."""
        kept: list[Tensor] = []

        def put(before: Tensor, hook: Any) -> Tensor:
            return values[None].reshape(before.shape)

        def keep(value: Tensor, hook: Any) -> None:
            kept.append(value.detach().clone())

        tokens = torch.arange(len(values))[None] + 3
        hooks = [(name, put), (read, keep)]
        with torch.no_grad():
            self.case.model.run_with_hooks(tokens, fwd_hooks=hooks, use_cache=False)
        return kept[0][0]


def _embeddings(case: Case) -> tuple[Tensor, Tensor]:
    """Hugging Face's [d_vocab, d_model], and its unembedding turned to be [d_model, d_vocab]."""
    hf = case.twin.hf
    embedding, unembedding = hf.get_input_embeddings(), hf.get_output_embeddings()
    return embedding.weight.detach(), unembedding.weight.detach().T


def _first_heads(case: Case) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two heads of the first and last layers that have weights; the same one where there is one."""
    layers = []
    for layer in case.layers:
        try:
            A.ov_circuit(case.session, f"L{layer}H0")
        except InputError:
            continue
        layers.append(layer)
    if not layers:
        A.ov_circuit(case.session, "L0H0")
    return (layers[0], min(1, case.facts.n_heads - 1)), (layers[-1], min(2, case.facts.n_heads - 1))


@check(
    "circuits of a head",
    "what the model makes of vectors with a single entry; Hugging Face's embeddings",
)
def of_a_head(case: Case) -> None:
    embed, unembed = _embeddings(case)
    for layer, index in dict.fromkeys(_first_heads(case)):
        head, name = Head(case, layer, index), f"L{layer}H{index}"
        full = {
            "OV": embed @ head.v @ head.o @ unembed,
            "QK": embed @ head.q @ (embed @ head.k).T,
        }
        for kind, make in (("OV", A.ov_circuit), ("QK", A.qk_circuit)):
            expected = full[kind]
            got = make(case.session, name)
            near(got.tile(ROWS, COLUMNS), expected[ROWS][:, COLUMNS], f"{kind} {name}")
            best, columns = got.top_k(row=ROWS[0], k=3)
            near(best, expected[ROWS[0]].topk(3).values, f"{kind} {name}, top")
            near(expected[ROWS[0]][columns], best, f"{kind} {name}, top")
            values = torch.linalg.svdvals(expected.double())[: got.svd[1].shape[0]]
            near(got.svd[1], values, f"{kind} {name}, singular values", 1e-3)
            _view(case, kind, layer, index, expected, None)
        own = full["OV"].diagonal()[:, None]
        share = float((full["OV"] <= own).all(dim=1).float().mean())
        near(A.copy_accuracy(case.session, name), share, "copy_accuracy")
        copied = ask(case, lw.WeightCircuitView, "copy", choice=_choice("OV", layer, index, None))
        near(copied.attrs["top1"], round(share * len(embed)), "weight_circuit/copy")


@check("positional circuits", "the same of Hugging Face's positional embeddings")
def of_positions(case: Case) -> None:
    layer, index = _first_heads(case)[0]
    got = A.pos_circuit(case.session, f"L{layer}H{index}")
    head = Head(case, layer, index)
    module: Any = case.twin.module("pos_embed")
    table = module.weight.detach()[-case.facts.n_ctx :]
    scores = table @ head.q @ (table @ head.k).T * head.q.shape[1] ** -0.5
    future = torch.ones_like(scores).triu(1).bool()
    expected = scores.masked_fill(future, -torch.inf).softmax(-1)
    near(got.tile(ROWS, [0, 3, 5]), expected[ROWS][:, [0, 3, 5]], "positions")


@check("circuits of two heads", "products of such measured matrices")
def of_two_heads(case: Case) -> None:
    first, second = _first_heads(case)
    writer, reader = f"L{first[0]}H{first[1]}", f"L{second[0]}H{second[1]}"
    A.k_composition_circuit(case.session, writer, reader)
    w, r = Head(case, *first), Head(case, *second)
    embed, unembed = _embeddings(case)
    wrote = embed @ w.v @ w.o
    full = {
        "K": embed @ r.q @ (wrote @ r.k).T,
        "Q": wrote @ r.q @ (embed @ r.k).T,
        "V": wrote @ r.v @ r.o @ unembed,
    }
    made = {
        "K": A.k_composition_circuit,
        "Q": A.q_composition_circuit,
        "V": A.v_composition_circuit,
    }
    for kind, expected in full.items():
        got = made[kind](case.session, writer, reader)
        near(got.tile(ROWS, COLUMNS), expected[ROWS][:, COLUMNS], f"{kind} {writer} {reader}")
        _view(case, kind, *second, expected, first)


@check("composition scores", "norms of such products")
def composition(case: Case) -> None:
    first, second = _first_heads(case)
    w, r = Head(case, *first), Head(case, *second)
    readers = {"K": r.k @ r.q.T, "Q": r.q @ r.k.T, "V": r.v @ r.o}
    wrote = w.v @ w.o
    for kind, reads in readers.items():
        got = A.composition_scores(case.session, kind, baseline=False)  # type: ignore[arg-type]
        sizes = torch.linalg.matrix_norm(wrote) * torch.linalg.matrix_norm(reads)
        expected = float(torch.linalg.matrix_norm(wrote @ reads) / sizes)
        near(got.values[first + second], expected, kind)
        table = ask(case, lw.CompositionView, "scores", composition=kind, subtract_random=False)[
            "score"
        ]
        pair = table.values[first[0], first[1], second[0] - 1, second[1]]
        near(pair, expected, f"composition/scores {kind}")


def _choice(kind: str, layer: int, head: int, writer: tuple[int, int] | None) -> dict[str, Any]:
    writer_layer, writer_head = writer or (None, None)
    return {
        "circuit": kind,
        "layer": layer,
        "head": head,
        "writer_layer": writer_layer,
        "writer_head": writer_head,
    }


def _view(
    case: Case, kind: str, layer: int, head: int, full: Tensor, writer: tuple[int, int] | None
) -> None:
    """The view's window and row of a circuit, against the whole of it."""
    choice = _choice(kind, layer, head, writer)
    tile = ask(
        case,
        lw.WeightCircuitView,
        "tile",
        choice=choice,
        circuit_tokens="vocabulary",
        prompt=0,
        row=0,
        col=0,
        size=8,
        pool=1,
    )
    rows, columns = (torch.tensor(tile[dim].values) for dim in ("row", "column"))
    near(tile["value"], full[rows][:, columns], f"weight_circuit/tile {kind}")
    row = ask(case, lw.WeightCircuitView, "row", choice=choice, row=ROWS[1], top_k=3)
    ends = torch.stack([full[ROWS[1]].topk(3, largest=best).values for best in (True, False)])
    near(row["value"], ends, f"weight_circuit/row {kind}")
    left, values, right = torch.linalg.svd(full.double())
    spectrum = ask(case, lw.WeightCircuitView, "spectrum", choice=choice)["singular_value"].values
    near(spectrum, values[: len(spectrum)], f"weight_circuit/spectrum {kind}", 1e-3)
    found = ask(case, lw.WeightCircuitView, "direction", choice=choice, direction=0, top_k=3)
    ids = torch.tensor(found["token_id"].values)
    expected = torch.stack([left[:, 0][ids[0]], right[0][ids[1]]])
    got = torch.tensor(found["value"].values, dtype=expected.dtype)
    # Which way a pair of vectors points is nobody's choice.
    near(got * (got * expected).sum().sign(), expected, f"weight_circuit/direction {kind}", 1e-3)
