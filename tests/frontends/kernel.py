"""A second client of a notebook's kernel: how tests ask torch what the screen should show."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient


class CellError(AssertionError):
    """A cell raised. The message is its traceback."""


class Kernel:
    """Runs cells of its own in a kernel that a notebook uses."""

    def __init__(self, connection_file: Path) -> None:
        self._client = BlockingKernelClient(connection_file=str(connection_file))
        self._client.load_connection_file()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str, timeout_s: float = 120) -> None:
        """Runs ``code`` as a cell; raises CellError if it raises."""
        self._execute(code, {}, timeout_s)

    def value(self, expression: str, timeout_s: float = 120) -> Any:
        """What ``expression`` is in the kernel, carried over as JSON."""
        code = f"_asked = __import__('json').dumps({expression})"
        answers = self._execute(code, {"asked": "_asked"}, timeout_s)
        text = answers["asked"]["data"]["text/plain"]
        return json.loads(ast.literal_eval(text))

    def wait_until(self, expression: str, timeout_s: float = 20, otherwise: str = "''") -> None:
        """Asks until ``expression`` is true in the kernel; tells ``otherwise`` if it never is."""
        try:
            wait_until(lambda: bool(self.value(f"bool({expression})")), expression, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.value(otherwise)}") from None

    def close(self) -> None:
        self._client.stop_channels()

    def _execute(self, code: str, expressions: dict[str, str], timeout_s: float) -> dict[str, Any]:
        sent = self._client.execute(
            code, store_history=False, user_expressions=expressions, allow_stdin=False
        )
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                reply = self._client.get_shell_msg(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise CellError(f"no answer within {timeout_s} s to:\n{code}") from None
            if reply["parent_header"].get("msg_id") == sent:
                break
        content = reply["content"]
        if content["status"] != "ok":
            trace = "\n".join(content.get("traceback", [str(content)]))
            raise CellError(f"{code}\n\n{plain(trace)}")
        answers: dict[str, Any] = content["user_expressions"]
        return answers


def plain(traceback: str) -> str:
    """A traceback without its terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", traceback)


def wait_until(happened: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Polls, for what no page can tell us; raises AssertionError naming ``what``."""
    deadline = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {timeout_s} s: {what}")
        time.sleep(0.05)
