"""What a model is made of besides its weights: modules, hooks, forwards put in their place."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.transformer_lens_private import hooked_function, plain_name

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_LIBRARIES = {
    "accelerate",
    "bitsandbytes",
    "optimum",
    "peft",
    "torch",
    "torchao",
    "transformer_lens",
    "transformers",
    "transformers_modules",
}
"""Their hooks and modules belong to how a model runs, and treat rows alike."""

Reference = Callable[[], Any]


@dataclass(frozen=True)
class Structure:
    """A model's modules, and what was put on them. It keeps no part of the model alive.

    ``modules``: module and class by path. ``hooks``: of users, by path, kind and torch's number.
    ``forwards``: those put on single modules, by path. ``methods``: those of classes.
    ``numbers``: attributes of modules that are floats, such as a norm's epsilon, by path and name.
    ``training``: paths of modules in training mode.
    """

    modules: dict[str, tuple[Reference, Reference]] = field(default_factory=dict)
    hooks: dict[tuple[str, str, int], Reference] = field(default_factory=dict)
    forwards: dict[str, Reference] = field(default_factory=dict)
    methods: dict[str, Reference] = field(default_factory=dict)
    numbers: dict[tuple[str, str], float] = field(default_factory=dict)
    training: set[str] = field(default_factory=set)

    @property
    def user_code(self) -> list[str]:
        """Where functions of a user run in the model: as hooks, or in place of a forward."""
        hooks = [path for path, _, _ in self.hooks]
        put = {**self.forwards, **self.methods}
        own = [path for path, forward in put.items() if not from_library(forward())]
        return list(dict.fromkeys(map(plain_name, [*hooks, *own])))


def read_structure(model: TransformerModel) -> tuple[Structure, list[tuple[str, Tensor]]]:
    """A model's structure, and its parameters and buffers by name."""
    found, classes = Structure(), set[type]()
    tensors: dict[int, tuple[str, Tensor]] = {}
    for kind, number, hook in _global_hooks():
        found.hooks["every module", kind, number] = _reference(hook)
    for path, module in _modules(model):
        own, cls = vars(module), type(module)
        found.modules[path] = _reference(module), _reference(cls)
        for kind in _HOOKS:
            for number, hook in own[kind].items():
                if not from_library(hooked_function(module, number, hook)):
                    found.hooks[path, kind, number] = _reference(hook)
        if "forward" in own:
            found.forwards[path] = _reference(own["forward"])
        if cls not in classes:
            classes.add(cls)
            if from_library(cls):
                found.methods.setdefault(f"the class {cls.__qualname__}", _reference(cls.forward))
        if own["training"]:
            found.training.add(path)
        # Some rotary embeddings adapt to the prompt that they saw last, whoever ran it.
        rope = str(own["rope_type"]) if "rope_type" in own else ""
        adapts = "dynamic" in rope or "longrope" in rope
        if not adapts:
            for key, value in own.items():
                if type(value) is float:
                    found.numbers[path, key] = value
        for held in (own["_parameters"], {} if adapts else own["_buffers"]):
            for key, tensor in held.items():
                if tensor is not None:
                    tensors.setdefault(id(tensor), (f"{path}.{key}", tensor))
    return found, list(tensors.values())


def structure_changes(before: Structure, now: Structure) -> list[str]:
    """What was done to a model, in words."""
    changes = [*_replaced(before, now)]
    if not changes:
        changes = [*_hooks_changed(before, now), *_settings_changed(before, now)]
    return changes


@contextmanager
def without_user_code(model: TransformerModel) -> Iterator[None]:
    """Inside, hooks of users and the forwards they put on modules are set aside."""
    with ExitStack() as stack:
        for _, module in _modules(model):
            own = vars(module)
            for kind in _HOOKS:
                hooks = own[kind].items()
                users = [n for n, h in hooks if not from_library(hooked_function(module, n, h))]
                if users:
                    stack.callback(_put_back, own[kind], dict(own[kind]))
                for number in users:
                    del own[kind][number]
            if "forward" in own and not from_library(own["forward"]):
                stack.callback(own.__setitem__, "forward", own.pop("forward"))
        yield


def _put_back(hooks: dict[int, Any], before: dict[int, Any]) -> None:
    """In their order; what a library has hooked meanwhile comes last."""
    meanwhile = {number: hook for number, hook in hooks.items() if number not in before}
    hooks.clear()
    hooks.update(before | meanwhile)


def from_library(thing: Any) -> bool:
    """Whether a function or class is TransformerLens's, or of what it stands on.

    None of ours is: when nothing runs, only a user can have left it on a model.
    """
    while isinstance(thing, functools.partial):
        thing = thing.func
    module = getattr(thing, "__module__", None) or type(thing).__module__
    return str(module).split(".")[0] in _LIBRARIES


def _modules(model: TransformerModel) -> Iterator[tuple[str, nn.Module]]:
    """Every module once, by its shortest path; parents before children."""
    # The bridge does not count the Hugging Face model around its blocks among its modules.
    whole: list[tuple[str, Any]] = [("", model), ("original_model", model.original_model)]
    seen: set[int] = set()
    for path, module in whole:
        if not isinstance(module, nn.Module) or id(module) in seen:
            continue
        seen.add(id(module))
        yield path or "the model", module
        prefix = f"{path}." if path else ""
        whole += [(prefix + name, child) for name, child in vars(module)["_modules"].items()]


def _global_hooks() -> Iterator[tuple[str, int, Any]]:
    for kind in _HOOKS:
        for number, hook in getattr(nn.modules.module, f"_global{kind}", {}).items():
            if not from_library(hook):
                yield kind, number, hook


def _reference(thing: Any) -> Reference:
    try:
        return weakref.ref(thing)
    except TypeError:
        # What is written in C stays.
        return lambda: thing


def _replaced(before: Structure, now: Structure) -> Iterator[str]:
    # The bridge still lists what it wrapped when the model inside has another in its place.
    before_plain = {plain_name(path) for path in before.modules}
    changes = {path: "was removed" for path in before.modules.keys() - now.modules.keys()}
    for path, (module, cls) in now.modules.items():
        old = before.modules.get(path)
        if old is None:
            changes[path] = "was replaced" if plain_name(path) in before_plain else "was added"
        elif old[0]() is not module():
            changes[path] = "was replaced"
        elif old[1]() is not cls():
            changes[path] = f"became a {cls().__name__}"
    return (f"{plain_name(path)} {changes[path]}" for path in _topmost(changes))


def _hooks_changed(before: Structure, now: Structure) -> Iterator[str]:
    for here, there, did in ((now, before, "added at"), (before, now, "removed from")):
        for path in dict.fromkeys(path for path, *_ in here.hooks.keys() - there.hooks.keys()):
            yield f"a hook was {did} {plain_name(path)}"


def _settings_changed(before: Structure, now: Structure) -> Iterator[str]:
    # A library may put forwards of its own in place when it first runs.
    for old, new in ((before.forwards, now.forwards), (before.methods, now.methods)):
        for path in old.keys() & new.keys():
            if old[path]() is not new[path]():
                yield f"the forward of {plain_name(path)} was replaced"
        for path in old.keys() ^ new.keys():
            there = (old.get(path) or new[path])()
            if there is not None and not from_library(there):
                yield f"the forward of {plain_name(path)} was replaced"
    for key in before.numbers.keys() & now.numbers.keys():
        was, is_now = before.numbers[key], now.numbers[key]
        # Compared as text, in which NaN equals NaN.
        if repr(was) != repr(is_now):
            yield f"{key[1]} of {plain_name(key[0])} went from {was:g} to {is_now:g}"
    for path in _topmost(now.training ^ before.training):
        mode = "training" if path in now.training else "eval"
        yield f"{plain_name(path)} was put into {mode} mode"


def _topmost(paths: Iterable[str]) -> list[str]:
    """Without those inside of another."""
    chosen: list[str] = []
    for path in sorted(paths, key=len):
        if not any(path.startswith(f"{outer}.") for outer in chosen):
            chosen.append(path)
    return chosen
