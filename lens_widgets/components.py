"""The names of a model's parts, as TransformerLens writes them: L9H6, L9.mlp, L9.attn, embed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lens_widgets.errors import InputError

ComponentKind = Literal["head", "mlp", "attn", "embed", "pos_embed"]

_HEAD = re.compile(r"L(\d+)H(\d+)")
_LAYER = re.compile(r"L(\d+)\.(mlp|attn)")


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
