"""What a model is and what it can give, found out once per model on two tokens."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lens_widgets.engine.forward import answer_rows, forward, resume, unembed, unembed_tokens
from lens_widgets.engine.hooks import HookKind, hook_kind
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.pooling import finest_pool, pooled_name

log = logging.getLogger(__name__)

CAPTURE_BYTES = 256 << 20

_BLOCK_PARTS = (
    "hook_in",
    "attn.hook_z",
    "hook_attn_out",
    "hook_mlp_out",
    "ln1_post.hook_scale",
    "ln2_post.hook_scale",
)


@dataclass(frozen=True)
class ModelFacts:
    """``hooks`` maps each hook that fires (TransformerLens's short names included) to its shape
    on two tokens, ``points`` to the one name of its hook point. ``mlp_layers`` are those that have
    an MLP output. ``resumable``: blocks can be called one by one; ``pattern_edits``,
    ``score_edits``: attention uses an edited pattern, or edited scores; ``token_logits``: a few
    logits can be computed without the others."""

    name: str
    n_layers: int
    n_heads: int
    n_ctx: int
    d_vocab: int
    mlp_layers: tuple[int, ...]
    hooks: Mapping[str, tuple[int, ...]]
    points: Mapping[str, str]
    device: str
    dtype: str
    weights: str
    resumable: bool
    pattern_edits: bool
    score_edits: bool
    token_logits: bool

    @property
    def has_pos_embed(self) -> bool:
        return "hook_pos_embed" in self.hooks

    @property
    def notes(self) -> list[str]:
        """What a reader of any view of this model should know of it, a sentence each."""
        found = []
        if not self.resumable:
            found.append(
                "Every change takes a whole forward: blocks of this model cannot be run one by one."
            )
        if not self.pattern_edits:
            found.append(
                "Edits of attention patterns do nothing in this model: edit queries, keys or z."
            )
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


def probe(model: TransformerModel) -> ModelFacts:
    """Runs ``model`` on two tokens and reads its shape, device, dtype and weight processing."""
    cfg = model.cfg
    parameter = next(iter(model.parameters()))
    # Two different tokens, neither of them 0: a padding token's embedding can be all zeros.
    tokens = (torch.tensor([[1, 2]]) + cfg.d_vocab // 2).to(parameter.device) % cfg.d_vocab
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens, return_cache_object=False, use_cache=False)
    hooks = {name: tuple(value.shape) for name, value in cache.items() if hasattr(value, "shape")}
    return ModelFacts(
        name=str(cfg.model_name),
        n_layers=cfg.n_layers,
        n_heads=cfg.n_heads,
        n_ctx=cfg.n_ctx,
        d_vocab=cfg.d_vocab,
        mlp_layers=tuple(
            layer for layer in range(cfg.n_layers) if f"blocks.{layer}.hook_mlp_out" in hooks
        ),
        hooks=hooks,
        points={name: model.hook_dict[name].name for name in hooks},
        **_form(model),
        resumable=_resumes_exactly(model),
        pattern_edits=_edits_count(model, tokens, "blocks.0.attn.hook_pattern"),
        score_edits=_edits_count(model, tokens, "blocks.0.attn.hook_attn_scores"),
        token_logits=_logits_stand_alone(model, tokens),
    )


def _resumes_exactly(model: TransformerModel) -> bool:
    """Whether calling the blocks one by one gives the model's own logits.

    Tried on two prompts of which one is padded, so that masks and positions matter.
    """
    tokens = torch.arange(6, device=next(iter(model.parameters())).device).reshape(2, 3)
    tokens = tokens % model.cfg.d_vocab
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]], device=tokens.device)
    try:
        whole = forward(model, tokens, attention_mask=mask, record=True)
        if len(whole.calls) != model.cfg.n_layers:
            return False
        again = unembed(model, resume(model, whole.calls, 0).normed)
    except Exception:
        # Whatever stands in the way of calling blocks, the model's own forward still works.
        log.debug("blocks of %s cannot be called one by one", model.cfg.model_name, exc_info=True)
        return False
    real = mask.bool()
    return _close(whole.logits[real], again[real])


def _logits_stand_alone(model: TransformerModel, tokens: torch.Tensor) -> bool:
    """Whether the logits of a few tokens, computed without the others, are the model's own."""
    try:
        found = forward(model, tokens, capture=["ln_final.hook_out"])
        normed, wanted = found.captured["ln_final.hook_out"][:, -1], tokens[:, :2]
        got = unembed_tokens(model, normed, answer_rows(model, wanted), wanted)
    except Exception:
        log.debug("%s has no unembedding to read", model.cfg.model_name, exc_info=True)
        return False
    return _close(found.logits[:, -1].gather(1, wanted), got)


def _close(expected: torch.Tensor, got: torch.Tensor) -> bool:
    tolerance = 1e-4 if expected.dtype in (torch.float32, torch.float64) else 2e-2
    return torch.allclose(expected.float(), got.float(), rtol=tolerance, atol=tolerance)


def _edits_count(model: TransformerModel, tokens: torch.Tensor, name: str) -> bool:
    """Whether editing an activation changes the logits: some attentions only report theirs."""
    try:
        plain = forward(model, tokens).logits
        with warnings.catch_warnings():
            # TransformerLens warns of an edit that it discards: that is the answer here.
            warnings.simplefilter("ignore")
            edited = forward(model, tokens, hooks=[(name, lambda x, hook: torch.zeros_like(x))])
    except Exception:
        log.debug("%s has no %s", model.cfg.model_name, name, exc_info=True)
        return False
    return not torch.equal(plain, edited.logits)


def _form(model: TransformerModel) -> dict[str, str]:
    """What can change about a model after it was probed."""
    parameter = next(iter(model.parameters()))
    return {
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
