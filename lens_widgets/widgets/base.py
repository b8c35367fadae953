"""What every view shares: synced state, messages, figure and data."""

from __future__ import annotations

import json
import logging
import uuid
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets
import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.errors import InputError, check_choice, check_keywords
from lens_widgets.interventions.observed import Observed
from lens_widgets.session.session import Session
from lens_widgets.widgets.picture import picture, text
from lens_widgets.widgets.replies import METHODS
from lens_widgets.widgets.replies.patching import kept_cell
from lens_widgets.wire.dispatch import Dispatcher
from lens_widgets.wire.options import option_types
from lens_widgets.wire.schema import check

log = logging.getLogger(__name__)

MAX_SNAPSHOT_BYTES = 300_000

STATIC = Path(__file__).parents[1] / "static"


@cache
def bundle(name: str) -> str:
    """The text of a built front-end file; FileNotFoundError says how to build it.

    Of a path anywidget would watch the file for every view, and so keep each view, its session and
    its model until the kernel ends.
    """
    path = STATIC / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build the front end with `make js`.")
    # A text of one line could be taken for a path.
    return f"{path.read_text(encoding='utf-8').rstrip()}\n"


class View(anywidget.AnyWidget, Observed):
    """A view of a session. Synced traits are small; numbers are asked for by message.

    Traits: ``info``, ``state`` and ``selection`` mirror the session; ``snapshot`` is what the page
    last showed, kept so that a saved notebook can show it without a kernel.
    """

    _view_options: ClassVar[tuple[str, ...]] = ()
    _following = False
    opening: ClassVar[dict[str, str]] = {}
    """The page's slots and the methods they ask when the view opens."""

    info = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    # Not echoed: the page that wrote it is the only one that needs it.
    snapshot = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True, echo_update=False)

    def __init__(self, session: Session, **options: Any) -> None:
        name = type(self).__name__
        if not isinstance(session, Session):
            raise InputError(
                f"{name} got {type(session).__name__}, not a session.",
                "Make one with lw.Session(model, prompts) and pass it first.",
            )
        session.check_open()
        known = (*self._view_options, "layout")
        check_keywords(name, [option for option in options if option not in known], known)
        for option in self._view_options:
            if option in options:
                options[option] = self._checked(option, options[option])
        self._session, self._lock = session, session.lock
        self._dispatcher = Dispatcher(uuid.uuid4().hex, session, METHODS, self._send_message)
        super().__init__(
            info=_info(session),
            state=_state(session),
            selection=session.selection.as_dict(),
            **options,
        )
        self.on_msg(self._receive)
        self.observe(self._selection_from_page, "selection")
        session.observe(self._follow_state, ["revision", "prompts_revision", "closed"])
        session.selection.observe(self._follow_selection)
        self._following = True

    def _checked(self, option: str, value: Any) -> Any:
        """The value for an option's trait; InputError when it is not one."""
        trait: Any = self.class_traits()[option]
        if isinstance(trait, traitlets.Enum):
            return check_choice(option, value, self.trait_values_of(option))
        value = list(value) if isinstance(value, tuple) else value
        check(option_types()[option][0], value, option)
        if value is None:
            return value
        try:
            return trait.validate(self, value)
        except traitlets.TraitError as error:
            raise InputError(f"{option}={value!r} cannot be used.", f"{error}.") from error

    @classmethod
    def trait_values_of(cls, option: str) -> tuple[str, ...]:
        """The values an option takes."""
        trait = cls.class_traits()[option]
        assert isinstance(trait, traitlets.Enum)
        return tuple(trait.values or ())

    @property
    def session(self) -> Session:
        return self._session

    def asks_first(self) -> dict[str, str]:
        """``opening``, and what else it asks with its options as they are."""
        return self.opening

    def data(self) -> xr.DataArray | xr.Dataset:
        """What the view shows, as a labelled array."""
        raise NotImplementedError

    def figure(self) -> Figure:
        """What the view shows, as a Plotly figure."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes the view and stops what it asked for; the session lives on."""
        # Python closes a widget once more when it is let go, even one that was never finished.
        if self._following:
            self._following = False
            self._session.unobserve(self._follow_state, ["revision", "prompts_revision", "closed"])
            self._session.selection.unobserve(self._follow_selection)
            self._dispatcher.close()
        super().close()

    def __repr__(self) -> str:
        return text(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a still picture for places that have none of its state."""
        made = super()._repr_mimebundle_(**kwargs)
        if made is None:
            return None
        data, metadata = made
        still = picture(self)
        return ({**data, "text/html": still} if still else data), metadata

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Takes over what a page may write; shows it the true value of anything else."""
        mine = {name: value for name, value in sync_data.items() if self._takes(name, value)}
        refused = [name for name in sync_data if name not in mine and name in self.keys]
        # Pages and the worker may write at once, on threads of the kernel's choosing.
        with self._session.lock:
            try:
                super().set_state(mine)
            except (InputError, traitlets.TraitError, TypeError, RecursionError) as error:
                log.info("a page's state was not taken over: %s", error)
                refused = [name for name in sync_data if name in self.keys]
            if refused:
                self.send_state(refused)

    def _takes(self, name: str, value: Any) -> bool:
        if name == "snapshot":
            try:
                return len(json.dumps(value)) <= MAX_SNAPSHOT_BYTES
            except (RecursionError, ValueError):
                return False
        return name in ("selection", "_view_count", *self._view_options)

    def _send_message(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.send(content, buffers)

    def _receive(self, _widget: Any, content: Any, _buffers: Any) -> None:
        self._dispatcher.receive(content)

    def _selection_from_page(self, change: Any) -> None:
        session = self._session
        with session.lock:
            try:
                session.selection.update(**change["new"])
            except (InputError, traitlets.TraitError, TypeError):
                # A page's bad selection is not taken over: show it the session's again.
                self.selection = session.selection.as_dict()

    def _follow_selection(self, _change: Any) -> None:
        with self._session.lock:
            self.selection = self._session.selection.as_dict()

    def _follow_state(self, _change: Any) -> None:
        with self._session.lock:
            self.info = _info(self._session)
            self.state = _state(self._session)


def _info(session: Session) -> dict[str, Any]:
    facts = session.facts
    return {
        "model_name": facts.name,
        "n_layers": facts.n_layers,
        "n_heads": facts.n_heads,
        "n_ctx": facts.n_ctx,
        "mlp_layers": list(facts.mlp_layers),
        "device": facts.device,
        "dtype": facts.dtype,
        "weights": facts.weights,
        "notes": session.notes,
    }


def _state(session: Session) -> dict[str, Any]:
    interventions = session.interventions
    return {
        "revision": session.revision,
        "prompts_revision": session.prompts_revision,
        "interventions": [
            {
                "key": entry.key,
                "label": entry.intervention.label,
                "component": entry.intervention.label,
                "kind": entry.intervention.kind,
                "detail": entry.intervention.detail,
                "enabled": entry.enabled,
                "cell": kept_cell(entry.intervention),
            }
            for entry in interventions.entries
        ],
        "can_undo": interventions.can_undo,
        "can_redo": interventions.can_redo,
        "closed": session.closed,
    }
