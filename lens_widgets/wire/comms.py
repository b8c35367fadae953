"""Where a page's messages to a widget are handled in the kernel.

JupyterLab names with each message the subshell that it made for widgets. ipykernel 7.4 hands it to
another one: the one whose message was being handled when the widget last sent something, which may
be of somebody else and may have ended. Each time a page's connection is made anew it opens one for
a moment; what came afterwards from the page was lost, and views waited for ever.
"""

from __future__ import annotations

from typing import Any

ROUTE = "_reply_subshell_for"
"""What ipykernel asks of a widget's connection, from 7.4 on: the subshell for data of a page, and
the one that the page named."""


def follow_the_page(comm: Any) -> None:
    """Messages over ``comm`` are handled where the page asks for it, and nowhere else."""
    if hasattr(comm, ROUTE):
        setattr(comm, ROUTE, _as_named)


def _as_named(_data: Any, named: str | None) -> str | None:
    return named
