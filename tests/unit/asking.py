"""How a view's questions are asked when nothing but the view is known."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from lens_widgets.views.question import Question
from tests.stores import small_store

ACTIVATION = "blocks.0.hook_resid_post"
OPTIONS: dict[str, dict[str, Any]] = {
    "activation_browser": {"activation": ACTIVATION},
    "data": {"path": small_store()},
}
"""What a view must be told before it shows anything."""

EXAMPLES: dict[str, Any] = {
    "activation": ACTIVATION,
    "component": "L0H1",
    "direction": 1,
    "text": "w5",
    "key_stop": 2,
    "kind": "previous",
    "node": "L0H1",
    "nodes": ["L0H1"],
    "query_stop": 3,
    "reader": "logits",
    "stage": "1_mid",
    "writer": "L0H1",
}
"""By name: arguments that nothing in a view fills in. Others are the first value of their type."""


def arguments(view: Any, question: Question) -> dict[str, Any]:
    """As the view asks it; what it leaves open is filled in."""
    known = view.chosen()
    hints = get_type_hints(question.arguments)
    missing = {
        field.name: EXAMPLES[field.name] if field.name in EXAMPLES else first(hints[field.name])
        for field in msgspec.structs.fields(question.arguments)
        if field.required and field.name not in known
    }
    found: dict[str, Any] = view.arguments(question, **missing)
    return found


def first(hint: Any) -> Any:
    """The simplest value of a type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return args[0]
    if type(None) in args:
        return None
    if origin is list:
        return [first(args[0])]
    return {int: 0, float: 0.5, bool: False, str: "w5"}[hint]
