"""Widgets without a browser: what they mirror, follow and refuse."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import traitlets

import lens_widgets as lw
from lens_widgets.errors import ClosedError, InputError, KeywordError
from lens_widgets.views import state
from lens_widgets.wire.messages import Reply, checked
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.page import decoded
from tests.unit.waiting import Outcome

VIEWS = (
    lw.TokenView, lw.AttentionView, lw.AttributionTable, lw.AblationPanel, lw.Explorer,
    lw.LogitLensView, lw.PatchingView,
    lw.HeadScoresView,
    lw.LossView, lw.ModelCard,
    lw.CompositionView, lw.WeightCircuitView, lw.ScoreDecompositionView, lw.NeuronView,
    lw.LossView,
    lw.ActivationBrowser,
)  # fmt: skip

OPTIONS: dict[Any, set[str]] = {
    lw.TokenView: {"color"},
    lw.AttentionView: {"show", "token_mode", "attention_mode", "head_average", "pattern_scale"},
    lw.AttributionTable: {"by", "read_at"},
    lw.AblationPanel: {"values"},
    lw.LogitLensView: {
        *("show", "lens_color", "lens_target", "lens_order", "incl_mid", "pins"),
    },
    lw.CircuitView: {"edge_method", "cut_kind", "circuit_share"},
    lw.PatchingView: {"patch_maps", "by_pos", "patch_into", "normalize", "estimate"},
    lw.HeadScoresView: {"threshold"},
    lw.LossView: set(),
    lw.ModelCard: set(),
    lw.CompositionView: {"composition", "subtract_random"},
    lw.WeightCircuitView: {"circuit", "circuit_tokens", "top_k"},
    lw.ScoreDecompositionView: {"sources_by", "query_source", "key_source", "show"},
    lw.NeuronView: {"neuron", "show", "top_k"},
    lw.ActivationBrowser: {"activation", "show", "slice_rows", "group_by"},
}
OPTIONS[lw.Explorer] = set().union(*OPTIONS.values())

each_view = pytest.mark.parametrize("view", VIEWS, ids=lambda v: v.__name__)


@pytest.fixture(autouse=True)
def _close_views() -> Iterator[None]:
    from ipywidgets import Widget

    yield
    Widget.close_all()


@each_view
def test_a_view_mirrors_its_session(session: lw.Session, view: Any) -> None:
    session.interventions.add(lw.Ablate("L0H1", "mean", positions=-1))
    session.selection.update(layer=1, head=2, query_pos=3)
    shown = view(session)
    checked(state.SessionInfo, shown.info, "info")
    checked(state.SessionState, shown.state, "state")
    checked(state.Selection, shown.selection, "selection")
    assert shown.session is session
    assert shown.selection == {
        "layer": 1, "head": 2, "query_pos": 3, "key_pos": None, "prompt": 0,
        "writer_layer": None, "writer_head": None, "stripe": None,
    }  # fmt: skip
    assert shown.info["n_layers"] == 2
    assert shown.info["n_heads"] == 4
    assert shown.info["mlp_layers"] == [0, 1]
    assert shown.state["interventions"] == [
        {
            "key": "i1",
            "label": "L0H1",
            "component": "L0H1",
            "kind": "mean",
            "detail": "position -1",
            "cell": None,
            "enabled": True,
        }
    ]


@each_view
def test_a_view_follows_its_session(session: lw.Session, view: Any) -> None:
    shown = view(session)
    session.interventions.toggle("L0H1")
    assert [i["label"] for i in shown.state["interventions"]] == ["L0H1"]
    assert (shown.state["revision"], shown.state["undoes"]) == (1, "ablate L0H1")
    session.interventions.undo()
    assert (shown.state["interventions"], shown.state["redoes"]) == ([], "ablate L0H1")
    session.set_prompts(PROMPTS[:1], answers=ANSWERS[0])
    assert shown.state["prompts_revision"] == 1
    session.selection.update(layer=1, head=3)
    assert (shown.selection["layer"], shown.selection["head"]) == (1, 3)
    session.close()
    assert shown.state["closed"]


@each_view
def test_a_click_in_one_view_moves_every_other(session: lw.Session, view: Any) -> None:
    clicked, others = view(session), [other(session) for other in VIEWS]
    clicked.set_state({"selection": {**clicked.selection, "layer": 1, "head": 2, "key_pos": 4}})
    assert session.selection.as_dict() == clicked.selection
    assert (session.selection.layer, session.selection.head, session.selection.key_pos) == (1, 2, 4)
    assert [other.selection for other in others] == [clicked.selection] * len(others)


def test_views_of_two_sessions_do_not_follow_each_other(session: lw.Session) -> None:
    other = lw.Session(session.model, PROMPTS)
    one, two = lw.AttentionView(session), lw.AttentionView(other)
    session.interventions.toggle("L0H1")
    before = two.selection
    one.set_state({"selection": {**one.selection, "layer": 1 - before["layer"]}})
    assert two.selection == before
    assert two.state["interventions"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"layer": 2},
        {"head": -1},
        {"prompt": 2},
        {"query_pos": 99},
        {"layer": "1"},
        {"layer": None},
        {"head": 1.5},
        {"surplus": 1},
    ],
    ids=str,
)
def test_a_bad_selection_from_the_page_is_set_back(
    session: lw.Session, change: dict[str, Any]
) -> None:
    session.selection.update(layer=1, head=1)
    before = session.selection.as_dict()
    shown, other = lw.AttentionView(session), lw.TokenView(session)
    shown.set_state({"selection": {**before, "head": 2, **change}})
    assert session.selection.as_dict() == before
    assert shown.selection == before
    assert other.selection == before
    shown.set_state({"selection": {**before, "head": 3}})
    assert session.selection.head == 3


@each_view
def test_options_are_checked_and_the_near_one_is_suggested(session: lw.Session, view: Any) -> None:
    choices = [o for o in OPTIONS[view] if isinstance(view.class_traits()[o], traitlets.Enum)]
    for option in choices:
        values = view.trait_values_of(option)
        for value in values:
            assert getattr(view(session, **{option: value}), option) == value
        with pytest.raises(InputError) as caught:
            view(session, **{option: values[0][:-1] + "x"})
        assert f"{option}=" in str(caught.value)
        assert repr(values[-1]) in str(caught.value)
        misspelled = option[:-1] + option[-1] * 2
        with pytest.raises(KeywordError) as unknown:
            view(session, **{misspelled: values[0]})
        assert f"{view.__name__} has no argument {misspelled!r}" in str(unknown.value)
        assert f"Did you mean {option!r}?" in str(unknown.value)
    assert set(view.option_names()) == OPTIONS[view]


@each_view
def test_an_option_that_another_view_has_is_refused(session: lw.Session, view: Any) -> None:
    for option in OPTIONS[lw.Explorer] - OPTIONS[view]:
        with pytest.raises(KeywordError, match=f"{view.__name__} has no argument '{option}'"):
            view(session, **{option: "current"})


def test_explore_is_all_views_together(session: lw.Session) -> None:
    explorer = session.explore(by="component", show="difference")
    assert isinstance(explorer, lw.Explorer)
    assert (explorer.by, explorer.show) == ("component", "difference")
    with pytest.raises(
        KeywordError, match=r"Explorer has no argument 'shwo'\. Did you mean 'show'\?"
    ):
        session.explore(shwo="current")


@each_view
def test_a_view_needs_an_open_session(session: lw.Session, view: Any) -> None:
    with pytest.raises(InputError, match=rf"{view.__name__} got TransformerBridge, not a session"):
        view(session.model)
    session.close()
    with pytest.raises(ClosedError):
        view(session)


@pytest.mark.filterwarnings("error")
def test_a_view_that_was_not_made_leaves_nothing_to_complain_about(session: lw.Session) -> None:
    for bad in ({"shwo": 1}, {"show": "now"}):
        with pytest.raises(InputError):
            lw.AttentionView(session, **bad)
    with pytest.raises(InputError):
        lw.AttentionView("session")  # type: ignore[arg-type]
    gc.collect()
    session.interventions.toggle("L0H1")


@each_view
def test_a_closed_view_follows_nothing_and_may_be_closed_twice(
    session: lw.Session, view: Any
) -> None:
    shown, other = view(session), view(session)
    shown.close()
    shown.close()
    session.interventions.toggle("L0H1")
    session.selection.update(layer=1)
    assert shown.state["interventions"] == []
    assert shown.selection["layer"] == 0
    assert other.selection["layer"] == 1
    assert not session.closed


def test_closing_a_view_stops_what_it_asked_for(session: lw.Session) -> None:
    shown, outcome = lw.AblationPanel(session), Outcome()
    sent: list[dict[str, Any]] = []
    shown.send = lambda content, buffers=None: sent.append(content)  # type: ignore[method-assign]

    def close(step: Any = None) -> Any:
        shown.close()
        yield
        raise AssertionError("went on after the view was closed")

    owner = shown._dispatcher._owner
    session.submit((owner, "slot"), close, outcome.done, outcome.failed)
    assert type(outcome.error()).__name__ == "Cancelled"


@each_view
def test_what_a_notebook_saves_of_a_view_is_small(session: lw.Session, view: Any) -> None:
    for head in range(4):
        session.interventions.toggle(f"L0H{head}")
    shown = view(session)
    state = {k: v for k, v in shown.get_state().items() if k not in ("_esm", "_css")}
    assert len(json.dumps(state, default=str)) < 8_000
    shown.set_state({"snapshot": {"anything": [1, 2]}})
    assert shown.snapshot == {"anything": [1, 2]}


def test_a_message_of_the_page_is_answered_through_the_widget(session: lw.Session) -> None:
    shown: Any = lw.TokenView(session)
    outcome = Outcome()
    shown.send = lambda content, buffers=None: outcome.done((content, buffers))
    request = {
        "kind": "request", "id": "a", "slot": "s", "seq": 1, "method": "token/stats"
    }  # fmt: skip
    shown._handle_custom_msg({**request, "args": {"prompt": 1}}, [])
    content, buffers = outcome.value()
    checked(Reply, content, "message")
    table = decoded(content["result"], buffers)
    np.testing.assert_allclose(table["loss"], session.run().loss_per_token[1, :5], atol=1e-6)


@each_view
def test_a_view_renders_as_a_widget(session: lw.Session, view: Any) -> None:
    bundle = view(session)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
