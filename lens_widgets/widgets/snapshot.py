"""What a view shows, made in the kernel in the form in which the page keeps its own snapshots."""

from __future__ import annotations

import base64
import logging
from collections.abc import Generator
from typing import Any

from lens_widgets.session.session import Session
from lens_widgets.widgets.base import View
from lens_widgets.widgets.replies import METHODS
from lens_widgets.wire.arrays import pack
from lens_widgets.wire.protocol import METHODS as SCHEMAS
from lens_widgets.wire.schema import FieldError, check

log = logging.getLogger(__name__)


def snapshot_of(view: View) -> dict[str, Any]:
    """The view's snapshot with the session's present numbers.

    What the page kept is taken over where it is of the present revision, and computed anew where
    not. Of a view that was never on screen it is what the view asks first.
    """
    kept = _slots(view.snapshot)
    questions = {key: (item["method"], item["args"]) for key, item in kept.items()}
    for key, method in view.asks_first().items():
        questions.setdefault(key, (method, _opening_args(view, method)))
    slots: dict[str, Any] = {}
    session = view.session.frozen() if not view.session.closed else None
    for key, (method, args) in questions.items():
        if session is None or _revision(kept.get(key)) == session.revision:
            if key in kept:
                slots[key] = kept[key]
            continue
        entry = _answer(session, method, args)
        if entry is not None:
            slots[key] = entry
    return {"version": 1, "slots": slots}


def _opening_args(view: View, method: str) -> dict[str, Any]:
    """What the view would ask ``method`` with: its options and the selection."""
    options = {name: getattr(view, name) for name in view.trait_names(sync=True)}
    known = {**options, **view.session.selection.as_dict(), "which": options.get("show")}
    if "read_at" in options:
        known["pos"] = known["query_pos"] if options["read_at"] == "selected" else None
    args = {name: known[name] for name in SCHEMAS[method][0].__annotations__ if name in known}
    # As the views do: what an answer does not depend on is always asked in the same way.
    if args.get("scope") == "mean":
        args["prompt"] = 0
    if args.get("values") == "attribution":
        args["kind"] = "zero"
    return args


def _slots(snapshot: Any) -> dict[str, Any]:
    """The entries of a snapshot trait; it comes from the page, so anything may be in it."""
    slots = snapshot.get("slots") if isinstance(snapshot, dict) else None
    if not isinstance(slots, dict):
        return {}
    return {key: item for key, item in slots.items() if _is_entry(item)}


def _is_entry(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("result"), dict):
        return False
    method = item.get("method")
    if not isinstance(method, str) or method not in METHODS:
        return False
    if METHODS[method].quick or METHODS[method].writes:
        # These change the session.
        return False
    try:
        check(SCHEMAS[method][0], item.get("args"), "args")
    except FieldError:
        return False
    return True


def _revision(entry: Any) -> int | None:
    summary = entry["result"].get("summary") if entry else None
    return summary.get("revision") if isinstance(summary, dict) else None


def _answer(session: Session, method: str, args: dict[str, Any]) -> dict[str, Any] | None:
    try:
        # A question that the selection leaves open, such as without a stripe, is not asked.
        check(SCHEMAS[method][0], args, "args")
        outcome = METHODS[method].handler(session, args)
        result, buffers = pack(_finished(outcome) if isinstance(outcome, Generator) else outcome)
    except ValueError as error:
        # A model or prompts that cannot give this: the view says so itself when asked.
        log.info("%s cannot be answered: %s", method, error)
        return None
    texts = [base64.b64encode(buffer).decode() for buffer in buffers]
    return {"method": method, "args": args, "result": result, "buffers": texts}


def _finished(steps: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
