"""The widget below every view, with types: ipywidgets, and so anywidget, comes without them.

A class that checkers know only in part may take any argument. So they are shown, in ``AnyWidget``'s
place, what the package uses of it, and told that the annotated options of a view are arguments of
its constructor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import traitlets
    from typing_extensions import dataclass_transform

    from lens_widgets.views.options import argument, option

    @dataclass_transform(
        kw_only_default=True, eq_default=False, field_specifiers=(option, argument)
    )
    class Widget(traitlets.HasTraits):
        """A Jupyter widget."""

        _esm: str
        _css: str
        comm: Any
        keys: list[str]
        model_id: str

        def close(self) -> None: ...
        def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]: ...
        def set_state(self, sync_data: dict[str, Any]) -> None: ...
        def send_state(self, key: str | list[str] | None = None) -> None: ...
        def send(self, content: Any, buffers: list[bytes] | None = None) -> None: ...
        def on_msg(
            self, callback: Callable[[Any, Any, Any], None], remove: bool = False
        ) -> None: ...
        def _repr_mimebundle_(self, **kwargs: Any) -> Any: ...

else:
    from anywidget import AnyWidget as Widget

__all__ = ["Widget"]
