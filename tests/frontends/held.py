"""What a kernel holds in tensors, and how everything a notebook made of ours is let go."""

from __future__ import annotations

import sys
from typing import Any

import ipywidgets

from lens_widgets.session import Session


def let_go(shell: Any) -> None:
    """Closes all sessions and views, and forgets them as a person would who starts afresh."""
    for session in [value for value in shell.user_ns.values() if isinstance(value, Session)]:
        session.close()
    ipywidgets.Widget.close_all()
    # IPython's own memory: what cells put out, and the frames of the last exception.
    shell.displayhook.flush()
    shell.InteractiveTB.tb = None
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        setattr(sys, name, None)
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [name for name, value in names.items() if _is_ours(value)]:
            del names[name]


def _is_ours(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(item, (Session, ipywidgets.Widget)) for item in values)
