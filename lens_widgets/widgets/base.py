"""Views whose answers still have shapes of their own, beside those of ``views``."""

from __future__ import annotations

from typing import Any, ClassVar

from lens_widgets.views import base
from lens_widgets.views.bundle import bundle as bundle
from lens_widgets.wire.protocol import METHODS as SCHEMAS


class View(base.View):
    opening_slots: ClassVar[dict[str, str]] = {}
    """The page's slots and the methods they ask when the view opens."""

    def asks_first(self) -> dict[str, str]:
        return self.opening_slots

    def opening(self) -> dict[str, tuple[str, dict[str, Any]]]:
        return super().opening() | {
            slot: (method, self._opening_args(method)) for slot, method in self.asks_first().items()
        }

    def _opening_args(self, method: str) -> dict[str, Any]:
        chosen = self.chosen()
        known = {**chosen, "which": chosen.get("show")}
        if "read_at" in chosen:
            known["pos"] = known["query_pos"] if chosen["read_at"] == "selected" else None
        args = {name: known[name] for name in SCHEMAS[method][0].__annotations__ if name in known}
        # As the views do: what an answer does not depend on is always asked in the same way.
        if args.get("scope") == "mean":
            args["prompt"] = 0
        if args.get("values") == "attribution":
            args["kind"] = "zero"
        return args
