"""How the parts of a model read its residual stream, and what each of them writes into it.

A reader's input is the stream through a norm of its own and a projection, so that it can be made
anew of a stream that was changed for this one reader. What a head writes is its output times W_O,
through the norm and the scale that stand between attention and the stream. Both are tried on two
tokens before anybody relies on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lens_widgets.engine.forward import forward
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.engine.measured import head_matrices
from lens_widgets.engine.model import TransformerModel, call_there, weights_of
from lens_widgets.engine.norms import HeldNorm, found_norm, held_norm
from lens_widgets.engine.placement import is_plain
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.structure import without_user_code
from lens_widgets.engine.transformer_lens_private import attention_scale, wrapped_module
from lens_widgets.engine.trials import BEFORE_MLP, Batch
from lens_widgets.errors import InputError

FINAL = "ln_final.hook_in"
"""The stream that the logits read."""

Activations = Mapping[str, Tensor]


@dataclass(frozen=True)
class MlpInput:
    """Where what an MLP alone reads can be replaced.

    ``hook`` holds the stream, or, with ``normed``, what the block's first norm makes of it.
    """

    hook: str
    normed: bool


@dataclass(frozen=True)
class PostNorm:
    """A norm between attention and the stream, as scripts write it: whether it reports its scale,
    takes off the mean, multiplies with a weight, and adds 1 to that."""

    reports_scale: bool
    centred: bool
    weighted: bool
    offset: bool


class StreamParts:
    """The readers and writers of one model. It keeps no part of the model alive.

    Args:
        facts: the model's.
        graph: their names and order.
        model: gives the model while it is there.
    """

    def __init__(
        self, facts: ModelFacts, graph: StreamGraph, model: Callable[[], TransformerModel]
    ) -> None:
        self.graph = graph
        self._facts = facts
        self._model = model
        self._mlp_inputs: dict[int, MlpInput] = {}

    # --- reading ----------------------------------------------------------------------------

    def input_hook(self, layer: int | None, kind: str) -> str:
        """Where the readers of a kind in a layer take their input from."""
        if layer is None:
            return FINAL
        return self._mlp_inputs[layer].hook if kind == "mlp" else _attn(layer, kind)

    def stream_hook(self, layer: int | None, kind: str) -> str:
        """Where the stream can be read that the readers of a kind in a layer read."""
        if layer is None or (kind == "mlp" and not self.mlp_reads_normed(layer)):
            return self.input_hook(layer, kind)
        return f"blocks.{layer}.hook_in"

    def mlp_reads_normed(self, layer: int) -> bool:
        """Whether an MLP shares the norm of its attention, so that its hook holds no stream."""
        return self._mlp_inputs[layer].normed

    def has_norm(self, layer: int) -> bool:
        """Whether a block begins with a norm."""
        norm = getattr(self._model().blocks[layer], "ln1", None)
        return norm is not None and wrapped_module(norm) is not None

    def normed(self, layer: int, streams: Float[Tensor, "*n d_model"]) -> Tensor:
        """What the first norm of a block makes of streams; themselves where it has none."""
        norm = getattr(self._model().blocks[layer], "ln1", None)
        module = None if norm is None else wrapped_module(norm)
        return streams if module is None else call_there(module, streams)

    def read(
        self,
        layer: int,
        kind: str,
        heads: Sequence[int],
        normed: Float[Tensor, "different prompt pos d_model"],
        which: Sequence[int],
    ) -> Float[Tensor, "reader prompt pos d_head"]:
        """Queries, keys or values of some heads, each of one of several streams, normed."""
        module = wrapped_module(getattr(self._model().blocks[layer].attn, kind))
        n_heads, size = self._facts.hooks[_attn(layer, kind)][-2:]
        if type(module) is not nn.Linear or not is_plain(module.weight):
            assert module is not None
            whole = call_there(module, normed).unflatten(-1, (n_heads, size))
            pairs = zip(heads, which, strict=True)
            return torch.stack([whole[place, :, :, head] for head, place in pairs])
        weight = module.weight.view(n_heads, size, -1)
        if list(heads) != list(range(n_heads)):
            weight = weight[list(heads)]
        weight = weight.to(normed.device)
        places = normed.flatten(1, 2)
        if len(places) == 1:
            made = nn.functional.linear(places[0], weight.flatten(0, 1))
            made = made.unflatten(-1, (len(heads), size)).movedim(1, 0)
        else:
            own = places if list(which) == list(range(len(places))) else places[list(which)]
            made = own @ weight.transpose(1, 2)
        if module.bias is not None:
            bias = module.bias.view(n_heads, size)[list(heads), None]
            made = made + bias.to(made.device)
        return made.unflatten(1, normed.shape[1:3])

    # --- writing ----------------------------------------------------------------------------

    @property
    def head_layer(self) -> int | None:
        """The first layer with heads."""
        return next((w.layer for w in self.graph.writers if w.kind == "head"), None)

    @property
    def attention_scale(self) -> float:
        """What heads' outputs are multiplied with before they join the stream."""
        layer = self.head_layer
        return 1.0 if layer is None else attention_scale(self._model().blocks[layer].attn)

    @property
    def post_norm(self) -> PostNorm | None:
        """The norm between attention and the stream; None in models without."""
        layer = self.head_layer
        names = [] if layer is None else self.head_hooks(layer)
        if layer is None or len(names) == 1:
            return None
        norm = self._model().blocks[layer].ln1_post
        weight = getattr(norm, "weight", None)
        return PostNorm(
            reports_scale=len(names) == 2,
            centred=not norm.uses_rms_norm,
            weighted=isinstance(weight, Tensor) and weight.dim() == 1,
            offset=bool(norm.uses_weight_offset),
        )

    def hooks_of(self, writers: Iterable[int]) -> list[str]:
        """The activations that tell what some writers write."""
        names: dict[str, None] = {}
        for number in writers:
            part = self.graph.writers[number]
            if part.layer is None:
                names["blocks.0.hook_in"] = None
            elif part.kind == "mlp":
                names[part.hook] = None
            else:
                names |= dict.fromkeys(self.head_hooks(part.layer))
        return list(names)

    def head_hooks(self, layer: int) -> list[str]:
        """The activations that tell what the heads of a layer write."""
        post = f"blocks.{layer}.ln1_post."
        known = self._facts.hooks
        if f"{post}hook_scale" in known:
            return [_attn(layer, "z"), f"{post}hook_scale"]
        if f"{post}hook_in" in known:
            return [_attn(layer, "z"), f"{post}hook_in", f"{post}hook_out"]
        return [_attn(layer, "z")]

    def head_writes(
        self, layer: int, found: Activations, heads: Sequence[int] | None = None
    ) -> Float[Tensor, "head prompt pos d_model"]:
        """What the heads of a layer, or some of them, write into the stream.

        ``found`` holds the activations of ``head_hooks``. Biases are nobody's.
        """
        z = found[_attn(layer, "z")].float()
        weight = output_weights(self._model(), self._facts, layer)
        if heads is not None:
            z, weight = z[:, :, list(heads)], weight[list(heads)]
        weight = weight.to(z.device)
        # [head, place, d_head] @ [head, d_head, d_model]
        places = z.shape[:2]
        written = z.flatten(0, 1).transpose(0, 1) @ weight
        scale = attention_scale(self._model().blocks[layer].attn)
        written = written if scale == 1.0 else written * scale
        held = self._post_norm(layer, found)
        if held is not None:
            if held.centred:
                written = written - written.mean(dim=-1, keepdim=True)
            written = written * held.gain
        return written.unflatten(1, places)

    def alone(
        self, layer: int, heads: Sequence[int], streams: Float[Tensor, "place d_model"]
    ) -> Float[Tensor, "head place d_model"]:
        """What some heads would write that attend to one place alone, at each of some places.

        Biases of the values count, those of the output are nobody's. The norm between attention and
        the stream, where there is one, is given what the head writes by itself.
        """
        n_values = self._facts.hooks[_attn(layer, "v")][-2]
        n_heads = self._facts.hooks[_attn(layer, "z")][-2]
        groups = [head * n_values // n_heads for head in heads]
        read = list(dict.fromkeys(groups))
        normed = self.normed(layer, streams[None, None])
        values = self.read(layer, "v", read, normed, [0] * len(read))[:, 0]
        weight = output_weights(self._model(), self._facts, layer)[list(heads)].to(values.device)
        written = values[[read.index(group) for group in groups]].float() @ weight
        block = self._model().blocks[layer]
        written = (written * attention_scale(block.attn)).to(streams.dtype)
        if len(self.head_hooks(layer)) == 1:
            return written
        norm = wrapped_module(block.ln1_post)
        return written if norm is None else call_there(norm, written)

    def _post_norm(self, layer: int, found: Activations) -> HeldNorm | None:
        """The norm between attention and the stream as it was in a run; None without one."""
        _, *names = self.head_hooks(layer)
        if not names:
            return None
        norm = self._model().blocks[layer].ln1_post
        first, *rest = (found[name].float().flatten(0, 1) for name in names)
        if not rest:
            return held_norm(norm, first)
        exact = self._facts.dtype in ("float32", "float64")
        held = found_norm(norm, first, rest[0], 1e-4 if exact else 3e-2)
        if held is None:
            raise _refusal(f"the norm after attention in layer {layer} does more than to scale")
        return held

    # --- trying -----------------------------------------------------------------------------

    def try_on(self, model: TransformerModel) -> None:
        """Runs two tokens; InputError where a part reads or writes in another way than is said
        here. Where MLPs take their input from is found out."""
        layers = range(self._facts.n_layers)
        names = [f"blocks.{layer}.{part}" for layer in layers for part in _TRIED]
        names += [name for layer in layers for name in self._before_mlp(layer)]
        known = [name for name in dict.fromkeys(names) if name in self._facts.hooks]
        with without_user_code(model), torch.no_grad():
            found = forward(model, Batch.of(model).alone, capture=known).captured
            for layer in sorted({r.layer for r in self.graph.readers if r.layer is not None}):
                self._try_layer(layer, found)

    def _try_layer(self, layer: int, found: Activations) -> None:
        stream = found[f"blocks.{layer}.hook_in"]
        for kind in "qkv":
            own = self.graph.readers[self.graph.of_layer(layer, kind)]
            heads = [reader.head for reader in own if reader.head is not None]
            if heads:
                normed = self.normed(layer, stream[None])
                made = self.read(layer, kind, heads, normed, [0] * len(heads))
                if not self._same(made.permute(1, 2, 0, 3), found[_attn(layer, kind)]):
                    raise _refusal(
                        f"hook_{kind} of layer {layer} is not what its norm and its projection "
                        "make of the stream"
                    )
        if any(w.layer == layer and w.kind == "head" for w in self.graph.writers):
            written = self.head_writes(layer, found).sum(dim=0) + self._bias(layer, found)
            if not self._same(written, found[f"blocks.{layer}.hook_attn_out"]):
                raise _refusal(f"the heads of layer {layer} do not add up to what attention writes")
        if layer in self._facts.mlp_layers:
            self._mlp_inputs[layer] = self._mlp_input(layer, stream, found)

    def _mlp_input(self, layer: int, stream: Tensor, found: Activations) -> MlpInput:
        block = f"blocks.{layer}."
        if layer not in self.graph.parallel:
            stream = sum((found[name] for name in self._before_mlp(layer)), start=stream)
        read = found.get(f"{block}mlp.hook_in")
        before = found.get(f"{block}ln2.hook_in")
        after = found.get(f"{block}ln2.hook_out")
        # Of an MLP that reports no input the norm before it is all that is known.
        follows = read is None or (after is not None and self._same(after, read))
        if before is not None and follows and self._same(before, stream):
            return MlpInput(f"{block}ln2.hook_in", normed=False)
        if read is not None and self._same(read, stream):
            return MlpInput(f"{block}mlp.hook_in", normed=False)
        if read is not None and self._same(read, self.normed(layer, stream)):
            return MlpInput(f"{block}mlp.hook_in", normed=True)
        raise _refusal(f"what the MLP of layer {layer} reads is not found")

    def _before_mlp(self, layer: int) -> list[str]:
        """The hooks of what a layer writes before its MLP reads."""
        writes = self._facts.layers.writes(layer)
        return [hook for part, hook in writes.items() if part in BEFORE_MLP]

    def _bias(self, layer: int, found: Activations) -> Tensor | float:
        attention = self._model().blocks[layer].attn
        bias = weights_of(attention, "b_O")
        held = self._post_norm(layer, found)
        z = found[_attn(layer, "z")]
        scale = attention_scale(attention)
        plain = 0.0 if bias is None else bias.float().to(z.device) * scale
        if held is None:
            return plain
        nothing = torch.zeros(z[..., 0, 0].numel(), held.gain.shape[-1], device=z.device)
        return held.forth(nothing + plain).unflatten(0, z.shape[:2])

    def _same(self, made: Tensor, there: Tensor) -> bool:
        if made.shape != there.shape:
            return False
        tolerance = 1e-3 if self._facts.dtype in ("float32", "float64") else 5e-2
        size = there.float().abs().max().clamp(min=1e-6)
        return bool((made.float() - there.float()).abs().max() <= tolerance * size)


_TRIED = (
    "hook_in",
    "attn.hook_q",
    "attn.hook_k",
    "attn.hook_v",
    "attn.hook_z",
    "ln1_post.hook_scale",
    "ln1_post.hook_in",
    "ln1_post.hook_out",
    "hook_attn_out",
    "ln2.hook_in",
    "ln2.hook_out",
    "mlp.hook_in",
)


def stream_parts(
    model: TransformerModel, facts: ModelFacts, later: Callable[[], TransformerModel]
) -> StreamParts:
    """The readers and writers of a model, tried; ``later`` gives the model from then on.

    InputError where edges of this model cannot be replaced.
    """
    parts = StreamParts(facts, StreamGraph.of(facts), later)
    parts.try_on(model)
    return parts


def output_weights(
    model: TransformerModel, facts: ModelFacts, layer: int
) -> Float[Tensor, "head d_head d_model"]:
    """W_O of a layer, also of one whose heads have another shape than the configuration says."""
    attention = model.blocks[layer].attn
    if layer not in facts.layers.unlike:
        weight = head_matrices(model, facts, layer, "o")
        if weight is not None:
            return weight.float()
    whole = wrapped_module(getattr(attention, "o", None))
    n_heads, d_head = facts.hooks[_attn(layer, "z")][-2:]
    if not isinstance(whole, nn.Linear) or whole.in_features != n_heads * d_head:
        raise InputError(
            f"The output weights of layer {layer} cannot be split into heads.",
            "Use attribution(session, by='component').",
        )
    return whole.weight.detach().float().T.unflatten(0, (n_heads, d_head))


def _attn(layer: int, kind: Any) -> str:
    return f"blocks.{layer}.attn.hook_{kind}"


def _refusal(why: str) -> InputError:
    return InputError(
        f"Edges of this model cannot be replaced: {why}.",
        "Ablate or patch instead: those are exact in every model.",
    )
