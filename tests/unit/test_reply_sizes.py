"""Large models and long prompts fit a message; what is left out stays visible."""

from __future__ import annotations

import lens_widgets as lw
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.unit.cases import ROWS
from tests.unit.page import Page


def test_all_other_replies_of_a_large_session_fit(wide: lw.Session, long: lw.Session) -> None:
    for session in (wide, long):
        page = Page(session)
        for method, args in (
            ("token/stats", {"prompt": 0}),
            ("ablation/predictions", {"prompt": 0}),
            ("attribution/rows", ROWS),
            ("ablation/grid", {"ablation_kind": None, "prompt": None}),
        ):
            message = page.answer(page.send(method, **args))
            size = sum(map(len, page.buffers[message["id"]]))
            assert size + len(repr(message["result"])) <= MAX_REPLY_BYTES
