"""A view's constructor is the same for mypy, for an editor without a kernel, and when it runs."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_origin

import jedi
import pytest

import lens_widgets as lw
from lens_widgets.views.base import View
from lens_widgets.views.options import option
from lens_widgets.views.starting import largest_neuron

ROOT = Path(__file__).parents[2]
VIEWS: dict[str, type[View]] = {
    name: value
    for name in lw.__all__
    if isinstance(value := getattr(lw, name), type) and issubclass(value, View)
}
HEAD = (
    "import typing",
    "from typing_extensions import assert_type",
    "import lens_widgets as lw",
    "session: lw.Session",
)
CALLS = {
    "lw.AttentionView(session)": None,
    'lw.AttentionView(session, show="baseline", layout={"width": "300px"})': None,
    'lw.Explorer(session, color="hit", show="baseline", by="layer")': None,
    "lw.HeadScoresView(session, threshold=0.5)": None,
    'lw.HeadScoresView(session, threshold="high")': r"incompatible type .*expected .float",
    'lw.AttentionView(session, show="before")': r"expected .Literal\['baseline', 'current', 'diff",
    "lw.AttentionView(session, layer=1)": 'Unexpected keyword argument "layer"',
    'lw.AttentionView(session, "baseline")': "Too many positional arguments",
    "lw.AttentionView()": 'Missing positional argument "session"',
    "lw.AttentionView(3)": 'incompatible type "int"; expected "Session"',
}


def parameters(view: type[View]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(view).parameters)


def written(hint: Any) -> str:
    """An option's type as it is written in a file that imports ``typing``."""
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else repr(hint)


def asked() -> list[str]:
    """A line for each call, each signature, and each type of an option."""
    lines = [*HEAD, *CALLS]
    for name, view in VIEWS.items():
        lines.append(f"reveal_type(lw.{name})")
        for option_name in view.option_names():
            hint = written(parameters(view)[option_name].annotation)
            lines.append(f"assert_type(lw.{name}(session).{option_name}, {hint})")
    return lines


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says of each line of ``asked``; "" where it says nothing."""
    lines = asked()
    file = tmp_path_factory.mktemp("typed") / "snippet.py"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--hide-error-context"]
    ran = subprocess.run(
        [*command, str(file)],
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    said = dict.fromkeys(lines, "")
    for path, number, text in re.findall(r"^(.+?):(\d+): (.*)$", ran.stdout, re.MULTILINE):
        assert Path(path).name == file.name, text
        said[lines[int(number) - 1]] += text
    return said


@pytest.mark.parametrize(("call", "error"), CALLS.items())
def test_mypy_checks_a_call(told: dict[str, str], call: str, error: str | None) -> None:
    if error is None:
        assert told[call] == ""
    else:
        assert re.search(error, told[call]), told[call]


@pytest.mark.parametrize("name", VIEWS)
def test_mypy_and_python_see_the_same_arguments(told: dict[str, str], name: str) -> None:
    static = told[f"reveal_type(lw.{name})"]
    assert static.startswith('note: Revealed type is "def (session: lens_widgets.')
    assert "**" not in static
    keywords = re.findall(r"[*,] (\w+): ", static)
    true = parameters(VIEWS[name])
    assert ["session", *sorted(keywords)] == ["session", *sorted(set(true) - {"session"})]
    assert all(p.kind is p.KEYWORD_ONLY for n, p in true.items() if n != "session")
    # Each has a default, for mypy too.
    assert static.count(" =") == len(keywords)
    types = {line: said for line, said in told.items() if f"lw.{name}(session)." in line}
    assert len(types) == len(VIEWS[name].option_names())
    assert not any(types.values()), types


@pytest.mark.parametrize("name", VIEWS)
def test_a_default_is_the_value_of_a_view_made_without_it(name: str, session: lw.Session) -> None:
    view = VIEWS[name](session)
    for known in view.option_names():
        default = parameters(VIEWS[name])[known].default
        # Without one the session's numbers say what it starts from.
        chosen = known == "neuron"
        assert getattr(view, known) == (largest_neuron(session) if chosen else default)


def test_an_editor_completes_options_without_a_kernel() -> None:
    script = jedi.Script(
        "import lens_widgets as lw\nlw.AttentionView(session, ", project=jedi.Project(ROOT)
    )
    (signature,) = script.get_signatures()
    assert [p.name for p in signature.params][:2] == ["session", "layout"]
    assert {p.name for p in signature.params} == set(parameters(lw.AttentionView))
    assert {c.name for c in script.complete()} >= {"show=", "token_mode=", "head_average="}


def test_an_option_without_a_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bare\.threshold needs a type: write `threshold: int"):

        class Bare(View):
            threshold = option(default=3, help="A limit.")


def test_options_stand_in_the_order_in_which_they_are_written() -> None:
    class Two(View):
        side: Literal["left", "right"] = option(default="left", help="A side.")
        head: str | None = option(default=None, help="A head.")

    assert list(parameters(Two)) == ["session", "side", "head", "layout"]
    assert parameters(Two)["head"].annotation == (str | None)
