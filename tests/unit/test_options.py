"""Options of any plain type: declared once, checked in Python, read by generated TypeScript."""

from typing import Any, Literal

import pytest

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.views.base import View
from lens_widgets.views.generate import _options
from lens_widgets.views.options import option, options_of

DEFAULTS = {
    "side": "left", "start": "b", "k": 5, "smooth": 0.0, "hook": "", "by_pos": False,
    "layers": [], "stages": ["embed"], "head": None, "upto": None,
}  # fmt: skip


class AnyView(View):
    """Has an option of every kind."""

    _esm = ""
    side: Literal["left", "right"] = option(default="left", help="A side.")
    start: Literal["a", "b"] = option(default="b", help="A start.")
    k: int = option(default=5, help="How many.", min=1, max=20)
    smooth: float = option(default=0.0, help="How smooth.")
    hook: str = option(default="", help="A hook.")
    by_pos: bool = option(default=False, help="By position.")
    layers: list[int] = option(default=[], help="Some layers.", maxlen=3)
    stages: list[str] = option(default=["embed"], help="Some stages.")
    head: str | None = option(default=None, help="A head.")
    upto: int | None = option(default=None, help="Up to where.")


@pytest.fixture
def view() -> type[View]:
    return AnyView


def test_an_option_starts_from_its_declared_default(view: Any, session: lw.Session) -> None:
    shown = view(session)
    assert {name: getattr(shown, name) for name in DEFAULTS} == DEFAULTS
    assert {name for name in DEFAULTS if name in shown.get_state()} == set(DEFAULTS)


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("k", 20, 20),
        ("smooth", 2, 2.0),
        ("hook", "blocks.0.hook_resid_pre", "blocks.0.hook_resid_pre"),
        ("by_pos", True, True),
        ("layers", (0, 2), [0, 2]),
        ("head", "L1H4", "L1H4"),
        ("head", None, None),
        ("upto", 3, 3),
    ],
)
def test_a_fitting_value_is_kept(
    view: Any, session: lw.Session, option: str, value: Any, kept: Any
) -> None:
    assert getattr(view(session, **{option: value}), option) == kept


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("side", "middle", "side='middle' is not known."),
        ("k", "5", "k must be an integer; got '5'."),
        ("k", True, "k must be an integer; got True."),
        ("k", 0, "k=0 cannot be used."),
        ("k", 21, "should not be greater than 20"),
        ("smooth", float("nan"), "smooth must be a finite number; got nan."),
        ("hook", 3, "hook must be a string; got 3."),
        ("by_pos", 1, "by_pos must be true or false; got 1."),
        ("layers", 3, "layers must be a list; got 3."),
        ("layers", ["0"], "layers[0] must be an integer; got '0'."),
        ("layers", [1, 2, 3, 4], "layers=[1, 2, 3, 4] cannot be used."),
        ("upto", 1.5, "upto must be an integer; got 1.5."),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    view: Any, session: lw.Session, option: str, value: Any, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        view(session, **{option: value})
    assert says in str(caught.value)
    assert str(caught.value).startswith(option)


def test_the_page_gets_a_default_and_a_check_for_each() -> None:
    text = _options(options_of(AnyView))
    lines = {line.strip() for line in text.splitlines()}
    for line in (
        "initial: 5,",
        "initial: null,",
        'initial: ["embed"],',
        "is: (value: unknown): value is number =>"
        ' typeof value === "number" && Number.isInteger(value),',
        "is: (value: unknown): value is string | null =>"
        ' typeof value === "string" || value === null,',
        "is: (value: unknown): value is number[] => (Array.isArray(value)"
        ' && value.every((item: unknown) => typeof item === "number" && Number.isInteger(item))),',
    ):
        assert line in lines


def test_a_type_that_cannot_cross_the_wire_cannot_be_an_option() -> None:
    with pytest.raises(TypeError, match="cannot be an option"):

        class Odd(View):
            table: dict[str, int] = option(default={}, help="A table.")
