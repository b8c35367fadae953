"""Where a model came from, as code that makes it again, for scripts that run by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from lens_widgets.engine.model import TransformerModel


@dataclass(frozen=True)
class Origin:
    """``code`` leaves the same model; ``licence`` and ``source`` say under which terms its weights
    come, and from where; empty where nobody knows."""

    code: str
    licence: str = ""
    source: str = ""


_known: WeakKeyDictionary[TransformerModel, Origin] = WeakKeyDictionary()


def remember_origin(model: TransformerModel, origin: Origin) -> None:
    """Notes where ``model`` came from."""
    _known[model] = origin


def origin_of(model: TransformerModel) -> Origin | None:
    """Where a model came from, if whoever loaded it has told."""
    return _known.get(model)


def origin_code(
    model: TransformerModel, device: str, dtype: str, weights: str, quantised: str = ""
) -> str:
    """Lines that leave a model like this one as ``model``, or a place to put one's own.

    A bridge does not say how it was booted. One whose Hugging Face configuration has a name or a
    folder is booted by that; one made of a fresh configuration cannot be made again, nor can one
    whose weights were packed when it was loaded. ``dtype``, ``weights`` and ``quantised`` are those
    of its ``ModelFacts``.
    """
    if model in _known:
        return _known[model].code
    config = getattr(model.original_model, "config", None)
    name = getattr(config, "_name_or_path", "")
    if quantised or not isinstance(name, str) or not name:
        stored = f", {quantised}" if quantised else ""
        return f"model = ...  # your model: {model.cfg.model_name}{stored}"
    places = getattr(model.original_model, "hf_device_map", None)
    options = "" if device == "cpu" else f", device={device!r}"
    if places:
        options = f", device_map={ ({part: _place(at) for part, at in places.items()})!r}"
    if dtype != "float32":
        options += f", dtype=torch.{dtype}"
    lines = [
        "from transformer_lens.model_bridge import TransformerBridge",
        "",
        f"model = TransformerBridge.boot_transformers({name!r}{options})",
        "model.eval()",
    ]
    if weights != "raw":
        lines.append("model.enable_compatibility_mode()  # with the options that you gave it")
    return "\n".join(lines)


def _place(at: Any) -> str | int:
    """A place of a device map, as it is written down."""
    return at if isinstance(at, int) else str(at)
