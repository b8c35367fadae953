"""Every activation: listed without being computed, read as a plain run has it, and let go again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.activations.activation_list import list_activations
from lens_widgets.analysis.activations.activations import activation, read, statistics
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.models import ARCHITECTURES, D_HEAD, N_HEADS, tiny
from tests.unit.cases import PROMPTS, attention_only, rows
from tests.unit.page import Page
from tests.unit.spies import spy

NAMES = ["gpt2", "llama", "attn_only", "gemma2"]
Z = "blocks.1.attn.hook_z"
RESID = "blocks.1.hook_resid_post"


def drop_head(head: int) -> tuple[str, Any]:
    """What an ablation of a head of layer 0 does, as a plain hook."""

    def drop(z: Tensor, hook: Any) -> Tensor:
        z = z.clone()
        z[:, :, head] = 0
        return z

    return "blocks.0.attn.hook_z", drop


def plain_all(
    session: lw.Session, names: list[str], prompt: int, hooks: tuple[Any, ...] = ()
) -> dict[str, Tensor]:
    """Activations of one prompt alone, without padding, by one forward of TransformerLens."""
    kept: dict[str, Tensor] = {}

    def watch(name: str) -> tuple[str, Any]:
        return name, lambda x, hook: kept.update({name: x.detach().clone().float()})

    with torch.no_grad():
        session.model.run_with_hooks(rows(session)[prompt], fwd_hooks=[*hooks, *map(watch, names)])
    return kept


def plain(session: lw.Session, name: str, prompt: int, hooks: tuple[Any, ...] = ()) -> Tensor:
    """One of these."""
    return plain_all(session, [name], prompt, hooks)[name]


def held(session: lw.Session) -> int:
    """Bytes of all activations that the session's two runs hold on to."""
    return session.run(()).n_bytes + (session.run().n_bytes if session.interventions.active else 0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_list_tells_names_and_shapes_of_a_full_cache(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    mask = session.prompt_set.attention_mask
    more = {} if mask is None else {"attention_mask": mask}
    with torch.no_grad():
        _, cache = session.model.run_with_cache(session.tokens, **more)
    listed = list_activations(session)
    assert {n for item in listed for n in (item.name, *item.aliases)} == set(cache.keys())
    for item in listed:
        assert item.shape == tuple(cache[item.name].shape), item
        assert item.n_bytes == cache[item.name].numel() * cache[item.name].element_size()
        if item.short:
            assert cache[item.short] is cache[item.name], item
    assert len({item.point for item in listed}) == len(listed)


def test_axes_are_told_apart_whatever_their_lengths() -> None:
    """Two prompts of two tokens, where the axes of prompts and positions are equally long."""
    session = lw.Session(tiny("llama"), torch.tensor([[4, 5], [6, 7]]))
    dims = {item.name: item.dims for item in list_activations(session)}
    assert dims["blocks.0.attn.hook_q"] == ("prompt", "pos", "head", "d_head")
    assert dims["blocks.0.attn.hook_k"] == ("prompt", "pos", "key_value_head", "d_head")
    assert dims["blocks.0.attn.hook_pattern"] == ("prompt", "head", "query_pos", "key_pos")
    assert dims["hook_unembed"] == ("prompt", "pos", "d_vocab")
    experts = lw.Session(tiny("mixtral"), torch.tensor([[4, 5], [6, 7]]))
    dims = {item.name: item.dims for item in list_activations(experts)}
    assert dims["blocks.0.mlp.gate.hook_in"] == ("place", "d_model")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_activation_is_a_plain_forwards(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.toggle("L0H1")
    listed = list_activations(session)
    truth = plain_all(session, [item.name for item in listed], 1, (drop_head(1),))
    for item in listed:
        expected = truth[item.name].masked_fill(truth[item.name] < -3e4, torch.nan)
        part = read(session, "current", item.name, 1)
        assert part.values.numel() == expected.numel(), item
        got = part.values.reshape(expected.shape)
        torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["baseline", "current", "difference"])
def test_the_array_of_the_view_is_labelled(name: str, which: Any) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1, head=2, query_pos=3)
    view = lw.ActivationBrowser(session, activation=Z, show=which)
    array = activation(session, Z, which, 1)
    np.testing.assert_array_equal(view.data()["values"], array.sel(head=2))
    assert array.dims == ("pos", "head", "d_head")
    assert array.shape == (5, N_HEADS, D_HEAD)
    assert array["token"].values.tolist()[:2] == ["<bos> 0", "w11 1"]
    runs = {
        "baseline": plain(session, Z, 1)[0],
        "current": plain(session, Z, 1, (drop_head(1),))[0],
    }
    runs["difference"] = runs["current"] - runs["baseline"]
    np.testing.assert_allclose(array, runs[which], atol=2e-5)
    assert array.attrs["definition"] == f"{which} {Z}, prompt 1"
    (trace,) = view.figure().data
    np.testing.assert_array_equal(trace.z, array.sel(head=2))
    assert list(trace.y)[:2] == ["<bos> 0", "w11 1"]
    heads = lw.ActivationBrowser(session, activation=Z, show=which, slice_rows="head")
    (trace,) = heads.figure().data
    np.testing.assert_array_equal(trace.z, array.sel(pos=3))
    assert heads.figure().layout.title.text == f"{which.capitalize()} {Z}, prompt 1, pos 3"


def test_an_activation_of_one_axis_is_drawn_as_a_column(session: lw.Session) -> None:
    view = lw.ActivationBrowser(session, activation="ln_final.hook_scale")
    scale = activation(session, "ln_final.hook_scale")
    assert scale.dims == ("pos",)
    (trace,) = view.figure().data
    np.testing.assert_array_equal(np.array(trace.z)[:, 0], scale)
    np.testing.assert_array_equal(view.data()["values"].values[:, 0], scale)


@pytest.mark.parametrize("name", NAMES)
def test_statistics_are_torchs(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1)
    page = Page(session)
    ask = {"prompt": 1, "show": "current", "slice_rows": "pos", "head": 0}
    for hook in (Z, RESID, "blocks.0.attn.hook_z", "blocks.1.attn.hook_pattern"):
        result = page.dataset("activation_browser/plane", activation=hook, **ask)
        before = plain(session, hook, 1)
        now = plain(session, hook, 1, (drop_head(1),))
        for which, x in (("baseline", before), ("current", now), ("difference", now - before)):
            told = result.sel(run=which)
            assert told["n"] == x.numel()
            for key, value in (
                ("mean", x.mean()), ("std", x.std()), ("min", x.min()), ("max", x.max()),
                ("norm", x.norm()), ("zeros", (x == 0).float().mean()),
            ):  # fmt: skip
                tolerance = 1e-4 if key == "norm" else 3e-5
                assert float(told[key]) == pytest.approx(float(value), abs=tolerance), (
                    hook,
                    which,
                    key,
                )
            assert [int(told[k]) for k in ("n_nan", "n_inf", "n_masked")] == [0, 0, 0]


def test_masked_scores_are_counted_apart_and_leave_the_statistics_alone(
    session: lw.Session,
) -> None:
    part = read(session, "current", "blocks.0.attn.hook_attn_scores", 0)
    found = statistics(part)
    n = len(session.str_tokens[0])
    assert found.n_masked == N_HEADS * n * (n - 1) // 2
    assert found.n == N_HEADS * n * (n + 1) // 2
    assert found.min > -1e3
    assert (found.n_nan, found.n_inf) == (0, 0)


def test_numbers_that_are_none_are_counted() -> None:
    from lens_widgets.analysis.activations.activations import Part

    values = torch.tensor([1.0, 0.0, float("nan"), float("inf"), float("-inf"), -3.0, 2.0])
    found = statistics(Part(values, ("pos",)))
    assert (found.n, found.n_nan, found.n_inf) == (7, 1, 2)
    assert (found.mean, found.min, found.max, found.zeros) == (0.0, -3.0, 2.0, 0.25)
    nothing = statistics(Part(torch.full((2,), float("nan")), ("pos",)))
    assert np.isnan([nothing.mean, nothing.std, nothing.min, nothing.norm]).all()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("which", ["baseline", "current", "difference"])
def test_a_slice_is_that_of_the_array(name: str, which: Any) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.toggle("L0H1")
    page = Page(session)
    for hook, rows_, at, place, dims in (
        (Z, "pos", {"head": 3}, {"head": 3}, ("pos", "d_head")),
        (Z, "head", {"query_pos": 2}, {"pos": 2}, ("head", "d_head")),
        (Z, "head", {"query_pos": None}, {"pos": 4}, ("head", "d_head")),
        ("blocks.1.attn.hook_pattern", "pos", {"head": 1}, {"head": 1}, ("query_pos", "key_pos")),
        ("blocks.1.attn.hook_pattern", "head", {}, {"query_pos": 4}, ("head", "key_pos")),
        (RESID, "pos", {}, {}, ("pos", "d_model")),
        ("embed.hook_in", "pos", {}, {}, ("pos", "")),
    ):
        result = page.dataset(
            "activation_browser/plane",
            activation=hook,
            prompt=1,
            show=which,
            slice_rows=rows_,
            **at,
        )
        assert (result.attrs["row_dim"], result.attrs["column_dim"]) == dims
        assert {c["dim"]: c["index"] for c in result.attrs["cuts"]} == place
        assert (result.attrs["row_pool"], result.attrs["column_pool"]) == (1, 1)
        part = activation(session, hook, which, 1).sel(place)
        expected = part.transpose(*filter(None, dims)).values.reshape(
            result.attrs["n_rows"], result.attrs["n_columns"]
        )
        np.testing.assert_array_equal(result["values"].values, expected)


def test_heads_that_share_keys_are_found_under_either_number() -> None:
    session = lw.Session(tiny("llama"), PROMPTS)
    page = Page(session)
    for head, group in ((0, 0), (1, 0), (2, 1), (3, 1)):
        result = page.dataset(
            "activation_browser/plane",
            activation="blocks.1.attn.hook_k",
            prompt=0,
            show="current",
            slice_rows="pos",
            head=head,
        )
        assert result.attrs["cuts"] == [{"dim": "key_value_head", "index": group, "size": 2}]


def test_a_long_slice_is_pooled_by_the_largest_magnitude() -> None:
    session = attention_only(1, 2, 600)
    page = Page(session)
    hook = "blocks.0.attn.hook_pattern"
    result = page.dataset(
        "activation_browser/plane",
        activation=hook,
        prompt=0,
        show="current",
        slice_rows="pos",
        head=1,
    )
    assert result.attrs["_bytes"] <= MAX_REPLY_BYTES
    assert (result.attrs["first_row"], result.attrs["first_column"]) == (0, 0)
    row_pool, column_pool = result.attrs["row_pool"], result.attrs["column_pool"]
    assert row_pool * column_pool > 1
    assert (result.attrs["n_rows"], result.attrs["n_columns"]) == (600, 600)
    exact = plain(session, hook, 0)[0, 1]
    got = result["values"].values
    for row in (0, 7, len(got) - 1):
        for column in (0, 5, got.shape[1] - 1):
            block = exact[
                row * row_pool : (row + 1) * row_pool,
                column * column_pool : (column + 1) * column_pool,
            ]
            largest = block.flatten()[block.abs().argmax()]
            assert got[row, column] == pytest.approx(float(largest), abs=1e-6)
    part = page.dataset(
        "activation_browser/plane",
        activation=hook,
        prompt=0,
        show="current",
        slice_rows="pos",
        head=1,
        row_from=580,
        column_from=100,
    )
    assert (
        part.attrs["first_row"],
        part.attrs["first_column"],
        part.attrs["row_pool"],
        part.attrs["column_pool"],
    ) == (580, 100, 1, 1)
    np.testing.assert_allclose(part["values"].values, exact[580:, 100:], atol=1e-6)
    top = page.dataset(
        "activation_browser/plane",
        activation=hook,
        prompt=0,
        show="current",
        slice_rows="pos",
        head=1,
        row_from=0,
        column_from=0,
    )
    assert top.attrs["_bytes"] <= MAX_REPLY_BYTES
    window = top["values"].values
    np.testing.assert_allclose(window, exact[: len(window), : window.shape[1]], atol=1e-6)
    assert min(window.shape) >= 400
    error = page.error(
        "activation_browser/plane",
        activation=hook,
        prompt=0,
        show="current",
        slice_rows="pos",
        head=1,
        row_from=600,
    )
    assert "row_from=600 is out of range" in error["message"]


@pytest.mark.parametrize("interventions", [[], ["L0H1"], ["L1H2", "embed"]])
def test_looking_keeps_one_activation_and_no_more(
    session: lw.Session, interventions: list[str]
) -> None:
    for part in interventions:
        session.interventions.toggle(part)
    page = Page(session)
    before = held(session)
    captured = set(session.run().trace.captured)
    lw.ActivationBrowser(session)
    page.dataset("activation_browser/listing")
    derived = session.run(()).derived
    assert "activation looked at" not in derived
    ask = {"prompt": 0, "slice_rows": "pos", "head": 1}
    for hook in session.facts.hooks:
        page.dataset("activation_browser/plane", activation=hook, show="difference", **ask)
        (point, prompt), parts = derived["activation looked at"]
        assert (point, prompt) == (session.facts.points[hook], 0)
        assert len(parts) <= 2
        # No view of a larger tensor: the other prompts' numbers are not kept with it.
        assert all(
            p.values.untyped_storage().nbytes() == 4 * p.values.numel() for p in parts.values()
        )
    assert held(session) == before
    assert set(session.run().trace.captured) == captured
    session.interventions.toggle("L1H3")
    page.dataset("activation_browser/plane", activation=hook, show="current", **ask)
    assert len(derived["activation looked at"][1]) <= 2


def test_the_same_activation_is_not_computed_twice(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    ask = {"activation": "blocks.1.mlp.hook_pre", "prompt": 0, "slice_rows": "pos"}
    page.dataset("activation_browser/plane", show="current", **ask)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the model was run")

    monkeypatch.setitem(vars(session.model.blocks[-1]), "forward", spy(refuse))
    for which in ("baseline", "difference", "current"):
        page.dataset("activation_browser/plane", show=which, **ask)
