"""The numbers of both demos, by quantity: what a change of the code's layout must leave as it is.

``python -m tests.unit.recorded_numbers`` records them anew, which is right only where a number was
wrong before; the commit that does so says which and why. They are those of the models in float64,
where the order of sums, which differs between processors, is not seen in the sixth digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from safetensors.numpy import load_file, save_file

import lens_widgets as lw

FILE = Path(__file__).parent / "data" / "recorded_numbers.safetensors"
AT_MOST = 160
"""Entries kept of one array. They are spread over all of it."""

DEMOS = ("ioi", "induction")
CONDITIONS = ("plain", "edited")
KINDS: tuple[Literal["zero", "mean", "resample"], ...] = ("zero", "mean", "resample")
READ: tuple[Literal["Q", "K", "V"], ...] = ("Q", "K", "V")

Quantity = Callable[[lw.Session], Any]


def demo_session(name: str, dtype: torch.dtype) -> lw.Session:
    """Few and short prompts, with corrupted ones, and the metric that belongs to them."""
    model = lw.load_demo(name)
    torch.nn.Module.to(model, dtype)
    if name == "ioi":
        return lw.Session(model, lw.prompts.ioi(4, seed=1))
    pairs = lw.prompts.repeated_tokens(model, seq_len=8, batch=3, seed=1, corrupted="AB")
    return lw.Session(model, pairs, metric=pairs.metric)


def edits(session: lw.Session) -> list[Any]:
    """One of each kind, on components that matter."""
    size = session.model.cfg.d_model
    vector = torch.linspace(-1.0, 1.0, size).sin()
    return [
        lw.Ablate("L0H3"),
        lw.Ablate("L1H1", "mean"),
        lw.Ablate("L1H6", "resample", positions=(-1, 2)),
        lw.Patch("blocks.1.attn.hook_q", positions=3, head=7),
        lw.Patch("L0H5", source="corrupted"),
        lw.Steer("blocks.1.hook_resid_pre", vector, 0.3, positions=-1),
    ]


def _tile(circuit: str, *heads_and_session: Any) -> Any:
    """Some rows and columns of one of the circuits; the session comes last."""
    *heads, session = heads_and_session
    made = getattr(lw.analysis, circuit)(session, *heads)
    return made.tile(slice(3, 40, 4), slice(5, 60, 5))


def quantities(session: lw.Session) -> dict[str, Quantity]:
    """Every public function of ``lw.analysis`` with several options, and the session's own runs."""
    a = lw.analysis
    found: dict[str, Quantity] = {
        "logits": lambda s: s.run().logits,
        "metric": lambda s: s.run().metric,
        "loss_per_token": lambda s: s.run().loss_per_token,
        "top_predictions": lambda s: [
            [p.logit for p in row] + [p.prob for p in row] for row in s.run().top_predictions()
        ],
        "token_loss": a.token_loss,
        "token_accuracy": a.token_accuracy,
        "compare_bos": a.compare_bos,
        "accumulated": a.accumulated_attribution,
        "accumulated each": lambda s: a.accumulated_attribution(s, False, per_prompt=True),
        "source L1H4": lambda s: a.attribution_by_source(s, "L1H4"),
        "source L0H2 at 5": lambda s: a.attribution_by_source(s, "L0H2", pos=5, per_prompt=False),
        "lens": lambda s: a.logit_lens(s).drop_vars("tokens"),
        "lens next": lambda s: a.logit_lens(
            s, 3, which="difference", target="next", incl_mid=False, prompt=1
        ).drop_vars("tokens"),
        "lens path": lambda s: a.lens_path(s, [5, 9, 20], prompt=1),
    }
    for by in ("head", "component", "layer"):
        found[f"attribution {by}"] = partial(a.attribution, by=by)
        found[f"attribution {by} each"] = partial(a.attribution, by=by, per_prompt=True)
        found[f"attribution {by} at 4"] = partial(a.attribution, by=by, pos=4)
    found["attribution positions"] = lambda s: a.attribution(s, "component", per_position=True)
    for which in ("baseline", "current", "difference"):
        for mode in ("pattern", "value", "scores"):
            found[f"patterns {which} {mode}"] = partial(
                a.attention_patterns, which=which, prompt=1, mode=mode
            )
        found[f"patterns {which} mean"] = partial(
            a.attention_patterns, which=which, average="layer"
        )
        for name in ("hook_embed", "blocks.1.hook_attn_out", "blocks.1.attn.hook_v", "ln_final"):
            hook = "ln_final.hook_normalized" if name == "ln_final" else name
            found[f"activation {which} {name}"] = partial(
                a.activation, name=hook, which=which, prompt=1
            )
    found["patterns all"] = lambda s: a.attention_patterns(s, average="all")
    for kind in ("previous", "current", "first", "induction", "duplicate"):
        found[f"scores {kind}"] = partial(a.head_scores, kind=kind)
    for kind in KINDS:
        found[f"ablation {kind}"] = partial(a.ablation_sweep, kind=kind)
    found["ablation attn"] = lambda s: a.ablation_sweep(s, over="attn", per_prompt=True)
    for node in ("resid_pre", "attn_out", "z", "q", "k", "v", "pattern"):
        found[f"patching {node}"] = partial(a.patch_sweep, node=node)
        found[f"estimate {node}"] = partial(a.estimate_sweep, node=node, per_prompt=True)
    found["patching z by_pos"] = lambda s: a.patch_sweep(s, "z", True, per_prompt=True)
    # Recorded as shares of the clean run, which is now 0.
    found["patching clean"] = lambda s: 1 - a.patch_sweep(s, "v", into="clean", normalize=True)
    found["estimate by_pos"] = lambda s: a.estimate_sweep(s, "z", True, into="clean")
    found["rank correlation"] = lambda s: a.rank_correlation(
        a.estimate_sweep(s, "z"), a.patch_sweep(s, "z")
    )
    for read in READ:
        found[f"composition {read}"] = partial(a.composition_scores, kind=read)
    found["composition plain"] = lambda s: a.composition_scores(s, "K", baseline=False)
    for name in ("ov", "qk", "pos"):
        found[f"circuit {name}"] = partial(_tile, f"{name}_circuit", "L1H4")
    for name in ("k", "q", "v"):
        made = f"{name}_composition_circuit"
        found[f"circuit {name} composition"] = partial(_tile, made, "L0H3", "L1H4")
    found["copy accuracy"] = lambda s: a.copy_accuracy(s, "L1H4", 5)
    found["singular values"] = lambda s: a.ov_circuit(s, "L1H4").svd[1]
    found["score parts"] = lambda s: a.decompose_scores(s, "L1H4")
    found["score parts layers"] = lambda s: a.decompose_scores(s, "L1H2", prompt=1, by="layer")
    found["parameters"] = lambda s: a.parameter_counts(s).drop_vars("megabytes")
    if session.facts.mlp_layers:
        found["attribution neuron"] = lambda s: a.attribution(s, "neuron", layer=2)
        found["neurons"] = lambda s: a.neuron_activations(s, prompt=1)
        found["neurons of a layer"] = lambda s: a.neuron_activations(s, 3, 17)
        found["top tokens"] = lambda s: a.top_tokens(s, 3, 17)
        found["ablation mlp"] = lambda s: a.ablation_sweep(s, over="mlp")
        found["patching mlp_out"] = lambda s: a.patch_sweep(s, "mlp_out")
    return found


def collect(name: str, condition: str, dtype: torch.dtype = torch.float64) -> dict[str, np.ndarray]:
    """All numbers of a demo, without interventions or under ``edits``."""
    session = demo_session(name, dtype)
    if condition == "edited":
        for item in edits(session):
            session.interventions.add(item)
    kept: dict[str, np.ndarray] = {}
    for title, compute in quantities(session).items():
        for part, values in _arrays(compute(session)):
            kept[f"{name}, {condition}: {title}{part}"] = _some(values)
    return kept


def recorded() -> Mapping[str, np.ndarray]:
    """What was recorded."""
    stored: Mapping[str, np.ndarray] = load_file(FILE)
    return stored


def _arrays(found: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The numbers of a result: its values, standard errors and numeric attributes."""
    if isinstance(found, xr.Dataset):
        for name, column in found.data_vars.items():
            if column.dtype.kind in "fiub":
                yield f" {name}", column.values
    elif isinstance(found, xr.DataArray):
        yield "", found.values
        if "sem" in found.coords:
            yield " sem", found["sem"].values
        for name in ("total", "rest", "before", "clean", "corrupted", "baseline"):
            if name in found.attrs:
                yield f" {name}", np.asarray(found.attrs[name])
    elif isinstance(found, torch.Tensor):
        yield "", found.detach().cpu().numpy()
    else:
        yield "", np.asarray(found)


def _some(values: np.ndarray) -> np.ndarray:
    """At most ``AT_MOST`` entries in a fixed order, as float32."""
    flat = values.astype(np.float32).ravel()
    if flat.size <= AT_MOST:
        return flat
    # A step that shares no factor with any axis, so that no row or column is left out.
    return np.ascontiguousarray(flat[np.arange(AT_MOST) * 7919 % flat.size])


if __name__ == "__main__":
    torch.set_num_threads(1)
    FILE.parent.mkdir(exist_ok=True)
    everything: dict[str, np.ndarray] = {}
    for demo in DEMOS:
        for state in CONDITIONS:
            everything |= collect(demo, state)
    save_file(everything, FILE)
