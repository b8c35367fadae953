"""Weight circuits and composition scores as code that needs nothing of lens_widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lens_widgets.analysis.weights.circuit_choice import CircuitKind, choose_circuit
from lens_widgets.analysis.weights.composition import KINDS, SEEDS, Kind
from lens_widgets.analysis.weights.head_weights import model_of, parse_head
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.transformer_lens_private import attention_scale
from lens_widgets.errors import check_choice
from lens_widgets.interventions.code import first_lines

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_WEIGHTS = '''

def head_weights(layer, head):
    """W_Q, W_K, W_V [d_model, d_head] and W_O [d_head, d_model] of one head."""
    found = []
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        whole = getattr(model.blocks[layer].attn, name).detach().float()
        # Under grouped-query attention several heads share keys and values.
        found.append(whole[head * len(whole) // model.cfg.n_heads])
    return found


rows, columns = {rows}, {columns}  # {counted}
{embeddings}
Q, K, V, O = head_weights({layer}, {head})
{more}left = {left}
right = {right}
'''

_FACTORS = {
    "OV": ("W_E @ V", "O @ W_U"),
    "QK": ("W_E @ Q", "(W_E @ K).T"),
    "positions": ("W_pos @ Q", "(W_pos @ K).T"),
    "K": ("W_E @ Q", "(W_E @ writer_V @ (writer_O @ K)).T"),
    "Q": ("W_E @ writer_V @ (writer_O @ Q)", "(W_E @ K).T"),
    "V": ("W_E @ writer_V", "(writer_O @ V) @ (O @ W_U)"),
}

_PRODUCT = "tile = left[rows] @ right[:, columns]  # [row, column]\n"
_SOFTMAX = """scores = left[rows] @ right / model.cfg.d_head**0.5
later = torch.arange(len(left))[None] > torch.tensor(rows)[:, None]
scores = scores.masked_fill(later.to(scores.device), -torch.inf)
tile = scores.softmax(dim=-1)[:, columns]  # [row, column]
"""

_POOLED = """
# Of each {pool} x {pool} entries the one of the largest magnitude.
short = [-size % {pool} for size in tile.shape]
cells = torch.nn.functional.pad(tile, (0, short[1], 0, short[0]))
cells = cells.unflatten(0, (-1, {pool})).unflatten(2, (-1, {pool})).transpose(1, 2).flatten(2)
tile = cells.gather(2, cells.abs().argmax(dim=2, keepdim=True))[..., 0]
"""

_COMPOSITION = '''

def weights(name, layer):
    """W_Q, W_K, W_V or W_O of all heads; under grouped-query attention keys and values repeat."""
    whole = getattr(model.blocks[layer].attn, name).detach().float()
    return whole.repeat_interleave(model.cfg.n_heads // len(whole), dim=0)


def product_norm(left, right):
    """Frobenius norms of left @ right, head by head, from matrices of d_head x d_head."""
    gram = left.transpose(1, 2) @ left
    return torch.einsum("hij,hjm,him->h", gram, right, right).clamp(min=0).sqrt()


def score(a, b, c, d):
    """|a b c d| / (|a b| |c d|) for all pairs of heads, Frobenius norms."""
    middle = torch.einsum("ihm,jmg->ijhg", b, c)
    left, right = a.transpose(1, 2) @ a, d @ d.transpose(1, 2)
    squared = torch.einsum("ijhg,ihk,ijkl,jlg->ij", middle, left, middle, right)
    return squared.clamp(min=0).sqrt() / (product_norm(a, b)[:, None] * product_norm(c, d)[None])


n_layers, n_heads = model.cfg.n_layers, model.cfg.n_heads
scores = torch.full((n_layers, n_heads, n_layers, n_heads), torch.nan)
layers = {layers}
for dst in layers:
{reader}
    for src in range(dst):
        if src not in layers:
            continue
        scores[src, :, dst] = score(weights("W_V", src), weights("W_O", src), into, out).cpu()
'''

_READERS = {
    "Q": '    into, out = weights("W_Q", dst), weights("W_K", dst).transpose(1, 2)',
    "K": '    into, out = weights("W_K", dst), weights("W_Q", dst).transpose(1, 2)',
    "V": '    into, out = weights("W_V", dst), weights("W_O", dst)',
}

_BASELINE = """
# Of random matrices of the same shapes, the mean over seeds.
tall, wide = (weights(name, layers[0])[:1].shape for name in ("W_V", "W_O"))
random = []
for seed in range({seeds}):
    numbers = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shape, generator=numbers) for shape in (tall, wide, tall, wide)]
    random.append(score(*drawn))
baseline = torch.stack(random).mean()
scores = scores - baseline
"""


def circuit_script(
    source: Session | Any,
    kind: CircuitKind,
    head: str,
    writer: str | None = None,
    *,
    rows: Sequence[int],
    columns: Sequence[int],
    pool: int = 1,
) -> str:
    """A script that expects ``model`` and leaves ``tile`` [row, column]: the entries of a circuit
    for these token ids (for ``"positions"``: these positions).

    ``writer``: the earlier head, for ``"K"``, ``"Q"`` and ``"V"``. The numbers of
    ``ov_circuit(source, head).tile(rows, columns)`` and its like; from ``pool`` 2 on, of each block
    of ``pool`` x ``pool`` of them the one of the largest magnitude. InputError where the model has
    no such circuit or token.
    """
    model = model_of(source)
    circuit = choose_circuit(model, kind, head, writer)
    for axis, chosen in enumerate((rows, columns)):
        circuit.indices(chosen, axis)
    left, right = _FACTORS[kind]
    layer, index = parse_head(model, head)
    more = _scaled("O", model, layer)
    if "writer" in left + right:
        first, other = parse_head(model, str(writer), "writer")
        more += f"_, _, writer_V, writer_O = head_weights({first}, {other})\n"
        more += _scaled("writer_O", model, first)
    # Some tables of positions have rows before the first one.
    names = {"W_E": "", "W_U": "", "W_pos": "[-model.cfg.n_ctx :]"}
    code = _WEIGHTS.format(
        rows=_listed(rows),
        columns=_listed(columns),
        counted="positions" if circuit.axis == "position" else "token ids",
        embeddings="\n".join(
            f"{name} = model.{name}.detach().float(){part}"
            for name, part in names.items()
            if name in left + right
        ),
        layer=layer,
        head=index,
        more=more,
        left=left,
        right=right,
    )
    begin = "\n".join(first_lines(["model"], ["tile"])) + "\n"
    entries = _SOFTMAX if circuit.causal else _PRODUCT
    return begin + code + entries + (_POOLED.format(pool=pool) if pool > 1 else "")


def _listed(chosen: Sequence[int]) -> str:
    """Rows or columns written out; those of a window by where they begin and end."""
    if isinstance(chosen, range):
        return f"list(range({chosen.start}, {chosen.stop}))"
    return str(list(chosen))


def _scaled(name: str, model: TransformerModel, layer: int) -> str:
    """A line for models that multiply what attention writes into the stream (Granite)."""
    scale = attention_scale(model.blocks[layer].attn)
    return "" if scale == 1.0 else f"{name} = {scale!r} * {name}\n"


def composition_script(
    kind: Kind = "K", baseline: bool = True, layers: Sequence[int] | None = None
) -> str:
    """A script that expects ``model`` and leaves ``scores`` [src_layer, src_head, dst_layer,
    dst_head], NaN where the destination does not come later.

    ``baseline``: minus the mean score of random matrices, which it leaves as ``baseline``. The
    numbers of ``composition_scores(model, kind, baseline)``. ``layers``: those that have weights by
    heads; None for all.
    """
    check_choice("kind", kind, KINDS)
    lines = first_lines(["model"], ["scores", "baseline"] if baseline else ["scores"])
    code = _COMPOSITION.format(
        reader=_READERS[kind], layers="range(n_layers)" if layers is None else list(layers)
    )
    return "\n".join(lines) + "\n" + code + (_BASELINE.format(seeds=SEEDS) if baseline else "")
