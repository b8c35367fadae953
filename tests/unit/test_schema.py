"""Messages are checked field by field, and the error names the field."""

# No `from __future__ import annotations`: what is NotRequired could not be told.
from typing import Any, Literal

import pytest
from typing_extensions import NotRequired, TypedDict

from lens_widgets.wire import generate, protocol
from lens_widgets.wire.messages import FieldError
from lens_widgets.wire.schema import check
from lens_widgets.wire.typescript import ts_type


class Inner(TypedDict):
    flag: bool


class Everything(TypedDict):
    number: int
    real: float | None
    name: Literal["a", "b"]
    items: list[Inner]
    table: dict[str, Any]
    note: NotRequired[str | None]


GOOD: dict[str, Any] = {
    "number": 1, "real": 2, "name": "a", "items": [{"flag": True}], "table": {"x": [1]}
}  # fmt: skip


@pytest.mark.parametrize("extra", [{}, {"real": None}, {"note": "x"}, {"note": None}])
def test_what_fits_passes(extra: dict[str, Any]) -> None:
    check(Everything, {**GOOD, **extra})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"number": "1"}, "message.number must be an integer; got '1'."),
        ({"number": True}, "message.number must be an integer; got True."),
        ({"number": 1.0}, "message.number must be an integer; got 1.0."),
        ({"number": None}, "message.number must be an integer; got None."),
        ({"real": "x"}, "message.real must be a finite number; got 'x'."),
        ({"real": float("nan")}, "message.real must be a finite number; got nan."),
        ({"real": float("inf")}, "message.real must be a finite number; got inf."),
        ({"name": "c"}, "message.name='c' is not one of 'a', 'b'."),
        ({"name": ["a"]}, "message.name=['a'] is not one of 'a', 'b'."),
        ({"items": {}}, "message.items must be a list; got {}."),
        ({"items": [{"flag": 1}]}, "message.items[0].flag must be true or false; got 1."),
        ({"items": [{"flag": True}, {}]}, "message.items[1].flag is missing."),
        ({"items": [3]}, "message.items[0] must be an object; got 3."),
        ({"table": []}, "message.table must be an object; got []."),
        ({"note": 3}, "message.note must be a string; got 3."),
        ({"extra": 3}, "message.extra is not a field; it takes number, real, name,"),
    ],
)
def test_the_first_field_that_does_not_fit_is_named(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        check(Everything, {**GOOD, **extra})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["number", "real", "name", "items", "table"])
def test_a_missing_field_is_named(name: str) -> None:
    rest = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(FieldError, match=rf"^message\.{name} is missing\.$"):
        check(Everything, rest)


def test_long_values_are_cut_in_errors() -> None:
    with pytest.raises(FieldError) as caught:
        check(Everything, {**GOOD, "number": "x" * 10_000})
    assert len(str(caught.value)) < 200


def test_optional_fields_of_the_protocol_may_be_left_out() -> None:
    edit = {"prompt": 0, "text": "w5", "correct": "", "wrong": ""}
    check(protocol.EditPromptArgs, edit)
    check(protocol.EditPromptArgs, {**edit, "corrupted": None})


def test_every_method_and_message_can_be_checked() -> None:
    for schema in protocol.TYPES:
        with pytest.raises(FieldError):
            check(schema, 3)
        with pytest.raises(FieldError, match="message"):
            check(schema, {"surplus": 1})


def test_the_generated_types_are_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_an_outdated_file_fails_the_check_and_is_left_alone(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "protocol.ts"
    monkeypatch.setattr(generate, "TARGET", target)
    assert generate.main(["--check"]) == 1
    target.write_text("old", encoding="utf-8")
    assert generate.main(["--check"]) == 1
    assert target.read_text(encoding="utf-8") == "old"
    assert "out of date" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


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
    assert "partial?:" in generate.generate()
    assert "corrupted?:" in generate.generate()
