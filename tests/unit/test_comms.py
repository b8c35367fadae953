"""A page's messages are handled in the subshell that it names, whoever else sent something."""

from __future__ import annotations

from typing import Any

import comm
import pytest
from ipykernel.comm.comm import BaseComm

import lens_widgets as lw
from lens_widgets.wire.comms import ROUTE, follow_the_page
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS


class Connection(BaseComm):
    """ipykernel's, of a kernel that is not there."""

    def publish_msg(self, *_args: Any, **_keys: Any) -> None:
        pass


def subshell_of(connection: Any, named: str) -> str | None:
    """Where ipykernel would have a page's message handled."""
    found: str | None = getattr(connection, ROUTE)({"method": "custom"}, named)
    return found


def test_ipykernel_sends_them_elsewhere_by_itself() -> None:
    # When this fails, ipykernel has mended it or says it in other words: see jupyter/comms.py.
    connection = Connection(target_name="jupyter.widget")
    connection._reply_subshell_id = "gone"
    assert subshell_of(connection, "the page's") == "gone"
    follow_the_page(connection)
    assert subshell_of(connection, "the page's") == "the page's"


def test_a_kernel_without_such_routes_is_left_alone() -> None:
    plain = comm.base_comm.BaseComm.__new__(comm.base_comm.BaseComm)
    follow_the_page(plain)
    assert not hasattr(plain, ROUTE)


def test_views_are_connected_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", Connection)
    view = lw.AblationPanel(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS))
    view.comm._reply_subshell_id = "gone"
    assert subshell_of(view.comm, "the page's") == "the page's"
