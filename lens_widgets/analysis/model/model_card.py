"""What a model is, in words: its shape, its design, its weights, and what was found by trying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lens_widgets.analysis.model.parameters import Parameters
from lens_widgets.engine.memory import free_bytes
from lens_widgets.engine.model import TransformerModel, devices_of
from lens_widgets.engine.origin import origin_of
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.prompts.token_text import token_text

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_POSITIONS = {"standard": "learned", "rotary": "rotary", "alibi": "ALiBi"}
_NORMS = {"LN": "LayerNorm", "LNPre": "LayerNorm", "RMS": "RMSNorm", "RMSPre": "RMSNorm"}


@dataclass(frozen=True)
class Fact:
    """One line of the card; ``note`` says more."""

    group: Literal["shape", "design", "weights", "tokenizer"]
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """What was found: ``works`` or not, what follows, and ``how`` it was tried."""

    works: bool
    text: str
    how: str


def model_facts(session: Session, found: Parameters) -> list[Fact]:
    """What the configuration and the weights say of the session's model."""
    cfg, facts = session.model.cfg, session.facts
    return [
        *_shape(cfg, facts, found),
        *_design(session.model, facts, found),
        Fact("weights", "parameters", f"{found.count:,}", "tied matrices counted once"),
        Fact("weights", "dtype", facts.dtype),
        Fact("weights", "device", facts.device, _free(session)),
        *([Fact("weights", "placement", facts.places)] if facts.places else []),
        *([Fact("weights", "stored as", facts.quantised)] if facts.quantised else []),
        Fact("weights", "memory", _megabytes(found.bytes + found.copy_bytes), _copies(found)),
        Fact("weights", "processing", facts.weights),
        *_origin(session.model),
        *_tokenizer(session.model),
    ]


def findings(session: Session) -> list[Finding]:
    """What the trials of the session's model told, and what it means here."""
    facts = session.facts
    points = len(set(facts.points.values()))
    return [
        *_batch(facts),
        _either(
            not facts.no_sum,
            "What embeddings and layers write sums to the logits: direct effects add up.",
            f"Direct effects are refused, as they would not add up: {facts.no_sum}.",
            "the stream before and after each layer on two tokens; the final norm, its scale held",
        ),
        *_layers(facts),
        _either(
            facts.resumable,
            "Blocks run one by one: a change costs only the blocks from there on.",
            "Blocks do not run one by one exactly: every change runs all of them.",
            "four prompts of three tokens, block by block beside the model's own logits",
        ),
        _either(
            facts.pattern_edits,
            "Edited attention patterns change the output.",
            "Edited attention patterns change nothing, so they are refused.",
            "the last layer's patterns set to zero",
        ),
        _either(
            facts.score_edits,
            "Edited attention scores change the output.",
            "Edited attention scores change nothing: a copy is reported.",
            "the last layer's scores set to zero",
        ),
        _either(
            facts.reads_out,
            "Logits are what the final norm and the unembedding make of the last layer's stream.",
            "Logits are more than the final norm and the unembedding: the logit lens is refused.",
            "what both make of the stream after the last layer, beside the model's own logits",
        ),
        _either(
            facts.token_logits,
            "A few logits are computed without the others.",
            "A few logits cannot be computed without all others.",
            "two logits by their columns of the unembedding, beside the model's own",
        ),
        Finding(True, "Logits are finite.", "logits of two tokens and of this session's prompts"),
        Finding(
            True,
            f"{points} activations can be read, by {len(facts.hooks)} names.",
            "every hook that fired on two tokens",
        ),
    ]


def _batch(facts: ModelFacts) -> list[Finding]:
    """What a prompt's numbers depend on besides its own tokens so far."""
    batch = facts.batch
    masked = "with or without an attention mask" if batch.unmasked else "where it is masked"
    found = [
        _either(
            batch.causal,
            "No position sees the tokens after it.",
            "Positions see the tokens after them: every change is computed at all positions.",
            "two prompts that differ in their last token: logits before it",
        ),
        _either(
            batch.batched,
            "A prompt has the numbers that it has alone, whatever is beside it.",
            "A prompt's numbers depend on the prompts beside it: one prompt a session.",
            "two tokens alone, and beside other prompts",
        ),
        _either(
            batch.padding,
            f"Padding changes no number, {masked}.",
            "Padding changes numbers: all prompts of a session have the same length.",
            "two tokens alone, and padded to three: masked, and not masked",
        ),
    ]
    if facts.beyond is not None:
        text = f"A prompt of more than {facts.beyond:,} tokens changes the numbers of all others."
        found.append(Finding(False, text, "read from the configuration: LongRoPE"))
    return found


def _layers(facts: ModelFacts) -> list[Finding]:
    """What layers have and lack."""
    how = "the activations that fired on two tokens, and their shapes"
    lacking = facts.layer_notes
    if lacking:
        return [Finding(False, text, how) for text in lacking]
    parts = "attention and an MLP" if facts.mlp_layers else "attention and no MLP"
    return [Finding(True, f"Every layer has {parts}, of one shape.", how)]


def _either(works: bool, yes: str, no: str, how: str) -> Finding:
    return Finding(works, yes if works else no, how)


def _shape(cfg: Any, facts: Any, found: Parameters) -> list[Fact]:
    key_value = getattr(cfg, "n_key_value_heads", None) or facts.n_heads
    shared = f"{key_value} of keys and values" if key_value != facts.n_heads else ""
    # Some configurations guess the width of the MLPs.
    widths = {m.shape[m.axes.index("d_mlp")] for m in found.matrices if "d_mlp" in m.axes}
    width = " or ".join(f"{width:,}" for width in sorted(widths))
    experts = getattr(cfg, "num_experts", None)
    chosen = f"{cfg.experts_per_token} a token" if experts else ""
    return [
        Fact("shape", "layers", str(facts.n_layers)),
        Fact("shape", "heads", str(facts.n_heads), shared),
        Fact("shape", "d_model", f"{cfg.d_model:,}"),
        Fact("shape", "d_head", f"{cfg.d_head:,}"),
        *([Fact("shape", "d_mlp", width)] if width else []),
        *([Fact("shape", "experts", str(experts), chosen)] if experts else []),
        Fact("shape", "d_vocab", f"{facts.d_vocab:,}"),
        Fact("shape", "context", f"{facts.n_ctx:,} tokens"),
    ]


def _design(model: TransformerModel, facts: Any, found: Parameters) -> list[Fact]:
    cfg = model.cfg
    positions = str(cfg.positional_embedding_type)
    rotary_dim = getattr(cfg, "rotary_dim", None)
    part = f"{rotary_dim} of {cfg.d_head} dimensions" if rotary_dim else ""
    norm = str(cfg.normalization_type)
    after = "blocks.0.ln1_post.hook_out" in facts.hooks
    lines = [
        Fact("design", "architecture", str(cfg.architecture)),
        Fact("design", "positions", _POSITIONS.get(positions, positions), part),
        Fact(
            "design",
            "norm",
            _NORMS.get(norm, norm),
            "of what attention and MLPs write, too" if after else "",
        ),
    ]
    if facts.mlp_layers:
        gated = "gated" if getattr(cfg, "gated_mlp", False) else ""
        lines.append(Fact("design", "activation", str(cfg.act_fn), gated))
    else:
        lines.append(Fact("design", "MLPs", "none"))
    if getattr(cfg, "parallel_attn_mlp", False):
        lines.append(Fact("design", "block", "attention and MLP side by side"))
    window = _window(model)
    if window:
        lines.append(Fact("design", "attention window", *window))
    for what in ("attn_scores", "output_logits"):
        cap = getattr(cfg, f"{what}_soft_cap", None)
        if cap and cap > 0:
            name = {"attn_scores": "score cap", "output_logits": "logit cap"}[what]
            lines.append(Fact("design", name, f"{cap:g}", "soft"))
    tied = any("unembed.weight" in m.shared or "W_U" in m.shared for m in found.matrices)
    lines.append(Fact("design", "embedding", "tied to the unembedding" if tied else "not tied"))
    return lines


def _window(model: TransformerModel) -> tuple[str, str] | None:
    """How far attention looks back where it does not see all, from Hugging Face's configuration."""
    config = getattr(getattr(model, "original_model", None), "config", None)
    local = [
        kind in ("sliding_attention", "local")
        for kind in getattr(config, "layer_types", None)
        or getattr(config, "attention_layers", None)
        or ()
    ]
    width = getattr(config, "sliding_window", None) or getattr(config, "window_size", None)
    if not width or not getattr(config, "use_sliding_window", True) or (local and not any(local)):
        return None
    layers = f"in {sum(local)} of {len(local)} layers" if local and not all(local) else ""
    return f"{width:,} tokens", layers


def _tokenizer(model: TransformerModel) -> list[Fact]:
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return [Fact("tokenizer", "tokenizer", "none", "prompts are token ids")]
    lines = [Fact("tokenizer", "tokenizer", type(tokenizer).__name__)]
    if tokenizer.bos_token_id is not None:
        lines.append(Fact("tokenizer", "BOS", token_text(tokenizer, tokenizer.bos_token_id)))
    return lines


def _origin(model: TransformerModel) -> list[Fact]:
    """Whose the weights are, where whoever loaded them has told."""
    origin = origin_of(model)
    told = {} if origin is None else {"licence": origin.licence, "source": origin.source}
    return [Fact("weights", name, value) for name, value in told.items() if value]


def _free(session: Session) -> str:
    free = [(device, free_bytes(device) / 1e9) for device in devices_of(session.model)]
    if len(free) == 1:
        return f"{free[0][1]:.1f} GB free"
    return ", ".join(f"{size:.1f} GB free on {device}" for device, size in free)


def _copies(found: Parameters) -> str:
    notes = []
    if found.copy_bytes:
        notes.append(f"{_megabytes(found.copy_bytes)} are joint matrices kept beside their parts")
    if found.buffer_bytes > 1e5:
        notes.append(f"and {_megabytes(found.buffer_bytes)} of masks and tables")
    return ", ".join(notes)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
