"""What a view shows, made in the kernel in the form in which the page keeps its own snapshots."""

from __future__ import annotations

import base64
import logging
from typing import Any

from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.registry import METHODS
from lens_widgets.wire.dataset import encode
from lens_widgets.wire.messages import MAX_REPLY_BYTES, FieldError

log = logging.getLogger(__name__)


def snapshot_of(view: View) -> dict[str, Any]:
    """The view's snapshot with the session's present numbers.

    What the page kept is taken over where it is of the present revision, and computed anew where
    not. Of a view that was never on screen it is what the view asks first.
    """
    kept = _slots(view.snapshot)
    asked = view.opening() if not view.session.closed else {}
    asked |= {slot: (entry["method"], entry["args"]) for slot, entry in kept.items()}
    slots: dict[str, Any] = {}
    session = view.session.frozen() if not view.session.closed else None
    for slot, (method, args) in asked.items():
        if session is None or _revision(kept.get(slot)) == session.revision:
            if slot in kept:
                slots[slot] = kept[slot]
            continue
        entry = _answer(session, method, args)
        if entry is not None:
            slots[slot] = entry
    return {"version": 1, "slots": slots}


def _slots(snapshot: Any) -> dict[str, Any]:
    """The entries of a snapshot trait; it comes from the page, so anything may be in it."""
    slots = snapshot.get("slots") if isinstance(snapshot, dict) else None
    if not isinstance(slots, dict):
        return {}
    return {key: item for key, item in slots.items() if _is_entry(item)}


def _is_entry(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("result"), dict):
        return False
    name = item.get("method")
    method = METHODS.get(name) if isinstance(name, str) else None
    if method is None or method.quick or method.writes:
        # Those may change the session.
        return False
    try:
        method.check(item.get("args"))
    except FieldError:
        return False
    return True


def _revision(entry: Any) -> int | None:
    revision = entry.get("revision") if entry else None
    return revision if isinstance(revision, int) else None


def _answer(session: Session, method: str, args: dict[str, Any]) -> dict[str, Any] | None:
    try:
        asked = METHODS[method]
        found = asked.answer(session, asked.check(args))
        result, buffers = encode(found, MAX_REPLY_BYTES)
    except ValueError as error:
        # A model or prompts that cannot give this: the view says so itself when asked.
        log.info("%s cannot be answered: %s", method, error)
        return None
    return {
        "method": method,
        "args": args,
        "revision": session.revision,
        "result": result,
        "buffers": [base64.b64encode(buffer).decode() for buffer in buffers],
    }
