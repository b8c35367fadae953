"""What every view shares: synced state, messages, figure and data."""

from __future__ import annotations

import inspect
import json
import logging
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets
import xarray as xr
from ipywidgets import Layout
from plotly.graph_objects import Figure

from lens_widgets.errors import InputError, check_choice, check_keywords, near
from lens_widgets.interventions.observed import Observed
from lens_widgets.session.session import Session
from lens_widgets.views.figure_style import dressed
from lens_widgets.views.options import (
    argument,
    documented,
    make_traits,
    options_of,
    signature_of,
)
from lens_widgets.views.picture import picture, text
from lens_widgets.views.question import Question, questions_of
from lens_widgets.views.registry import METHODS, VIEWS, register
from lens_widgets.views.session_data import QUESTIONS as SESSION_QUESTIONS
from lens_widgets.views.starting import start_selection
from lens_widgets.views.state import session_info, session_state
from lens_widgets.views.widget import Widget
from lens_widgets.wire.comms import follow_the_page
from lens_widgets.wire.dispatch import Dispatcher
from lens_widgets.wire.messages import FieldError, checked

log = logging.getLogger(__name__)

MAX_SNAPSHOT_BYTES = 300_000

STATE = ["revision", "prompts_revision", "history_revision", "closed", "outdated"]
"""The traits of a session whose change a page is told of."""


class View(Widget, Observed):
    """A view of a session. Synced traits are small; numbers are asked for by message.

    A view is one class: its options (``option``), its questions (``question``), its figure, and
    ``code``. Naming it (``view = "head_scores"``) makes it known to pages; ``shown`` is the
    question whose answer is what the view shows.

    Traits: ``info``, ``state``, ``selection`` and ``settings`` mirror the session; ``snapshot`` is
    what the page last showed, kept so that a saved notebook can show it without a kernel.
    """

    view: ClassVar[str] = ""
    shown: ClassVar[str] = ""
    of_session: ClassVar[tuple[str, ...]] = ("metric",)
    """What its page asks of the session itself: ``"metric"`` for the header, ``"tokens"``."""

    __signature__: ClassVar[inspect.Signature]
    _following = False

    if TYPE_CHECKING:
        # The arguments of every view's constructor beside its options.
        session: Session = argument(kw_only=False)
        layout: Layout | dict[str, str] | None = argument(default=None)
    else:

        @property
        def session(self) -> Session:
            """The session that this is a view of."""
            return self._session

    info = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    selection = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    # Not echoed: the page that wrote it is the only one that needs it.
    snapshot = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True, echo_update=False)

    @traitlets.observe("comm")
    def _connected(self, change: Any) -> None:
        if change["new"] is not None:
            follow_the_page(change["new"])

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        make_traits(cls)
        if "figure" in vars(cls):
            cls.figure = dressed(cls.figure)  # type: ignore[method-assign]
        if "view" in vars(cls):
            own = {name: q for name, q in vars(cls).items() if isinstance(q, Question)}
            register(cls.view, own)
            VIEWS[cls.view] = cls
        options = options_of(cls)
        cls.__signature__ = signature_of(cls, View.__init__)
        cls.__doc__ = documented(cls.__doc__ or "", options)

    def __init__(
        self, session: Session, *, layout: Layout | dict[str, str] | None = None, **options: Any
    ) -> None:
        name = type(self).__name__
        if not isinstance(session, Session):
            raise InputError(
                f"{name} got {type(session).__name__}, not a session.",
                "Make one with lw.Session(model, prompts) and pass it first.",
            )
        session.check_open()
        known = self.option_names()
        takes = (*known, "layout")
        check_keywords(name, [option for option in options if option not in takes], takes)
        options = {option: self._checked(option, value) for option, value in options.items()}
        options = self.starting(session, options)
        if layout is not None:
            options["layout"] = layout
        start_selection(session)
        self._session, self._lock = session, session.lock
        self._dispatcher = Dispatcher(uuid.uuid4().hex, session, METHODS, self._send_message)
        super().__init__(
            info=session_info(session),
            state=session_state(session),
            selection=session.selection.as_dict(),
            settings=session.settings.as_dict(),
            **options,
        )
        self.on_msg(self._receive)
        session.watch_model()
        self.observe(self._selection_from_page, "selection")
        self.observe(self._settings_from_page, "settings")
        session.observe(self._follow_state, STATE)
        session.selection.observe(self._follow_selection)
        session.settings.observe(self._follow_settings)
        self._following = True

    @classmethod
    def starting(cls, session: Session, given: dict[str, Any]) -> dict[str, Any]:
        """``given`` options, and those that the session decides where they are not given."""
        return given

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options that the constructor takes."""
        return tuple(options_of(cls))

    def _checked(self, option: str, value: Any) -> Any:
        """The value for an option's trait; InputError when it is not one."""
        trait: Any = self.class_traits()[option]
        if value is None and trait.allow_none:
            return value
        if isinstance(trait, traitlets.Enum):
            return check_choice(option, value, self.trait_values_of(option))
        value = list(value) if isinstance(value, tuple) else value
        checked(trait.metadata["option"].hint, value, option)
        try:
            return trait.validate(self, value)
        except traitlets.TraitError as error:
            raise InputError(f"{option}={value!r} cannot be used.", f"{error}.") from error

    @classmethod
    def trait_values_of(cls, option: str) -> tuple[str, ...]:
        """The values that an option of few choices takes."""
        trait: Any = cls.class_traits()[option]
        return tuple(trait.values or ())

    def chosen(self) -> dict[str, Any]:
        """What its questions are asked with: options, selection and settings by name.

        ``prompt`` is None where numbers are means over prompts, for questions that know them.
        """
        options = {name: getattr(self, name) for name in self.option_names()}
        return options | self._session.selection.as_dict() | self._session.settings.as_dict()

    def arguments(self, question: Question, **given: Any) -> dict[str, Any]:
        """The arguments of a question as the view would ask it now, ``given`` ones over them."""
        known = self.chosen()
        if known["prompt_scope"] == "mean" and question.takes_none("prompt"):
            known["prompt"] = None
        return question.check(question.bind(known, given))

    def ask(self, question: str, **given: Any) -> xr.Dataset:
        """The answer to one of the view's questions, with its options and the selection as they
        are; ``given`` arguments replace those.

        Raises InputError for a question it does not have, or that cannot be answered.
        """
        found = questions_of(type(self))
        if question not in found:
            raise InputError(f"question={question!r} is not known.", near(question, found))
        return found[question].answer(self._session, self.arguments(found[question], **given))

    def opening(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """What the page asks as the view opens: method and arguments by the page's slot."""
        asked = {}
        for base in type(self).__mro__:
            name = vars(base).get("view")
            for session_question in getattr(base, "of_session", ()) if name else ():
                if session_question == "metric" and name != self.view:
                    continue  # The header has it, which parts of an explorer do not.
                found = SESSION_QUESTIONS[session_question]
                asked[f"{name}/{found.name}"] = (f"session/{found.name}", self.arguments(found))
            for question in vars(base).values():
                if name and isinstance(question, Question) and question.first:
                    method = f"{name}/{question.name}"
                    # What the choices leave open, such as without a stripe, is not asked.
                    with suppress(InputError):
                        asked[method] = (method, self.arguments(question))
        return asked

    def data(self) -> Any:
        """What the view shows, as a labelled dataset; units and definitions in ``attrs``."""
        return self.ask(self.shown)

    def figure(self) -> Figure:
        """What the view shows, as a Plotly figure."""
        raise NotImplementedError(f"{type(self).__name__} draws no figure")

    def close(self) -> None:
        """Closes the view and stops what it asked for; the session lives on."""
        # Python closes a widget once more when it is let go, even one that was never finished.
        if self._following:
            self._following = False
            self._session.unobserve(self._follow_state, STATE)
            self._session.selection.unobserve(self._follow_selection)
            self._session.settings.unobserve(self._follow_settings)
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
        if name in self.option_names():
            # Not left to the trait, which would make a list of a text.
            try:
                checked(options_of(type(self))[name].hint, value, name)
            except FieldError:
                return False
            return True
        return name in ("selection", "settings", "_view_count")

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

    def _settings_from_page(self, change: Any) -> None:
        session = self._session
        with session.lock:
            try:
                session.settings.update(**change["new"])
            except (InputError, traitlets.TraitError, TypeError):
                self.settings = session.settings.as_dict()

    def _follow_settings(self, _change: Any) -> None:
        with self._session.lock:
            self.settings = self._session.settings.as_dict()

    def _follow_selection(self, _change: Any) -> None:
        with self._session.lock:
            self.selection = self._session.selection.as_dict()

    def _follow_state(self, _change: Any) -> None:
        with self._session.lock:
            self.info = session_info(self._session)
            self.state = session_state(self._session)
