"""Stands in for a view: sends messages as a page does and keeps what comes back."""

from __future__ import annotations

import itertools
import threading
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr

from lens_widgets.session import Session
from lens_widgets.views.registry import METHODS, package_views
from lens_widgets.wire.dispatch import Dispatcher
from lens_widgets.wire.messages import ArrayRef, ErrorMessage, Progress, Reply, checked
from tests.unit.waiting import LIMIT_S

_ids = itertools.count(1)
package_views()


def decoded(result: dict[str, Any], buffers: list[bytes]) -> xr.Dataset:
    """A dataset as it came over the wire; blocks of pooled values stand where they were."""
    variables: dict[str, Any] = {}
    for name, variable in result["variables"].items():
        values = variable["values"]
        if isinstance(values, dict):
            checked(ArrayRef, values, "values")
            raw = np.frombuffer(buffers[values["buffer"]], dtype=values["dtype"])
            numbers = raw.astype(np.float64) * values["scale"] + values["offset"]
            if values["dtype"] == "int8":
                numbers[raw == -128] = np.nan
            numbers = numbers.reshape(values["shape"])
            for axis, side in zip((-2, -1), values.get("pool", ()), strict=False):
                size = result["dims"][variable["dims"][axis]]
                numbers = np.repeat(numbers, side, axis=axis).take(range(size), axis=axis)
            values = numbers
        else:
            values = np.array(values, dtype=object)
        variables[name] = (variable["dims"], values)
    return xr.Dataset(variables, attrs=result["attrs"])


class Page:
    """One view of a session. Every message it gets is checked against the protocol."""

    def __init__(self, session: Session) -> None:
        self._changed = threading.Condition()
        self.messages: list[dict[str, Any]] = []
        self.sent: list[str] = []
        """The kinds of what came, a batch counted once."""
        self.buffers: dict[str, list[bytes]] = {}
        self.dispatcher = Dispatcher(f"page {next(_ids)}", session, METHODS, self._record)

    def _record(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        with self._changed:
            self.sent.append(content["kind"])
            counts = content["buffers"] if content["kind"] == "batch" else [len(buffers)]
            rest = iter(buffers)
            for message, count in zip(content.get("messages", [content]), counts, strict=True):
                self.messages.append(message)
                own = list(islice(rest, count))
                if message["kind"] == "reply":
                    self.buffers[message["id"]] = own
            self._changed.notify_all()

    def send(self, method: str, slot: str | None = None, /, **args: Any) -> str:
        """Asks for something and returns the request's id at once."""
        number = next(_ids)
        identity = f"r{number}"
        self.dispatcher.receive(
            {
                "kind": "request",
                "id": identity,
                "slot": slot or method,
                "seq": number,
                "method": method,
                "args": args,
            }
        )
        return identity

    def send_batch(self, *requests: dict[str, Any]) -> None:
        """Asks for several things in one message."""
        self.dispatcher.receive({"kind": "batch", "messages": list(requests)})

    def cancel(self, slot: str) -> None:
        """Stops what a slot asked for."""
        self.dispatcher.receive({"kind": "cancel", "slot": slot})

    def answers(self, identity: str) -> list[dict[str, Any]]:
        """The replies and errors to one request so far."""
        with self._changed:
            return [
                m for m in self.messages if m["id"] == identity and m["kind"] in ("reply", "error")
            ]

    def progress(self, identity: str) -> list[dict[str, Any]]:
        """The progress told of one request so far."""
        with self._changed:
            return [m for m in self.messages if m["id"] == identity and m["kind"] == "progress"]

    def wait_until(self, condition: Any) -> None:
        """Returns once ``condition()`` holds; looks again after every message."""
        with self._changed:
            assert self._changed.wait_for(condition, LIMIT_S), "no such message in time"

    def answer(self, identity: str) -> dict[str, Any]:
        """The one reply or error to a request, checked against the protocol."""
        self.wait_until(lambda: self.answers(identity))
        (message,) = self.answers(identity)
        checked(Reply if message["kind"] == "reply" else ErrorMessage, message, "message")
        for told in self.progress(identity):
            checked(Progress, told, "message")
        return message

    def change(self, command: str, /, **args: Any) -> int:
        """Makes a change of the session and returns the revision it led to; fails on an error."""
        message = self.answer(self.send(f"session/{command}", **args))
        assert message["kind"] == "reply", message
        revision: int = message["revision"]
        return revision

    def ablate(self, component: str, on: bool = True) -> int:
        """Switches a component off, or on again; the revision that leads to."""
        return self.change("set_ablated", component=component, kind="zero", on=on)

    def dataset(self, method: str, slot: str | None = None, /, **args: Any) -> xr.Dataset:
        """The answer to a view's question, decoded as the front end does; fails on an error."""
        message = self.answer(self.send(method, slot, **args))
        assert message["kind"] == "reply", message
        found = decoded(message["result"], self.buffers[message["id"]])
        sizes = map(len, self.buffers[message["id"]])
        return found.assign_attrs(_revision=message["revision"], _bytes=sum(sizes))

    def error(self, method: str, slot: str | None = None, /, **args: Any) -> dict[str, Any]:
        """The error a request is answered with; fails on a reply."""
        message = self.answer(self.send(method, slot, **args))
        assert message["kind"] == "error", message
        return message["error"]
