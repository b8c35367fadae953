"""Options that views share, each defined once as a synced trait."""

from __future__ import annotations

from typing import Any

from lens_widgets.views.options import option as option_of
from lens_widgets.wire.options import option_types


def _trait(option: str, **limits: Any) -> Any:
    """The synced trait of an option as ``protocol.Options`` declares it.

    ``limits`` go to the trait: ``min`` and ``max`` of a number, ``minlen`` and ``maxlen`` of a
    list.
    """
    hint, default = option_types()[option]
    return option_of(hint, default, "", **limits)


def show() -> Any:
    """Which run's patterns: the current one's, the baseline's, or their difference."""
    return _trait("show")


def token_mode() -> Any:
    """What a picked token means: what it attends from, or what attends to it."""
    return _trait("token_mode")


def color() -> Any:
    """What colours the tokens: next-token loss, or whether the true next token ranks first."""
    return _trait("color")


def by() -> Any:
    """How finely effects are split."""
    return _trait("by")


def scope() -> Any:
    """Mean over all prompts, or the selected prompt."""
    return _trait("scope")


def kind() -> Any:
    """What an ablation puts in place of the output."""
    return _trait("kind")


def values() -> Any:
    """What colours the ablation grid: direct attribution, or the exact effect of ablating."""
    return _trait("values")


def attention_mode() -> Any:
    """What is shown of attention: weights, weights times value norms, or scores."""
    return _trait("attention_mode")


def head_average() -> Any:
    """One head's pattern, the mean over its layer's heads, or the mean over all heads."""
    return _trait("head_average")


def skip_bos() -> Any:
    """Whether the first token, BOS, is left out of the colours."""
    return _trait("skip_bos")


def read_at() -> Any:
    """Read the logits where the metric does, or at the selected query position."""
    return _trait("read_at")


def lens_color() -> Any:
    """What colours the lens: the top token's probability, the target's rank, or the divergence."""
    return _trait("lens_color")


def lens_target() -> Any:
    """Whose rank the lens tells: the answer's, the true next token's, or what there is."""
    return _trait("lens_target")


def lens_order() -> Any:
    """Whether the lens has the last stage on top, or the first."""
    return _trait("lens_order")


def incl_mid() -> Any:
    """Whether stages between attention and MLP are shown."""
    return _trait("incl_mid")


def pins() -> Any:
    """Ids of the tokens that are followed from stage to stage; none: the answers."""
    return _trait("pins", maxlen=12)


def composition() -> Any:
    """Whether the reader's keys, queries or values are looked at."""
    return _trait("composition")


def subtract_random() -> Any:
    """Whether the score of random matrices is subtracted."""
    return _trait("subtract_random")


def circuit() -> Any:
    """Which weight circuit of a head, or of a pair of heads."""
    return _trait("circuit")


def circuit_tokens() -> Any:
    """Whether a circuit is shown between the prompt's tokens or over the whole vocabulary."""
    return _trait("circuit_tokens")


def top_k() -> Any:
    """How many tokens a list names."""
    return _trait("top_k", min=1, max=100)


def neuron() -> Any:
    """A neuron as in ``"L3N1024"``."""
    return _trait("neuron", pattern=r"L\d{1,6}N\d{1,7}", form="a layer and a neuron, as 'L3N1024'")


def sources_by() -> Any:
    """Whether heads are sources by themselves or a layer's together."""
    return _trait("sources_by")


_SOURCE = r"(L\d+(H\d+|\.attn|\.mlp)|embed|pos_embed|bias|interventions)?"


def query_source() -> Any:
    """The chosen writer of queries; empty for all together."""
    return _trait("query_source", pattern=_SOURCE, form="a source such as 'L0H7' or 'embed'")


def key_source() -> Any:
    """The chosen writer of keys; empty for all together."""
    return _trait("key_source", pattern=_SOURCE, form="a source such as 'L0H7' or 'embed'")


def patch_maps() -> Any:
    """Which maps: of blocks by position, or of heads."""
    return _trait("patch_maps")


def patch_into() -> Any:
    """Which run is patched: the corrupted one from the clean one, or the reverse."""
    return _trait("patch_into")


def by_pos() -> Any:
    """Whether heads are patched at all positions at once, or position by position."""
    return _trait("by_pos")


def normalize() -> Any:
    """Whether the corrupted metric is shown as 0 and the clean one as 1."""
    return _trait("normalize")


def activation() -> Any:
    """The hook of the activation that is shown; empty: none."""
    return _trait("activation")


def slice_rows() -> Any:
    """Whether an activation's rows are its positions or its heads."""
    return _trait("slice_rows")


def group_by() -> Any:
    """Whether activations are listed by layer, or each hook through all layers."""
    return _trait("group_by")
