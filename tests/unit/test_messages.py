"""Messages are checked field by field, the error names the field, and the page has their types."""

# No `from __future__ import annotations`: what is NotRequired could not be told.
from typing import Any, Literal

import pytest
from typing_extensions import NotRequired, TypedDict

from lens_widgets.views import generate
from lens_widgets.views.question import Question
from lens_widgets.wire.messages import FieldError, Progress
from lens_widgets.wire.typescript import interface, ts_type


class Inner(TypedDict):
    flag: bool


class Named(TypedDict):
    name: Literal["a", "b"]


def everything(
    session: Any,
    number: int,
    real: float | None,
    name: Literal["a", "b"],
    items: list[Inner],
    table: dict[str, Any],
    inside: Named,
    note: str | None = None,
) -> None:
    """Takes arguments of every kind."""


QUESTION = Question(everything, name="everything")
GOOD: dict[str, Any] = {
    "number": 1, "real": 2, "name": "a", "items": [{"flag": True}], "table": {"x": [1]},
    "inside": {"name": "b"},
}  # fmt: skip


@pytest.mark.parametrize("extra", [{}, {"real": None}, {"note": "x"}, {"note": None}])
def test_what_fits_passes(extra: dict[str, Any]) -> None:
    assert QUESTION.check({**GOOD, **extra}) == {"note": None, **GOOD, **extra}


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"number": "1"}, "args.number must be an integer; got '1'."),
        ({"number": True}, "args.number must be an integer; got True."),
        ({"number": None}, "args.number must be an integer; got None."),
        ({"real": "x"}, "args.real must be a number; got 'x'."),
        ({"real": float("nan")}, "args.real must be a finite number; got nan."),
        ({"real": float("inf")}, "args.real must be a finite number; got inf."),
        ({"name": "c"}, "args.name='c' is not one of 'a', 'b'."),
        ({"name": ["a"]}, "args.name=['a'] is not one of 'a', 'b'."),
        ({"inside": {"name": "c"}}, "args.inside.name='c' is not one of 'a', 'b'."),
        ({"items": {}}, "args.items must be a list; got {}."),
        ({"items": [{"flag": 1}]}, "args.items[0].flag must be true or false; got 1."),
        ({"items": [{"flag": True}, {}]}, "args.items[1].flag is missing."),
        ({"items": [3]}, "args.items[0] must be an object; got 3."),
        ({"table": []}, "args.table must be an object; got []."),
        ({"note": 3}, "args.note must be a string; got 3."),
        ({"extra": 3}, "args.extra is not a field; it takes number, real, name,"),
    ],
)
def test_the_first_field_that_does_not_fit_is_named(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        QUESTION.check({**GOOD, **extra})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["number", "real", "name", "items", "table"])
def test_a_missing_field_is_named(name: str) -> None:
    rest = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(FieldError, match=rf"^args\.{name} is missing\.$"):
        QUESTION.check(rest)


def test_long_values_are_cut_in_errors() -> None:
    with pytest.raises(FieldError) as caught:
        QUESTION.check({**GOOD, "number": "x" * 10_000})
    assert len(str(caught.value)) < 200


# --- the types that the page imports ------------------------------------------------------------


def test_the_generated_types_are_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_an_outdated_file_fails_the_check_and_is_left_alone(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "TARGET", tmp_path)
    assert generate.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    old = tmp_path / "messages.ts"
    old.write_text("old", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert old.read_text(encoding="utf-8") == "old"
    assert "messages.ts is out of date" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hint", "spelling"),
    [
        (int, "number"),
        (float | None, "number | null"),
        (list[str], "string[]"),
        (list[int | None], "(number | null)[]"),
        (dict[str, Any], "Record<string, unknown>"),
        (Literal["a", "b"], '"a" | "b"'),
        (list[list[Inner]], "Inner[][]"),
    ],
)
def test_types_are_spelled_in_typescript(hint: Any, spelling: str) -> None:
    assert ts_type(hint) == spelling


def test_a_type_that_cannot_cross_the_wire_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot cross the wire"):
        ts_type(tuple[int, int])


def test_optional_fields_are_optional_in_typescript() -> None:
    class Noted(TypedDict):
        note: NotRequired[str]

    assert "  note?: string;\n" in interface(Noted)
    assert "partial?:" in interface(Progress)
    assert "corrupted?: string | null" in generate.modules()["session.ts"]


def test_a_question_about_the_session_says_that_views_share_its_answer() -> None:
    lines = {
        line.split(":")[0].removeprefix("export const "): "shared: true" in line
        for line in generate.modules()["session.ts"].splitlines()
        if line.startswith("export const ")
    }
    assert lines["metric"]
    assert lines["tokens"]
    assert not lines["setAblated"]
