"""Public docstrings say what to pass, what comes back (shape and units), what is refused, and whose
method it is; their examples run and print what they say."""

from __future__ import annotations

import doctest
import inspect
import re
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from griffe import Docstring, DocstringSectionKind

import lens_widgets as lw
from lens_widgets.session.run import Run

VIEWS = {name: getattr(lw, name) for name in lw.__all__ if hasattr(getattr(lw, name), "figure")}
ANALYSIS = {f"analysis.{name}": getattr(lw.analysis, name) for name in lw.analysis.__all__}
FUNCTIONS = {
    **ANALYSIS,
    **{f"prompts.{n}": getattr(lw.prompts, n) for n in ("ioi", "ioi_prompts", "repeated_tokens")},
    **{name: getattr(lw, name) for name in ("load_demo", "load_checkpoint", "export_html")},
}
CLASSES = {
    name: getattr(lw, name)
    for name in (
        "Session",
        "Spans",
        "Circuit",
        "DataRun",
        "Ablate",
        "Patch",
        "Cut",
        "Steer",
        "Component",
    )
} | {"prompts.PromptPairs": lw.prompts.PromptPairs, "Run": Run}
# What is an array: a shape in its annotation is enough, or dims in its docstring.
ARRAYS = re.compile(r"Tensor|DataArray|Dataset|FactoredCircuit")
SHAPE = re.compile(r"\b[Dd]ims?\b|\[[a-z_0-9*+, .]+\]|(Float|Int|Shaped)\[Tensor, ['\"]")
UNITS = re.compile(
    r"\blogits?\b|\bnats\b|from -?\d to \d|units|probability|ratio|parameters|share|token ids"
)


def _methods() -> Iterator[tuple[str, Any]]:
    """The public methods and properties of the classes, each where it is defined."""
    for owner, cls in CLASSES.items():
        for name in dir(cls):
            member = inspect.getattr_static(cls, name)
            function = getattr(member, "fget", getattr(member, "__func__", member))
            ours = str(getattr(function, "__module__", "")).startswith("lens_widgets.")
            if inspect.isfunction(function) and ours and not name.startswith("_"):
                # Of the class, so that what a base says counts for its kinds.
                yield f"{owner}.{name}", (function, inspect.getdoc(getattr(cls, name)) or "")


METHODS = dict(_methods())


def _sections(documented: Any) -> dict[str, Any]:
    """A docstring's sections by their name: text, args, returns, raises, examples, Source."""
    found: dict[str, Any] = {}
    for section in Docstring(inspect.getdoc(documented) or "", parser="google").parse(
        warnings=False
    ):
        if section.kind is DocstringSectionKind.admonition:
            found[section.title or ""] = section.value.contents
        else:
            found[section.kind.value] = section.value
    return found


def _parameters(function: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {
        p.name
        for p in parameters
        if p.name != "self" and p.kind is not inspect.Parameter.VAR_KEYWORD
    }


def _named(sections: dict[str, Any], *kinds: str) -> set[str]:
    return {item.name for kind in kinds for item in sections.get(kind, ())}


@pytest.mark.parametrize("name", [*FUNCTIONS, *sorted(CLASSES.keys() - {"Run"})])
def test_every_argument_is_explained(name: str) -> None:
    documented = {**FUNCTIONS, **CLASSES}[name]
    sections = _sections(documented)
    assert _named(sections, "parameters", "attributes") == _parameters(documented)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_says_what_comes_back(name: str) -> None:
    returned = str(inspect.signature(FUNCTIONS[name]).return_annotation)
    if returned == "None":
        return
    said = " ".join(item.description for item in _sections(FUNCTIONS[name])["returns"])
    if ARRAYS.search(returned):
        assert SHAPE.search(said), "no dims"
        assert UNITS.search(said), "no units"


# These check nothing; and a session and switches cannot be wrong.
CHECK_NOTHING = {"analysis.rank_correlation", "prompts.ioi_prompts"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - CHECK_NOTHING))
def test_function_says_what_it_refuses(name: str) -> None:
    asked = inspect.signature(FUNCTIONS[name]).parameters.values()
    if any(p.name != "session" and p.annotation != "bool" for p in asked):
        assert _sections(FUNCTIONS[name])["raises"]


@pytest.mark.parametrize("name", ANALYSIS)
def test_analysis_names_its_source_and_has_an_example(name: str) -> None:
    sections = _sections(ANALYSIS[name])
    assert sections["Source"]
    assert f"lw.{name}(" in inspect.getdoc(ANALYSIS[name]).split("Examples:")[1]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", METHODS)
def test_method_is_documented_with_shapes(name: str) -> None:
    function, text = METHODS[name]
    assert len(text.split()) >= 3
    returned = str(inspect.signature(function).return_annotation)
    if ARRAYS.search(returned):
        assert SHAPE.search(text) or SHAPE.search(returned)


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("Session.")])
def test_every_argument_of_a_sessions_method_is_named(name: str) -> None:
    function, text = METHODS[name]
    assert {p for p in _parameters(function) - {"cls"} if not re.search(rf"\b{p}\b", text)} == set()


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"Explorer"}))
def test_every_option_of_a_view_is_explained(name: str) -> None:
    said = _sections(VIEWS[name])
    explained = {item.name for item in said.get("parameters", ()) if item.description}
    explained |= set(re.findall(r"``(\w+)``", said["text"]))
    assert _parameters(VIEWS[name]) - {"session"} <= explained


def test_docstrings_are_long_enough_to_help() -> None:
    words = [len((inspect.getdoc(function) or "").split()) for function in FUNCTIONS.values()]
    assert statistics.median(words) >= 45
    assert min(words) >= 30


@pytest.fixture(scope="module")
def scope() -> dict[str, Any]:
    """What the examples have at hand: the session of the ioi demo."""
    model = lw.load_demo("ioi")
    return {"lw": lw, "model": model, "session": lw.Session(model, lw.prompts.IOI)}


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES, *METHODS])
def test_example_prints_what_it_says(
    name: str, scope: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    documented = {**FUNCTIONS, **CLASSES}
    text = METHODS[name][1] if name in METHODS else inspect.getdoc(documented[name]) or ""
    found = doctest.DocTestParser().get_doctest(text, dict(scope), name, None, None)
    said: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(found, out=said.append)
    assert failed == 0, "".join(said)
    scope["session"].interventions.clear()
