"""The names of a model's parts, as TransformerLens writes them: L9H6, L9.mlp, L9.attn, embed; and
of what reads the residual stream: L9H6.q, L9KV1.k, L9.mlp, logits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from lens_widgets.errors import InputError, shown

ComponentKind = Literal["head", "mlp", "attn", "embed", "pos_embed"]

_HEAD = re.compile(r"L(\d+)H(\d+)")
_LAYER = re.compile(r"L(\d+)\.(mlp|attn)")

ReaderKind = Literal["q", "k", "v", "mlp", "logits"]

_INPUT = re.compile(r"L(\d+)(H|KV)(\d+)\.([qkv])")
_MLP = re.compile(r"L(\d+)\.mlp")


@dataclass(frozen=True, order=True)
class Component:
    """One part that writes into the residual stream; ``str`` of it is its name, as in ``"L9H6"``.

    Args:
        kind: ``"head"``, ``"mlp"``, ``"attn"``, ``"embed"`` or ``"pos_embed"``.
        layer: its layer, from 0; None for the embeddings.
        head: its index in the layer, from 0; None for all but heads.
    """

    kind: ComponentKind
    layer: int | None = None
    head: int | None = None

    @classmethod
    def parse(cls, name: str | Component) -> Component:
        """The component that ``name`` names. This is the only reader of component names.

        Args:
            name: ``"L9H6"``, ``"L9.mlp"``, ``"L9.attn"``, ``"embed"`` or ``"pos_embed"``; a
                component stays as it is.

        Raises:
            InputError: anything else.

        Examples:
            >>> lw.Component.parse("L9H6").layer
            9
        """
        if isinstance(name, Component):
            return name
        text = name.strip() if isinstance(name, str) else ""
        if match := _HEAD.fullmatch(text):
            return cls("head", int(match[1]), int(match[2]))
        if match := _LAYER.fullmatch(text):
            return cls("mlp" if match[2] == "mlp" else "attn", int(match[1]))
        if text == "embed":
            return cls("embed")
        if text == "pos_embed":
            return cls("pos_embed")
        raise InputError(
            f"component={name!r} is not a component name.",
            "Write heads as 'L9H6', MLPs as 'L9.mlp', attention layers as 'L9.attn', "
            "or 'embed' and 'pos_embed'.",
        )

    def __str__(self) -> str:
        if self.kind == "head":
            return f"L{self.layer}H{self.head}"
        if self.layer is None:
            return self.kind
        return f"L{self.layer}.{self.kind}"

    @property
    def hook(self) -> str:
        """The TransformerLens hook that holds this component's output.

        Heads share ``hook_z`` [prompt, pos, head, d_head]; all others are [prompt, pos, d_model].
        """
        if self.kind == "head":
            return f"blocks.{self.layer}.attn.hook_z"
        if self.kind in ("mlp", "attn"):
            return f"blocks.{self.layer}.hook_{self.kind}_out"
        return f"hook_{self.kind}"


@dataclass(frozen=True, order=True)
class Reader:
    """One part that reads the residual stream; ``str`` of it is its name, as in ``"L9H6.q"``.

    Args:
        kind: ``"q"``, ``"k"`` or ``"v"`` of a head, ``"mlp"``, or ``"logits"``.
        layer: its layer, from 0; None for the logits.
        head: its head in the layer, from 0; of ``grouped`` ones the group.
        grouped: whether ``head`` counts groups of heads that share their keys and values.
    """

    kind: ReaderKind
    layer: int | None = None
    head: int | None = None
    grouped: bool = False

    @classmethod
    def parse(cls, name: str | Reader) -> Reader:
        """The reader that ``name`` names. This is the only parser of readers' names.

        Args:
            name: ``"L9H6.q"``, ``"L9H6.k"``, ``"L9KV1.v"``, ``"L9.mlp"`` or ``"logits"``; a reader
                stays as it is.

        Raises:
            InputError: anything else.
        """
        if isinstance(name, Reader):
            return name
        text = name.strip() if isinstance(name, str) else ""
        if match := _INPUT.fullmatch(text):
            grouped = match[2] == "KV"
            kind: Any = match[4]
            if not (grouped and kind == "q"):
                return cls(kind, int(match[1]), int(match[3]), grouped)
        if match := _MLP.fullmatch(text):
            return cls("mlp", int(match[1]))
        if text == "logits":
            return cls("logits")
        raise InputError(
            f"reader={shown(name)} is no input that reads the residual stream.",
            "Write a head's inputs as 'L9H6.q', 'L9H6.k', 'L9H6.v' (of heads that share keys and "
            "values 'L9KV1.k'), MLPs as 'L9.mlp', or 'logits'.",
        )

    def __str__(self) -> str:
        if self.kind == "logits":
            return "logits"
        if self.kind == "mlp":
            return f"L{self.layer}.mlp"
        return f"L{self.layer}{'KV' if self.grouped else 'H'}{self.head}.{self.kind}"
