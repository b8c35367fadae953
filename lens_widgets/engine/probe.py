"""What a model is and what it can give, found out once per model on a few tokens."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from lens_widgets.engine import placement
from lens_widgets.engine.ending import close, logits_stand_alone, reads_out
from lens_widgets.engine.forward import BlockCall, Hook, WholeForward, forward, resume, unembed
from lens_widgets.engine.hooks import TABLE, HookKind, hook_kind
from lens_widgets.engine.model import TransformerModel, home
from lens_widgets.engine.pooling import finest_pool, pooled_name
from lens_widgets.engine.structure import read_structure, without_user_code
from lens_widgets.engine.trials import (
    Batch,
    BatchTrials,
    Layers,
    changes_beyond,
    layers_of,
    no_sum,
    try_batch,
)
from lens_widgets.errors import InputError, first_few

log = logging.getLogger(__name__)

CAPTURE_BYTES = 256 << 20

N_TOKENS = 2
"""What the hooks' shapes are of."""

_BLOCK_PARTS = (
    "hook_in",
    "attn.hook_z",
    "hook_attn_out",
    "hook_mlp_out",
    "ln1_post.hook_scale",
    "ln2_post.hook_scale",
)


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """``hooks`` maps each hook that fires (TransformerLens's short names included) to its shape
    on two tokens, ``points`` to the one name of its hook point. ``resumable``: blocks can be called
    one by one; ``pattern_edits``, ``score_edits``: attention uses an edited pattern, or edited
    scores; ``token_logits``: a few logits can be computed without the others; ``reads_out``: logits
    are what the final norm and the unembedding make of the last layer's stream; ``finite``: the
    logits of two tokens are numbers. ``beyond``: how long a prompt may be before it changes all
    others, or None; ``no_sum``: why the logits are no sum of what the parts write, or "".
    ``hooked``: where functions of the user run in it. ``places``: where its blocks are, in words,
    unless all are where tokens enter. ``on_disk``: blocks whose weights are loaded for each run.
    ``quantised``: how weights are stored that are no plain numbers, or ""; ``differentiable``:
    whether such layers let gradients through."""

    name: str
    n_layers: int
    n_heads: int
    n_ctx: int
    d_vocab: int
    hooks: Mapping[str, tuple[int, ...]]
    points: Mapping[str, str]
    device: str
    dtype: str
    weights: str
    resumable: bool
    pattern_edits: bool
    score_edits: bool
    token_logits: bool
    reads_out: bool
    finite: bool
    batch: BatchTrials
    layers: Layers
    beyond: int | None
    no_sum: str
    hooked: tuple[str, ...]
    places: str
    on_disk: tuple[int, ...]
    quantised: str
    differentiable: bool

    @property
    def mlp_layers(self) -> tuple[int, ...]:
        """The layers that have an MLP output."""
        return self.layers.mlp

    def lays_out(self, layer: int, part: str) -> bool:
        """Whether a layer has an activation of ``engine.hooks.TABLE``, with the axes of its row."""
        shape = self.hooks.get(f"blocks.{layer}.{part}")
        return shape is not None and TABLE[part].fits(shape, self.n_heads, N_TOKENS)

    @property
    def has_pos_embed(self) -> bool:
        return "hook_pos_embed" in self.hooks

    @property
    def notes(self) -> list[str]:
        """What a reader of any view of this model should know of it, a sentence each."""
        told = [
            (
                not self.batch.causal,
                "Positions of this model see the tokens after them: losses and answers are no "
                "predictions, and every change is computed at all positions.",
            ),
            (
                not self.batch.batched,
                "A prompt's numbers depend on the prompts beside it in this model, so it takes one "
                "prompt a session.",
            ),
            (
                self.batch.batched and not self.batch.padding,
                "Padding changes the numbers of this model, so all prompts of a session have the "
                "same length.",
            ),
            (
                self.beyond is not None,
                f"This model's numbers depend on the longest prompt: one of more than "
                f"{self.beyond or 0:,} tokens changes those of all others (LongRoPE).",
            ),
            (
                bool(self.hooked),
                "Every change takes a whole forward: hooks of yours run in this model, at "
                f"{first_few(self.hooked)}, and count in every number.",
            ),
            (
                not self.resumable and not self.hooked,
                "Every change takes a whole forward: blocks of this model cannot be run one by "
                "one.",
            ),
            (
                not self.pattern_edits and bool(self.layers.attention),
                "Edits of attention patterns do nothing in this model: edit queries, keys or z.",
            ),
            *((True, text) for text in self.layer_notes),
            (
                bool(self.on_disk),
                f"The weights of {placement.layers_in_words(self.on_disk)} are loaded anew for "
                "every run: changes of them go unnoticed.",
            ),
            (
                bool(self.quantised),
                f"Weights are stored in another form ({self.quantised}): circuits and composition "
                "of weights are refused.",
            ),
            (
                not self.differentiable,
                "There are no estimates: its layers let no gradient through on this device.",
            ),
            (
                bool(self.no_sum),
                f"Direct effects are refused, as they would not add up: {self.no_sum}.",
            ),
        ]
        return [sentence for holds, sentence in told if holds]

    @property
    def layer_notes(self) -> list[str]:
        """What layers lack that others have, a sentence each."""
        layers = self.layers
        found = []
        for what, present in (("attention", layers.attention), ("MLP", layers.mlp)):
            lacking = sorted(set(range(self.n_layers)) - set(present))
            if present and lacking:
                found.append(f"{_layers(lacking)} no {what}.")
        if not layers.attention:
            found.append("This model has no attention.")
        odd = [layer for layer in layers.attention if not self.lays_out(layer, "attn.hook_z")]
        if odd:
            found.append(f"{_layers(odd)} attention that does not report its heads one by one.")
        if layers.unlike:
            first = layers.attention[0]
            found.append(f"{_layers(layers.unlike)} attention of another shape than layer {first}.")
        return found

    def edits_count(self, kind: HookKind) -> bool:
        """Whether the model uses what is made of such an activation: some only report a copy."""
        if kind.copied_as is None:
            return True
        return self.pattern_edits if kind.copied_as == "pattern" else self.score_edits

    def fit(self, model: TransformerModel) -> bool:
        """Whether the model is still as it was found: not moved, cast or processed since."""
        return not self.changes(model)

    def changes(self, model: TransformerModel) -> list[str]:
        """What was done to the model since, in words."""
        now = _form(model)
        return [
            f"{name} went from {getattr(self, name)} to {value}"
            for name, value in now.items()
            if getattr(self, name) != value
        ]

    def standard_capture(self, n_prompts: int, n_pos: int, *, padded: bool = False) -> list[str]:
        """The hook points that the views of a session read, as far as they fit ``CAPTURE_BYTES``.

        Captured along with every run, so that a toggle costs one forward for all views together.
        Patterns grow with the square of the length and are the first to be left out; then their
        thumbnails are captured, unless rows past a prompt's end would get into them.
        """
        patterns = [f"blocks.{layer}.attn.hook_pattern" for layer in range(self.n_layers)]
        parts = ["hook_pos_embed", "ln_final.hook_in", "ln_final.hook_scale"]
        for layer in range(self.n_layers):
            parts += [f"blocks.{layer}.{name}" for name in _BLOCK_PARTS]
        chosen: list[str] = []
        budget = CAPTURE_BYTES
        for group in (parts, patterns):
            present = [name for name in group if name in self.hooks]
            size = sum(self._bytes(name, n_prompts, n_pos) for name in present)
            if size <= budget:
                chosen += [self.points[name] for name in present]
                budget -= size
            elif group is patterns and not padded:
                pool = finest_pool(self.n_layers * self.n_heads, n_pos)
                chosen += [pooled_name(self.points[name], pool) for name in present]
        return chosen

    def _bytes(self, name: str, n_prompts: int, n_pos: int) -> int:
        return 4 * hook_kind(name).size(self.hooks[name], n_prompts, n_pos)


def _layers(numbers: Sequence[int]) -> str:
    """The beginning of a sentence about layers."""
    if len(numbers) == 1:
        return f"Layer {numbers[0]} has"
    return f"Layers {', '.join(map(str, numbers))} have"


def probe(model: TransformerModel) -> ModelFacts:
    """Runs ``model`` on a few tokens and reads its shape, device, dtype and weight processing."""
    hooked = read_structure(model)[0].user_code
    # A hook may be made for the prompts of a session and for no others.
    with without_user_code(model):
        found = _probe(model, tuple(hooked))
    return _with_hooks(model, found) if hooked else found


def _with_hooks(model: TransformerModel, found: ModelFacts) -> ModelFacts:
    """The same, and whether prompts stand alone under a user's hooks, where these can be tried."""
    batch = Batch.of(model)
    try:
        trials, _ = try_batch(model, batch, forward(model, batch.alone).logits)
    except Exception:
        log.debug("hooks on %s fit its own prompts alone", found.name, exc_info=True)
        return found
    together = replace(
        found.batch,
        batched=found.batch.batched and trials.batched,
        padding=found.batch.padding and trials.padding,
        unmasked=found.batch.unmasked and trials.unmasked,
    )
    return replace(found, batch=together)


def _probe(model: TransformerModel, hooked: tuple[str, ...]) -> ModelFacts:
    cfg = model.cfg
    batch = Batch.of(model)
    logits, cache = _first_run(model, batch.alone)
    hooks = {name: tuple(value.shape) for name, value in cache.items()}
    points = model.hook_dict  # made anew each time that it is asked for
    trials, recorded = try_batch(model, batch, logits)
    calls = [] if recorded is None else recorded.calls
    resumable = recorded is not None and _resumes_exactly(model, recorded, batch.mask)
    layers = layers_of(cfg.n_layers, hooks)
    token_logits = logits_stand_alone(model, batch.alone, logits, cache)
    plain = _Plain(model, hooks, batch.alone, logits, calls if resumable else [])
    return ModelFacts(
        name=str(cfg.model_name),
        n_layers=cfg.n_layers,
        n_heads=cfg.n_heads,
        n_ctx=cfg.n_ctx,
        d_vocab=cfg.d_vocab,
        hooks=hooks,
        points={name: points[name].name for name in hooks},
        **_form(model),
        # Nobody knows which rows and positions a user's hook expects: it is given the session's
        # prompts as they are, by the model's own forward.
        resumable=resumable and trials.batched and not hooked,
        pattern_edits=plain.uses_edits("attn.hook_pattern"),
        score_edits=plain.uses_edits("attn.hook_attn_scores"),
        token_logits=token_logits and not hooked,
        reads_out=reads_out(model, logits, cache, stand_alone=token_logits),
        finite=bool(logits.isfinite().all()),
        batch=trials,
        layers=layers,
        beyond=changes_beyond(model),
        no_sum=_no_sum(hooked, token_logits) or no_sum(model, layers, cache),
        hooked=hooked,
        places=placement.places(model),
        on_disk=placement.on_disk(model),
        quantised=placement.quantisation(model),
        differentiable=placement.passes_gradients(model, logits.dtype),
    )


def _first_run(
    model: TransformerModel, tokens: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits and all activations. InputError where the model itself fails, whoever runs it."""
    try:
        with torch.no_grad():
            logits, cache = model.run_with_cache(tokens, return_cache_object=False, use_cache=False)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"The model cannot run: on two tokens it raised {type(error).__name__}: {error}",
            f"Try model(torch.tensor({tokens.tolist()})) by itself: its configuration may not fit "
            "its parts.",
        ) from error
    here = home(model)
    return logits.to(here), {
        name: value.to(here) for name, value in cache.items() if isinstance(value, torch.Tensor)
    }


def _no_sum(hooked: tuple[str, ...], token_logits: bool) -> str:
    if hooked:
        return f"hooks of yours run in it, at {first_few(hooked)}"
    return "" if token_logits else "its logits are not read off the final norm one by one"


def _resumes_exactly(model: TransformerModel, whole: WholeForward, mask: torch.Tensor) -> bool:
    """Whether calling the blocks one by one gives the model's own logits.

    Tried on prompts of which one is padded, so that masks and positions matter.
    """
    if len(whole.calls) != model.cfg.n_layers:
        return False
    try:
        again = unembed(model, resume(model, whole.calls, 0).normed)
    except Exception:
        # Whatever stands in the way of calling blocks, the model's own forward still works.
        log.debug("blocks of %s cannot be called one by one", model.cfg.model_name, exc_info=True)
        return False
    real = mask.bool()
    return close(whole.logits[real], again[real])


@dataclass(frozen=True)
class _Plain:
    """The run that edits are tried on: from the block they lie in where that can be run alone."""

    model: TransformerModel
    hooks: Mapping[str, tuple[int, ...]]
    tokens: torch.Tensor
    logits: torch.Tensor
    calls: Sequence[BlockCall]

    def uses_edits(self, part: str) -> bool:
        """Whether editing an activation changes the output: some attentions only report theirs."""
        named = [f"blocks.{layer}.{part}" for layer in range(self.model.cfg.n_layers)]
        present = [layer for layer, name in enumerate(named) if name in self.hooks]
        if not present:
            return False
        layer = present[-1]
        edit: Hook = (named[layer], lambda x, hook: torch.zeros_like(x))
        try:
            with warnings.catch_warnings():
                # TransformerLens warns of an edit that it discards: that is the answer here.
                warnings.simplefilter("ignore")
                return not torch.equal(self._run(layer, []), self._run(layer, [edit]))
        except Exception:
            log.debug("%s: edits of %s", self.model.cfg.model_name, part, exc_info=True)
            return False

    def _run(self, layer: int, hooks: list[Hook]) -> torch.Tensor:
        if self.calls:
            return resume(self.model, self.calls, layer, hooks=hooks).normed
        return forward(self.model, self.tokens, hooks=hooks).logits if hooks else self.logits


def _form(model: TransformerModel) -> dict[str, str]:
    """What can change about a model after it was probed."""
    parameter = next(iter(model.parameters()))
    return {
        # Not its home, which a model has only as long as it has numbers.
        "device": str(parameter.device),
        # The configuration can name another dtype than a preloaded model has.
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "weights": weight_processing(model),
    }


def weight_processing(model: TransformerModel) -> str:
    """ "raw", or what compatibility mode did to the weights."""
    if not getattr(model, "compatibility_mode", False):
        return "raw"
    folded = "layer norms folded" if model.cfg.layer_norm_folding else "compatibility mode"
    return f"processed: {folded}"
