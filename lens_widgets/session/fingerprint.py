"""Which model a session's file is of: its shape and a few of its weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.transformer_lens_private import plain_name
from lens_widgets.errors import InputError

_STRUCTURE = ("n_layers", "n_heads", "d_model", "d_vocab", "n_ctx")
_SAMPLES = 4


def fingerprint(model: TransformerModel) -> dict[str, Any]:
    """Shape and a few weights of every parameter: tells models apart, on any device and dtype."""
    cfg = model.cfg
    samples: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        if flat.numel():
            last = flat.numel() - 1
            indices = [last * i // (_SAMPLES - 1) for i in range(_SAMPLES)]
            samples[plain_name(name)] = flat[indices].float().cpu().tolist()
    return {
        "name": str(cfg.model_name),
        **{name: getattr(cfg, name) for name in _STRUCTURE},
        "samples": samples,
    }


def check_fingerprint(path: Path, saved: dict[str, Any], model: TransformerModel) -> None:
    """InputError when ``saved``, the fingerprint in the file at ``path``, is of another model."""
    if not hasattr(model, "named_parameters") or not hasattr(model, "cfg"):
        raise InputError(
            f"model is a {type(model).__name__}, not a TransformerLens model.",
            "Pass the model that the session was saved with.",
        )
    hint = f"Open it with the model it was saved with: {saved['name']}."
    here = fingerprint(model)
    for name in _STRUCTURE:
        if saved[name] != here[name]:
            raise InputError(
                f"{path} is of another model: {name} is {saved[name]}, {here['name']} has "
                f"{here[name]}.",
                hint,
            )
    weights, found = saved["samples"], here["samples"]
    if set(weights) != set(found):
        raise InputError(
            f"{path} is of another model, or its weights were processed in another way: "
            f"{len(set(weights) ^ set(found))} parameters are not in both.",
            f"{hint} Process its weights as they were when it was saved.",
        )
    for name, values in weights.items():
        pairs = zip(values, found[name], strict=True)
        if not all(math.isclose(a, b, rel_tol=2e-2, abs_tol=1e-4) for a, b in pairs):
            raise InputError(
                f"{path} is of another model: the weights of {name} differ.",
                f"{hint} Process its weights as they were when it was saved.",
            )
