"""Requests that change the session. Each answers with the revision it led to."""

from __future__ import annotations

from typing import Any

from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt


def _changed(session: Session) -> dict[str, Any]:
    return {"revision": session.revision}


def edit_prompt(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Replaces one prompt, its answers and its corrupted prompt; all or nothing."""
    index = check_prompt(session, args["prompt"])
    answers = _answers(session, args, index)
    session.edit_prompt(index, args["text"], answers=answers, corrupted=args.get("corrupted"))
    return _changed(session)


def _answers(session: Session, args: dict[str, Any], index: int) -> list[Any] | None:
    given = (args["correct"], args["wrong"])
    before = session.prompt_set.answer_tokens
    if not any(given) and before is None:
        return None
    if not all(given):
        missing = "correct" if not given[0] else "wrong"
        raise InputError(
            f"{missing} is empty.", "Give a correct and a wrong answer, each a single token."
        )
    if before is None:
        if session.prompt_set.n_prompts > 1:
            raise InputError(
                "answers: the other prompts have none.",
                "Give answers for every prompt: Session(..., answers=[...]).",
            )
        return [given]
    pairs: list[Any] = [tuple(pair) for pair in before.tolist()]
    pairs[index] = given
    return pairs


def toggle(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    session.interventions.toggle(args["component"], args["kind"])
    return _changed(session)


def set_enabled(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    session.interventions.set_enabled(args["key"], args["enabled"])
    return _changed(session)


def remove(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    session.interventions.remove(args["key"])
    return _changed(session)


def undo(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    session.interventions.undo()
    return _changed(session)


def redo(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    session.interventions.redo()
    return _changed(session)


def clear(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    session.interventions.clear()
    return _changed(session)


def code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    return {"code": session.interventions.to_code()}
