"""Every activation of a session's run: names, axes, shapes and sizes, without computing any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lens_widgets.engine.axes import Layout, find_layouts
from lens_widgets.engine.hooks import hook_kind

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

ShortName = tuple[str] | tuple[str, int] | tuple[str, int, str]


@dataclass(frozen=True)
class Activation:
    """One hook point. ``name`` is the one that TransformerLens's documentation uses; ``aliases``
    are its other names. ``short`` is the key of an ``ActivationCache``: ``cache["resid_pre", 3]``.
    ``shape`` is that on the session's tokens, padding included, None where it depends on more than
    their number; ``n_bytes`` in the dtype that it really has."""

    name: str
    point: str
    aliases: tuple[str, ...]
    short: ShortName | None
    layer: int | None
    dims: tuple[str, ...]
    shape: tuple[int | None, ...]
    n_bytes: int | None


def list_activations(session: Session) -> list[Activation]:
    """All activations of one run, each hook point once, in the order in which they fire."""
    facts = session.facts
    names: dict[str, list[str]] = {}
    for name, point in facts.points.items():
        names.setdefault(point, []).append(name)
    found = layouts(session)
    return [
        _described(session, point, names[point], found[point]) for point in names if point in found
    ]


def layouts(session: Session) -> Mapping[str, Layout]:
    """The axes of every hook point; found once for each set of prompts."""
    clean = session.run(())
    if "activation layouts" not in clean.derived:
        padded = session.prompt_set.attention_mask is not None
        facts = session.facts
        clean.derived["activation layouts"] = clean.compute(
            lambda model: find_layouts(model, facts, padded=padded)
        )
    known: Mapping[str, Layout] = clean.derived["activation layouts"]
    return known


def _described(session: Session, point: str, names: list[str], layout: Layout) -> Activation:
    # Where a point has another name, that is the one of TransformerLens's documentation.
    others = [name for name in names if name != point]
    name = others[0] if others else point
    n_prompts, n_pos = session.tokens.shape
    shape = tuple(axis.length(n_prompts, n_pos) for axis in layout.axes)
    n_bytes: int | None = layout.item_bytes
    for length in shape:
        n_bytes = None if n_bytes is None or length is None else n_bytes * length
    return Activation(
        name=name,
        point=point,
        aliases=tuple(other for other in names if other != name),
        short=short_name(name),
        layer=layer_of(name),
        dims=dim_names(session, point, layout),
        shape=shape,
        n_bytes=n_bytes,
    )


def layer_of(name: str) -> int | None:
    """The block that a hook lies in."""
    return int(name.split(".")[1]) if name.startswith("blocks.") else None


def short_name(name: str) -> ShortName | None:
    """What ``utils.get_act_name`` makes ``name`` of; None where it cannot."""
    from transformer_lens.utilities.components_utils import get_act_name

    *path, last = name.split(".")
    what = last.removeprefix("hook_")
    choices: list[Any] = [(what,)]
    if path[:1] == ["blocks"]:
        layer = int(path[1])
        choices = [(what, layer), (what, layer, ".".join(path[2:]))]
    return next((choice for choice in choices if get_act_name(*choice) == name), None)


def dim_names(session: Session, point: str, layout: Layout) -> tuple[str, ...]:
    """Names of the axes: prompt, pos (query_pos and key_pos of patterns), head, d_head, ..."""
    positions = [i for i, axis in enumerate(layout.axes) if axis.kind == "pos"]
    last = len(layout.axes) - 1
    names = []
    for i, axis in enumerate(layout.axes):
        if axis.kind == "pos" and len(positions) == 2:
            names.append("query_pos" if i == positions[0] else "key_pos")
        elif axis.kind == "fixed":
            names.append(_fixed_name(session, point, axis.size, i == last))
        else:
            names.append(f"axis_{i}" if axis.kind == "unknown" else axis.kind)
    return _distinct(names)


def _fixed_name(session: Session, point: str, size: int, last: bool) -> str:
    cfg = session.model.cfg
    if size == 1:
        return "one"
    if not last and ".attn." in point:
        return {cfg.n_key_value_heads: "key_value_head", cfg.n_heads: "head"}.get(size, "d")
    if hook_kind(point).axes[-1] == "d_mlp":
        return "d_mlp"
    sizes = ("d_model", "d_mlp", "d_vocab", "d_head")
    return next((name for name in sizes if getattr(cfg, name, None) == size), "d")


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Numbered where a name comes twice, as an array's dims must differ."""
    return tuple(
        name if names.count(name) == 1 else f"{name}_{names[:i].count(name)}"
        for i, name in enumerate(names)
    )
