"""The attention view's questions: reply, ``.ask()``, ``data()`` and figure hold the same numbers,
and these are the measured ones of ``test_patterns_and_tokens`` and ``test_attention_modes``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.analysis.attention.patterns import attention_patterns
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows
from tests.unit.page import Page
from tests.unit.scripts import execute

EDIT = reference.write("blocks.0.attn.hook_z", 0.0, head=1)
LABELS = ["<bos> 0", "w11 1", "w12 2", "w13 3", "w14 4"]
HEAD = {"layer": 1, "head": 2}


@pytest.fixture
def changed(session: lw.Session) -> lw.Session:
    """With an ablation in force, and the second prompt and a head of the last layer selected."""
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1, **HEAD)
    return session


def asked(show: str = "current", mode: str = "pattern", average: str | None = "none") -> Any:
    args = {"prompt": 1, "show": show, "attention_mode": mode}
    return args if average is None else {**args, **HEAD, "head_average": average}


def one_of(values: np.ndarray[Any, Any], average: str) -> np.ndarray[Any, Any]:
    """The large pattern of all heads' or of their means."""
    if average == "none":
        return values[1, 2]
    return values[1] if average == "layer" else values


@pytest.mark.parametrize("show", ["baseline", "current", "difference"])
def test_the_large_pattern_is_that_of_a_plain_forward(changed: lw.Session, show: Any) -> None:
    tokens, hook = rows(changed)[1], "blocks.1.attn.hook_pattern"
    plain = reference.activation(changed.model, tokens, hook)[2]
    edited = reference.activation(changed.model, tokens, hook, [EDIT])[2]
    expected = {"baseline": plain, "current": edited, "difference": edited - plain}[show]
    view = lw.AttentionView(changed, show=show)
    np.testing.assert_allclose(view.data()["pattern"], expected, atol=1e-5)


@pytest.mark.parametrize("average", ["none", "layer", "all"])
@pytest.mark.parametrize("mode", ["pattern", "value", "scores"])
@pytest.mark.parametrize("show", ["current", "difference"])
def test_reply_data_and_figure_hold_the_same_numbers(
    changed: lw.Session, show: Any, mode: Any, average: Any
) -> None:
    view = lw.AttentionView(changed, show=show, attention_mode=mode, head_average=average)
    data = view.data()
    reply = Page(changed).dataset("attention/pattern", **asked(show, mode, average))
    np.testing.assert_array_equal(reply["pattern"], data["pattern"])
    np.testing.assert_array_equal(view.ask("pattern")["pattern"], data["pattern"])
    ours = attention_patterns(changed, show, 1, mode=mode, average=average)
    np.testing.assert_allclose(data["pattern"], one_of(ours.values, average), atol=1e-6)
    assert data["pattern"].dims == ("query_pos", "key_pos")
    assert data["query_token"].values.tolist() == data["key_token"].values.tolist() == LABELS
    for name in ("units", "definition", "signed"):
        assert data.attrs[name] == ours.attrs[name]
    (trace,) = view.figure().data
    np.testing.assert_array_equal(trace.z, data["pattern"])
    assert list(trace.x) == list(trace.y) == LABELS
    assert trace.colorbar.title.text == data.attrs["units"]
    assert (trace.zmid == 0) is (show == "difference" or mode == "scores")
    title = view.figure().layout.title.text
    assert title.startswith({"none": "L1H2: ", "layer": "L1: ", "all": "All heads: "}[average])


def test_a_difference_of_no_change_is_still_drawn_around_zero(session: lw.Session) -> None:
    (trace,) = lw.AttentionView(session, show="difference").figure().data
    assert trace.zmid == 0


@pytest.mark.parametrize("mode", ["pattern", "value", "scores"])
@pytest.mark.parametrize("show", ["baseline", "current", "difference"])
def test_thumbnails_are_all_patterns_at_a_byte_a_cell(
    changed: lw.Session, show: Any, mode: Any
) -> None:
    found = Page(changed).dataset("attention/patterns", **asked(show, mode, None))
    expected = attention_patterns(changed, show, 1, mode=mode).values
    own = lw.AttentionView(changed, show=show, attention_mode=mode).ask("patterns")
    np.testing.assert_allclose(own["patterns"], expected, atol=1e-6)
    rounded = 254 if show == "difference" or mode == "scores" else 510
    tolerance = np.nanmax(np.abs(expected)) / rounded + 1e-6
    np.testing.assert_allclose(found["patterns"], expected, atol=max(tolerance, 1 / 510))
    assert found.attrs["pool"] == 1
    assert found.attrs["units"] == own.attrs["units"]
    assert found.attrs["definition"].startswith("Attention")


# A cell, a row, a column, a rectangle in the middle, the last ones, everything; of five positions.
PARTS = [(3, 4, 1, 2), (2, 3, 0, 5), (0, 5, 4, 5), (1, 4, 0, 2), (3, 5, 3, 5), (0, 5, 0, 5)]
PLACES = ("query_start", "query_stop", "key_start", "key_stop")


@pytest.mark.parametrize("average", ["none", "layer", "all"])
@pytest.mark.parametrize("mode", ["pattern", "value", "scores"])
@pytest.mark.parametrize("show", ["baseline", "difference"])
def test_a_part_is_the_same_cells_to_the_bit(
    changed: lw.Session, show: str, mode: str, average: str
) -> None:
    args = asked(show, mode, average)
    whole = Page(changed).dataset("attention/pattern", **args)["pattern"]
    for place in PARTS:
        cells = Page(changed).dataset(
            "attention/pattern_part", **args, **dict(zip(PLACES, place, strict=True))
        )["pattern"]
        part = {"query_pos": slice(*place[:2]), "key_pos": slice(*place[2:])}
        xr.testing.assert_identical(cells, whole.isel(part).drop_attrs())


def test_a_part_is_that_of_a_plain_forward_with_hooks(changed: lw.Session) -> None:
    tokens = rows(changed)[1]
    hooks = [f"blocks.1.attn.hook_{name}" for name in ("pattern", "v", "attn_scores")]
    pattern, values, scores = (
        reference.activation(changed.model, tokens, hook, [EDIT]) for hook in hooks
    )
    masked = np.triu(np.ones(scores.shape[1:], dtype=bool), 1)
    expected = {
        "pattern": pattern[2],
        "value": pattern[2] * values[:, 2].norm(dim=-1),
        "scores": np.where(masked, np.nan, scores[2]),
    }
    for mode, cells in expected.items():
        part = Page(changed).dataset(
            "attention/pattern_part",
            **asked(mode=mode),
            **dict(zip(PLACES, (1, 4, 0, 3), strict=True)),
        )
        np.testing.assert_allclose(part["pattern"], cells[1:4, :3], atol=1e-5)


@pytest.mark.parametrize(
    ("place", "message", "hint"),
    [
        ((-1, 2, 0, 5), "query_start=-1, query_stop=2 is no range", "<= 5."),
        ((2, 2, 0, 5), "query_start=2, query_stop=2", "0 <= query_start < query_stop"),
        ((0, 6, 0, 5), "query_stop=6 is no range of prompt 1", "<= 5."),
        ((0, 5, 4, 3), "key_start=4, key_stop=3 is no range", "0 <= key_start < key_stop <= 5."),
    ],
)
def test_a_part_that_no_prompt_has_is_refused(
    changed: lw.Session, place: tuple[int, ...], message: str, hint: str
) -> None:
    page = Page(changed)
    error = page.error("attention/pattern_part", **asked(), **dict(zip(PLACES, place, strict=True)))
    assert message in error["message"]
    assert hint in error["hint"]


@pytest.mark.parametrize("average", ["none", "layer", "all"])
@pytest.mark.parametrize("mode", ["pattern", "value", "scores"])
def test_the_code_leaves_what_is_shown(changed: lw.Session, mode: Any, average: Any) -> None:
    view = lw.AttentionView(changed, show="difference", attention_mode=mode, head_average=average)
    code = view.ask("code").attrs["code"]
    assert (
        Page(changed).dataset("attention/code", **asked("difference", mode, average)).attrs["code"]
        == code
    )
    left = execute(changed, code)["attention"]
    np.testing.assert_allclose(left, view.data()["pattern"], atol=1e-5)


def test_a_stripe_is_outlined_in_the_figure_too(changed: lw.Session) -> None:
    view = lw.AttentionView(changed)
    assert "attention/stripe" not in view.opening()
    changed.selection.stripe = "previous"
    assert view.opening()["attention/stripe"][1] == {"prompt": 1, "stripe": "previous"}
    pattern, squares = view.figure().data
    assert list(squares.y) == list(pattern.y[1:])
    assert list(squares.x) == list(pattern.x[:-1])
    changed.selection.stripe = "induction"
    assert len(view.figure().data) == 1, "this prompt has no such stripe"


def test_a_model_without_scores_answers_with_an_error() -> None:
    session = lw.Session(tiny("native"), PROMPTS)
    error = Page(session).error("attention/patterns", **asked(mode="scores", average=None))
    assert "pattern only" in error["message"]
    assert "mode='pattern'" in error["hint"]


@pytest.mark.parametrize("question", ["pattern", "pattern_part", "code"])
@pytest.mark.parametrize(
    ("given", "message"),
    [({"layer": 2}, "no head L2H2"), ({"head": -1}, "no head L1H-1"), ({"prompt": 2}, "prompt=2")],
)
def test_what_is_not_there_is_named(
    changed: lw.Session, question: str, given: dict[str, int], message: str
) -> None:
    part = question == "pattern_part"
    place = dict(zip(PLACES, (0, 1, 0, 1), strict=True)) if part else {}
    with pytest.raises(InputError, match=message):
        lw.AttentionView(changed).ask(question, **given, **place)


def test_left_out_bos_is_a_setting_of_the_session(session: lw.Session) -> None:
    view, other = lw.AttentionView(session), lw.Explorer(session)
    assert "skip_bos" not in view.option_names()
    view.set_state({"settings": {**view.settings, "skip_bos": True}})
    assert session.settings.skip_bos is True
    assert other.settings["skip_bos"] is True
