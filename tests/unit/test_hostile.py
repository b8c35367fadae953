"""Messages from a page that means harm or is broken: answered, never run, never too much."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import NotRequired, get_type_hints, is_typeddict

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.views.registry import METHODS
from lens_widgets.wire.dispatch import CLIENT_MESSAGES, Dispatcher
from lens_widgets.wire.messages import MAX_REPLY_BYTES, MAX_REQUEST_BYTES, FieldError, checked
from tests.every_view import EVERY_VIEW
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, state
from tests.unit.waiting import LIMIT_S

EXAMPLES, MESSAGES = 250, 40
"""Ten thousand messages in all."""

SIGN = Path("hostile-sign")
NAMES = (
    *("L0H0", "L1H3", "L0.mlp", "L1.attn", "embed", "i1", "w5 w6 w7", "w30", ""),
    *("blocks.0.hook_resid_post", "blocks.1.attn.hook_pattern"),
)
EVIL = (
    "<script>window.hit=1</script>",
    '"><img src=x onerror=alert(1)>',
    f"__import__('pathlib').Path({str(SIGN)!r}).touch()",
    "{{7*7}}${7*7}%s%n",
    "../../../etc/passwd",
    "L0H0; DROP TABLE heads",
    "L" + "9" * 400 + "H0",
    "\x00\u202e\ud7ff",
    "w5 " * 2_000,
)


def _values(schema: Any) -> st.SearchStrategy[Any]:
    """Values that fit a type of arguments, whatever methods there are."""
    if schema is Any:
        return st.sampled_from([None, 0, "x"])
    if isinstance(schema, type) and issubclass(schema, msgspec.Struct):
        hints = get_type_hints(schema, include_extras=True)
        fields = msgspec.structs.fields(schema)
        must = {f.name: _values(hints[f.name]) for f in fields if f.required}
        may = {f.name: _values(hints[f.name]) for f in fields if not f.required}
        return st.fixed_dictionaries(must, optional=may)
    if is_typeddict(schema):
        hints = get_type_hints(schema)
        must = {k: _values(v) for k, v in hints.items() if k in schema.__required_keys__}
        may = {k: _values(v) for k, v in hints.items() if k in schema.__optional_keys__}
        return st.fixed_dictionaries(must, optional=may)
    origin, args = get_origin(schema), get_args(schema)
    if origin is NotRequired or (origin and str(origin).endswith("Annotated")):
        return _values(args[0])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is list:
        return st.lists(_values(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(st.sampled_from(["a", "b"]), _values(args[1]), max_size=2)
    if origin is Union or str(origin).endswith("UnionType'>"):
        return st.one_of(*map(_values, args))
    if schema is type(None):
        return st.none()
    if schema is bool:
        return st.booleans()
    if schema is int:
        return st.sampled_from([0, 0, 0, 1, 1, 2, 3, -1, 10**6, 2**53 - 1])
    if schema is float:
        return st.sampled_from([0.0, 0.5, 1.0, -1.0, 1e308])
    assert schema is str, schema
    return st.sampled_from(NAMES + EVIL)


def _arguments(method: str) -> Any:
    return METHODS[method].arguments


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([math.nan, math.inf, -math.inf, 10**400, -(2**63), 1e300, -0.0])
    | st.sampled_from(EVIL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@st.composite
def _messages(draw: Any) -> dict[str, Any]:
    """One message in three is what a page could send; the others have something wrong in them."""
    if draw(st.integers(0, 9)) == 0:
        message: dict[str, Any] = {"kind": "cancel", "slot": draw(st.sampled_from("abc"))}
    else:
        method = draw(st.sampled_from(sorted(METHODS)))
        message = {
            "kind": "request",
            "id": "",
            "slot": draw(st.sampled_from("abc")),
            "seq": draw(st.sampled_from([0, 1, 1, 5, -3, 2**53 - 1])),
            "method": method,
            "args": draw(_values(_arguments(method))),
        }
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        target = message
        if isinstance(message.get("args"), dict) and draw(st.booleans()):
            target = message["args"]
        key = draw(st.sampled_from([*sorted(target), "surplus", "__class__"]))
        if draw(st.booleans()):
            target.pop(key, None)
        elif key != "id":
            target[key] = draw(JUNK)
    return message


class Recorder:
    """Keeps what is sent to the page, within the limits."""

    def __init__(self, session: lw.Session) -> None:
        self._changed = threading.Condition()
        self.answers: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.dispatcher = Dispatcher("hostile", session, METHODS, self._record)

    def _record(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        # As Jupyter sends it: NaN and infinity are no JSON.
        assert len(json.dumps(content, allow_nan=False)) <= MAX_REPLY_BYTES
        assert sum(map(len, buffers)) <= MAX_REPLY_BYTES
        with self._changed:
            if content["kind"] != "progress":
                self.answers[content["id"]] += 1
                self.kinds[content["kind"]] += 1
            self._changed.notify_all()

    def wait(self, ids: list[str]) -> None:
        with self._changed:
            answered = self._changed.wait_for(lambda: all(self.answers[i] for i in ids), LIMIT_S)
        assert answered, [i for i in ids if not self.answers[i]]


_session: list[lw.Session] = []
_counted = Counter[str]()


def _hostile_session() -> lw.Session:
    if not _session or _session[0].closed:
        _session[:] = [lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)]
    tiny("gpt2")
    return _session[0]


def _fits(message: dict[str, Any]) -> bool:
    try:
        checked(CLIENT_MESSAGES[message["kind"]], message, "message")
        if message["kind"] == "request":
            METHODS[message["method"]].check(message["args"])
        return len(json.dumps(message)) <= MAX_REQUEST_BYTES
    except (FieldError, KeyError, TypeError):
        return False


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(_messages(), min_size=MESSAGES, max_size=MESSAGES))
def _exchange(messages: list[dict[str, Any]]) -> None:
    session = _hostile_session()
    page = Recorder(session)
    asked = []
    for number, message in enumerate(messages):
        if "id" in message:
            message["id"] = f"r{number}"
        _counted["messages"] += 1
        valid = _fits(message)
        _counted["valid"] += valid
        page.dispatcher.receive(message)
        if message.get("kind") != "cancel" and "id" in message:
            asked.append(message["id"])
    page.wait(asked)
    assert {page.answers[i] for i in asked} <= {1}
    # What was meant is still possible, whatever was asked before.
    session.interventions.clear()
    page.dispatcher.receive(
        {"kind": "request", "id": "last", "slot": "z", "seq": 1, "method": "session/tokens",
         "args": {"prompt": 0}}
    )  # fmt: skip
    page.wait(["last"])
    assert page.answers["last"] == 1
    _counted.update(page.kinds)


def test_ten_thousand_messages_are_answered_once_each() -> None:
    _counted.clear()
    _exchange()
    assert _counted["messages"] >= 10_000
    assert _counted["valid"] > 2_000
    assert _counted["reply"] > 500
    assert _counted["error"] > 2_000
    assert not SIGN.exists(), "something that came as text was run"


@pytest.mark.parametrize("method", sorted(METHODS))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_each_method_is_answered_once_and_a_refusal_changes_nothing(
    method: str, data: st.DataObject
) -> None:
    session = _hostile_session()
    page = Recorder(session)
    args = data.draw(_values(_arguments(method)))
    wrong = data.draw(st.sampled_from([*sorted(args), "surplus", "__class__"]))
    args[wrong] = data.draw(JUNK)
    before = state(session)
    message = {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": method, "args": args}
    page.dispatcher.receive(message)
    page.wait(["r"])
    found = METHODS[method]
    # What comes in a known place may fit by chance; a place that is unknown never does.
    assert page.kinds["error"] or wrong in found.arguments.__struct_fields__
    only_asks = found.answer_type is not None
    if only_asks or page.kinds["error"]:
        assert state(session) == before
    # What the page asks next is answered, and nothing comes twice.
    page.dispatcher.receive(
        {**message, "method": "session/tokens", "id": "t", "args": {"prompt": 0}}
    )
    page.wait(["t"])
    assert page.answers == {"r": 1, "t": 1}


DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "content",
    [
        DEEP,
        {"kind": DEEP},
        {"kind": "request", "id": DEEP, "slot": DEEP, "seq": DEEP, "method": DEEP, "args": DEEP},
        {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "session/tokens",
         "args": {"prompt": DEEP}},
        {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "session/tokens",
         "args": DEEP},
        {"kind": "request", "id": "i" * 10**6, "slot": "s", "seq": 1, "method": "session/undo",
         "args": {}},
        {"kind": "request", "id": "r", "slot": "s" * 10**6, "seq": 1, "method": "session/undo",
         "args": {}},
        {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "m" * 10**6, "args": {}},
        {"kind": "k" * 10**6},
        {"kind": "request", "x" * 10**6: 1},
        {"kind": "request", "id": "r", "slot": "s", "seq": 10**5000, "method": "session/undo",
         "args": {}},
        {"kind": "request", "id": "r", "slot": "s", "seq": True, "method": "session/undo",
         "args": {}},
        {"kind": "cancel", "slot": "s" * 10**6},
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_too_deep_or_too_large_is_answered_shortly(
    session: lw.Session, content: Any
) -> None:
    sent: list[dict[str, Any]] = []
    before = state(session)
    Dispatcher("hostile", session, METHODS, lambda c, b: sent.append(c)).receive(content)
    (answer,) = sent
    assert answer["kind"] == "error"
    assert len(json.dumps(answer)) < 5_000
    assert state(session) == before


def test_old_and_repeated_numbers_do_no_harm(session: lw.Session) -> None:
    page = Recorder(session)
    ids = []
    for number, seq in enumerate([5, 4, 5, 0, -7, 2**53 - 1, 5]):
        ids.append(f"r{number}")
        page.dispatcher.receive(
            {"kind": "request", "id": ids[-1], "slot": "s", "seq": seq,
             "method": "session/metric", "args": {}}
        )  # fmt: skip
    page.wait(ids)
    assert set(page.answers.values()) == {1}
    assert page.kinds["reply"] >= 1


def test_a_page_that_is_gone_raises_nothing(session: lw.Session) -> None:
    def gone(content: dict[str, Any], buffers: list[bytes]) -> None:
        raise RuntimeError("comm is closed")

    dispatcher = Dispatcher("gone", session, METHODS, gone)
    for content in (
        None,
        {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "session/undo", "args": {}},
        {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "session/tokens",
         "args": {"prompt": 0}},
    ):  # fmt: skip
        dispatcher.receive(content)
    page = Recorder(session)
    page.dispatcher.receive(
        {"kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "session/tokens",
         "args": {"prompt": 0}}
    )  # fmt: skip
    page.wait(["r"])


# --- synced state -------------------------------------------------------------------------------

HOSTILE_STATE: list[dict[str, Any]] = [
    {"selection": {"layer": True}},
    {"selection": {"layer": math.nan}},
    {"selection": {"layer": 10**30}},
    {"selection": {"layer": "<script>"}},
    {"selection": {"layer": 0, "surplus": 1}},
    {"selection": [1, 2]},
    {"selection": None},
    {"selection": {"layer": DEEP}},
    {"info": {"model_name": "<script>"}},
    {"state": {"revision": 10**9, "interventions": []}},
    {"_esm": "export default {}"},
    {"_css": "body { display: none }"},
    {"layout": "IPY_MODEL_none"},
    {"snapshot": {"version": 1, "slots": {"x": "y" * 10**6}}},
    {"snapshot": {"version": 1, "slots": DEEP}},
    {"snapshot": "<script>"},
    {"unknown": 1},
]


SEARCHED = ("find",)
"""Options that take any text: it is looked for."""


@pytest.mark.parametrize("name", EVERY_VIEW)
def test_a_page_can_only_write_what_is_its_to_write(
    name: str, session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = getattr(lw, name)(session)
    corrected: list[Any] = []
    monkeypatch.setattr(view, "send_state", lambda key=None: corrected.append(key))
    before, traits = state(session), {k: getattr(view, k) for k in view.keys}
    options = [
        {option: value}
        for option in view.option_names()
        for value in ("<script>", DEEP)
        if option not in SEARCHED or value is DEEP
    ]
    for hostile in [*HOSTILE_STATE, *options]:
        corrected.clear()
        view.set_state(hostile)
        assert {k: getattr(view, k) for k in view.keys} == traits, hostile
        (key,) = hostile
        if key in view.keys and key != "selection":
            assert [key] in corrected, "the page is told what is true"
    assert state(session) == before
    view.set_state({"selection": {**session.selection.as_dict(), "head": 2}})
    assert session.selection.head == 2


# --- names and text that came from elsewhere ----------------------------------------------------


@pytest.mark.parametrize("evil", EVIL[:5])
def test_hostile_prompts_metrics_and_names_are_data(evil: str) -> None:
    def metric(logits: Any) -> Any:
        return logits[:, -1].max(dim=-1).values

    metric.__name__ = evil
    session = lw.Session(tiny("gpt2"), [evil, "w5 <script> w6"], metric=metric)
    assert evil.replace("_", " ") in session.metric.label
    with pytest.raises(InputError):
        session.interventions.toggle(evil)
    with pytest.raises(InputError):
        lw.Patch(f"{evil}hook_").validate(session.facts, session.prompt_set)
    code = session.interventions.to_code()
    assert evil not in code
    compile(code, "code", "exec")
    assert not SIGN.exists()
