"""The exported page and the still picture: text stays text, nothing is computed by surprise."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.views.snapshot import snapshot_of
from tests.every_view import EVERY_VIEW
from tests.models import hugging_face, tiny, word_tokenizer
from tests.unit.cases import ANSWERS, PROMPTS

HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>\u2028&quot;'"


class Parts(HTMLParser):
    """A page as a browser takes it apart: its elements, and the text of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": [], "td": []}
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.texts:
            self.texts[tag].append("")
            self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def _named(name: str) -> Any:
    model = hugging_face("GPT2Config", word_tokenizer(), n_layer=2, n_head=4, n_embd=32)
    model.cfg.model_name = name
    return model


def _exported(path: Path, *views: Any, **options: Any) -> tuple[Parts, list[dict[str, Any]]]:
    lw.export_html(list(views), path, **options)
    parts = Parts(path.read_text(encoding="utf-8"))
    state = next(text for text in parts.texts["script"] if text.startswith("{"))
    return parts, json.loads(state)["widgets"]


def test_a_page_carries_every_view_and_asks_for_nothing(
    session: lw.Session, tmp_path: Path
) -> None:
    views = [getattr(lw, name)(session) for name in EVERY_VIEW]
    parts, saved = _exported(tmp_path / "page.html", *views)
    assert [item["view"] for item in saved] == EVERY_VIEW
    for attrs in (attrs for _, attrs in parts.elements):
        assert "src" not in attrs
        assert attrs.get("href") in (None, "data:,")
    for item in saved:
        assert not [name for name in item["traits"] if name.startswith("_")]


def test_the_policy_lets_the_pages_own_scripts_run_and_nothing_else(
    session: lw.Session, tmp_path: Path
) -> None:
    parts, _ = _exported(tmp_path / "page.html", lw.AttentionView(session), lw.TokenView(session))
    policy = next(a["content"] or "" for a in parts.attributes("meta") if "http-equiv" in a)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for kind in ("script", "style"):
        texts = [text for text in parts.texts[kind] if not text.startswith("{")]
        digests = {hashlib.sha256(text.encode()).digest() for text in texts}
        allowed = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
        assert set(rules[f"{kind}-src"].split()) == allowed


def test_hostile_names_prompts_and_titles_stay_text(tmp_path: Path) -> None:
    def evil(logits: Any) -> Any:
        return logits[:, -1].max(dim=-1).values

    evil.__name__ = HOSTILE
    session = lw.Session(_named(HOSTILE), [f"w5 {HOSTILE}", "w6 <script> w7"], metric=evil)
    view = lw.TokenView(session)
    parts, saved = _exported(tmp_path / "page.html", view, title=HOSTILE)
    allowed = {"html", "head", "meta", "link", "title", "style", "body", "p", "div", "script"}
    allowed |= {"table", "caption", "tbody", "tr", "th", "td"}
    assert {name for name, _ in parts.elements} <= allowed
    assert parts.texts["title"] == [HOSTILE]
    assert saved[0]["traits"]["info"]["model_name"] == HOSTILE
    # Two bundles' worth of scripts and the state: none was ended early, none was added.
    assert len(parts.texts["script"]) == 4
    still = Parts(view._repr_mimebundle_()[0]["text/html"])
    assert {name for name, _ in still.elements} <= {
        *("table", "caption", "tbody", "tr", "th", "td", "p")
    }
    assert any(HOSTILE in text for text in still.texts["td"])
    assert any("<script>" in text for text in still.texts["td"])


@pytest.mark.parametrize("name", EVERY_VIEW)
def test_a_view_that_was_never_shown_is_saved_with_what_it_opens_with(
    name: str, session: lw.Session
) -> None:
    view = getattr(lw, name)(session)
    session.interventions.toggle("L1H2")
    session.selection.stripe = "previous"
    saved = snapshot_of(view)["slots"]
    assert set(saved) == set(view.opening())
    for entry in saved.values():
        assert entry["revision"] == session.revision


def test_a_snapshot_of_an_older_state_is_computed_anew_and_a_present_one_is_kept(
    session: lw.Session,
) -> None:
    view = lw.AttributionTable(session)
    view.snapshot = snapshot_of(view)
    assert snapshot_of(view) == view.snapshot
    session.interventions.toggle("L0H1")
    for entry in snapshot_of(view)["slots"].values():
        assert entry["revision"] == session.revision


@pytest.mark.parametrize(
    "hostile",
    [
        [],
        {"slots": 3},
        {"slots": {"a": None, "b": {"method": "undo", "args": {}, "result": {}}}},
        {"slots": {"a": {"method": "toggle", "args": {"component": "L0H0", "kind": "zero"},
                         "result": {}}}},
        {"slots": {"a": {"method": "edit_prompt", "args": {"prompt": 0, "text": "w5", "correct": "",
                                                          "wrong": ""}, "result": {}}}},
        {"slots": {"a": {"method": "pattern", "args": {"prompt": "x"}, "result": {}}}},
        {"slots": {"a": {"method": ["tokens"], "args": {}, "result": {}}}},
    ],
)  # fmt: skip
def test_a_hostile_snapshot_changes_nothing(hostile: Any, session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    view = lw.AttributionTable(session)
    before = session.interventions.entries
    assert set(snapshot_of(_with(view, hostile))["slots"]) == {
        *("attribution/metric", "attribution/tokens", "attribution/rows")
    }
    assert session.interventions.entries == before


def _with(view: Any, snapshot: Any) -> Any:
    view._trait_values["snapshot"] = snapshot
    return view


def test_a_closed_sessions_views_are_exported_as_last_shown(
    session: lw.Session, tmp_path: Path
) -> None:
    view = lw.AttributionTable(session)
    view.snapshot = snapshot_of(view)
    session.close()
    _, (saved,) = _exported(tmp_path / "page.html", view)
    assert saved["traits"]["snapshot"] == view.snapshot
    assert saved["traits"]["state"]["closed"] is True


@pytest.mark.parametrize("given", [[], None, "view", 3, [1]])
def test_what_is_not_a_view_is_refused(given: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="widgets"):
        lw.export_html(given, tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_old_page(
    session: lw.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    view = lw.TokenView(session)
    monkeypatch.setattr("os.replace", lambda *args: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        lw.export_html(view, path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("page.html", "old")]


def test_the_still_picture_shows_known_numbers_and_computes_none(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = lw.AttentionView(session)
    baseline = float(session.baseline.mean())
    session.interventions.toggle("L1H1")
    monkeypatch.setattr(type(session), "run", lambda *a, **k: pytest.fail("the model ran"))
    data, _ = view._repr_mimebundle_()
    assert next(iter(data)) == "text/plain"
    assert f"{baseline:.4g}" in data["text/html"]
    assert "→" not in data["text/html"], "the run with the ablation was not made yet"
    assert "L1H1 zero" in data["text/html"]
    assert PROMPTS[0] in data["text/html"]
    assert re.fullmatch(r"AttentionView\(tiny GPT2Config, .*\)", repr(view))
    assert data["text/plain"] == repr(view)
    monkeypatch.undo()
    current = float(session.current.mean())
    assert f"{baseline:.4g} → {current:.4g}" in view._repr_mimebundle_()[0]["text/html"]


def test_a_still_picture_that_fails_never_fails_the_cell(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = lw.AttentionView(session)
    monkeypatch.setattr(type(session), "prompt_set", property(lambda self: 1 / 0))
    data, _ = view._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "text/html" not in data


def test_models_that_cannot_be_shown_whole_are_exported_too(tmp_path: Path) -> None:
    session = lw.Session(tiny("attn_only"), PROMPTS, answers=ANSWERS)
    _, saved = _exported(tmp_path / "page.html", lw.Explorer(session))
    assert saved[0]["traits"]["info"]["mlp_layers"] == []
