"""Models from state dicts of one's own: read without pickle, checked whole, loaded whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lens_widgets.engine.origin import Origin, remember_origin
from lens_widgets.errors import InputError, shown

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

State = dict[str, Tensor]

_WRAPPERS = ("model_state_dict", "state_dict")
_PREFIXES = ("_orig_mod.", "module.")
_FILES = ("model.safetensors", "pytorch_model.bin")
_OLD = re.compile(r"(^|\.)_?[Wb]_(Q|K|V|O|in|out|gate|E|U|pos)$")
_BRIDGE = ("embed.weight", "unembed.weight", "blocks.0.attn.q.weight")
# Constant buffers that older Hugging Face models wrote along with their weights.
_BUFFERS = re.compile(r"(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$")
_LISTED = 60


def load_checkpoint(
    path: str | os.PathLike[str],
    config: Any,
    tokenizer: Any = None,
    *,
    device: str | torch.device | None = None,
    name: str | None = None,
) -> TransformerBridge:
    """A model of one's own from a file of weights, in eval mode and float32.

    Reads state dicts of Hugging Face models, of ``TransformerBridge`` and of the older
    ``HookedTransformer``; the prefixes ``_orig_mod.`` and ``module.`` and the wrappers
    ``"model_state_dict"`` and ``"state_dict"`` are taken off.

    Args:
        path: a ``.safetensors`` file, or one written by ``torch.save``, read with
            ``weights_only=True``: pickled code is never run. Or a folder with ``model.safetensors``
            or ``pytorch_model.bin``.
        config: what the model is. Of Hugging Face: a configuration object, a dict with
            ``"model_type"``, or a folder with ``config.json``. Of TransformerLens: a dict for
            ``TransformerBridge.boot_native``, or a ``TransformerBridgeConfig``.
        tokenizer: a Hugging Face tokenizer. It may be left out where ``config`` is a folder that
            has one, and for TransformerLens's own models, whose prompts are then token ids.
        device: where the model is put; the CPU if left out.
        name: what the model is called on screen; the file's name if left out.

    Returns:
        A ``TransformerBridge``, ready for a session.

    Raises:
        InputError: the file cannot be read, or any key is unexpected, missing or of another shape;
            all of them are listed at once, and nothing is loaded.
    """
    file = _find(Path(path))
    weights = _stripped(_unwrapped(_read(file), file))
    title = name or file.stem
    place = torch.device(device or "cpu")
    # Building draws weights that are replaced at once: the caller's random numbers stay as is.
    with torch.random.fork_rng(devices=[]):
        wanted = _hugging_face(config)
        if wanted is not None:
            beside = tokenizer or _tokenizer_beside(config)
            model = _load_hugging_face(weights, wanted, beside, place, title)
        else:
            model = _load_native(weights, _native(config), tokenizer, place, title)
    remember_origin(model, Origin(_code(file, config, tokenizer, place)))
    return model


def _code(file: Path, config: Any, tokenizer: Any, place: torch.device) -> str:
    """Lines that load it again; objects that have no text of their own wait to be put in."""
    path = f"{str(file.resolve())!r}"
    text = repr(config) if isinstance(config, (dict, str)) else "..."
    if isinstance(config, os.PathLike):
        text = repr(os.fspath(config))
    given = "" if tokenizer is None else ", tokenizer=..."
    given += "" if place.type == "cpu" else f", device={str(place)!r}"
    note = "  # put in what you gave" if "..." in text + given else ""
    return f"import lens_widgets as lw\n\nmodel = lw.load_checkpoint({path}, {text}{given}){note}"


# --- the file -----------------------------------------------------------------------------------


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        for name in _FILES:
            if (path / name).is_file():
                return path / name
        raise InputError(f"path={str(path)!r} holds neither {_FILES[0]} nor {_FILES[1]}.", "")
    raise InputError(f"path={str(path)!r} does not exist.", "Give the file of the weights.")


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # Readers raise whatever a damaged or foreign file makes them stumble over.
        reason = str(error).strip().split("\n")[0][:200]
        raise InputError(
            f"path={str(file)!r} cannot be read as weights: {reason}",
            "It takes safetensors, or torch.save of a state dict without pickled code.",
        ) from error


def _unwrapped(found: Any, file: Path) -> State:
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise InputError(
            f"path={str(file)!r} holds {shown(found)}, not a state dict.",
            "Save model.state_dict().",
        )
    foreign = [key for key, value in found.items() if not isinstance(value, Tensor)]
    if foreign:
        raise InputError(
            f"path={str(file)!r} holds more than tensors: {shown(foreign)}.",
            f"Put the weights alone, or under one of {', '.join(map(repr, _WRAPPERS))}.",
        )
    return {str(key): value for key, value in found.items()}


def _stripped(weights: State) -> State:
    for _ in _PREFIXES:
        for prefix in _PREFIXES:
            if all(key.startswith(prefix) for key in weights):
                weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights


# --- the configuration --------------------------------------------------------------------------


def _hugging_face(config: Any) -> Any:
    """A fresh Hugging Face configuration, or None for one of TransformerLens."""
    from transformers import AutoConfig, PreTrainedConfig

    if isinstance(config, PreTrainedConfig):
        return type(config).from_dict(config.to_dict())
    if isinstance(config, Mapping) and "model_type" in config:
        options = {key: value for key, value in config.items() if key != "model_type"}
        try:
            return AutoConfig.for_model(config["model_type"], **options)
        except (ValueError, TypeError) as error:
            raise InputError(f"config={shown(config)} cannot be used.", f"{error}") from error
    if isinstance(config, (str, os.PathLike)):
        try:
            return AutoConfig.from_pretrained(config, local_files_only=True)
        except (OSError, ValueError) as error:
            raise InputError(
                f"config={str(config)!r} is no folder with a Hugging Face config.json.",
                "Give a folder, a configuration object or a dict.",
            ) from error
    return None


def _tokenizer_beside(config: Any) -> Any:
    """The tokenizer in the folder of a configuration; nothing is ever looked up elsewhere."""
    from transformers import AutoTokenizer

    if isinstance(config, (str, os.PathLike)):
        try:
            return AutoTokenizer.from_pretrained(config, local_files_only=True)
        except (OSError, ValueError) as error:
            raise InputError(
                f"tokenizer is missing, and config={str(config)!r} has none.", f"{error}"
            ) from error
    raise InputError(
        "tokenizer is missing, and a Hugging Face model is not opened without one.",
        "Pass it, as AutoTokenizer.from_pretrained(folder) gives it.",
    )


def _native(config: Any) -> dict[str, Any]:
    from transformer_lens.config.transformer_bridge_config import TransformerBridgeConfig

    if isinstance(config, TransformerBridgeConfig):
        return dict(config.to_dict())
    if isinstance(config, Mapping):
        return dict(config)
    raise InputError(
        f"config={shown(config)} is no configuration.",
        "Give that of a Hugging Face model (object, dict or folder) or of boot_native (a dict).",
    )


# --- models -------------------------------------------------------------------------------------


def _load_hugging_face(
    weights: State, config: Any, tokenizer: Any, device: torch.device, name: str
) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import AutoModelForCausalLM

    if any(_OLD.search(key) for key in weights):
        raise InputError(
            "These weights are a HookedTransformer's, and config is of a Hugging Face model.",
            "Give config as the dict that HookedTransformerConfig was made with.",
        )
    hf = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    # TransformerLens reads the class from the configuration, which a fresh one does not have.
    hf.config.architectures = [type(hf).__name__]
    through_bridge = any(key in weights for key in _BRIDGE)
    if not through_bridge:
        _load_into(hf, _for_hugging_face(weights, hf))
        hf.tie_weights()
    bridge: TransformerBridge = TransformerBridge.boot_transformers(
        name, hf_model=hf.to(device).eval(), tokenizer=tokenizer, device=device
    )
    if through_bridge:
        _load_into(bridge, weights)
    return bridge.eval()


def _for_hugging_face(weights: State, hf: Any) -> State:
    """Under the model's own names: body weights alone get their prefix, ties their second name."""
    own = hf.state_dict()
    prefix = f"{hf.base_model_prefix}."
    if not any(key.startswith(prefix) for key in weights):
        weights = {
            key if key in own or f"{prefix}{key}" not in own else f"{prefix}{key}": value
            for key, value in weights.items()
        }
    weights = {k: v for k, v in weights.items() if k in own or not _BUFFERS.search(k)}
    twins: dict[int, list[str]] = {}
    for key, value in own.items():
        twins.setdefault(value.data_ptr(), []).append(key)
    for names in twins.values():
        known = next((key for key in names if key in weights), None)
        for key in names if known and len(names) > 1 else ():
            weights.setdefault(key, weights[known])  # type: ignore[index]
    return weights


def _load_native(
    weights: State, config: dict[str, Any], tokenizer: Any, device: torch.device, name: str
) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge

    # boot_native is attached at run time, which type checkers cannot see.
    bridge_class: Any = TransformerBridge
    try:
        bridge: TransformerBridge = bridge_class.boot_native(
            config, tokenizer=tokenizer, device=device, model_name=name
        )
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(
            f"config={shown(config)} cannot be used.", f"boot_native says: {error}"
        ) from error
    problems: list[str] = []
    if any(_OLD.search(key) for key in weights):
        weights, problems = _converted(weights, bridge.cfg)
    _load_into(bridge, weights, problems)
    return bridge.eval()


def _converted(weights: State, config: Any) -> tuple[State, list[str]]:
    """A HookedTransformer's weights under the bridge's names, and what could not be converted."""
    from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

    converted: State = {}
    problems = []
    for key, value in weights.items():
        try:
            # One by one: the converter stops at the first key that it does not know.
            converted.update(convert_tl_checkpoint({key: value}, config))
        except ValueError as error:
            problems.append(str(error).removeprefix("convert_tl_checkpoint: "))
    return converted, problems


def _load_into(model: torch.nn.Module, weights: State, problems: list[str] | None = None) -> None:
    """Copies all of ``weights`` into ``model``, or raises and leaves it as it was."""
    own = model.state_dict()
    found = list(problems or ())
    found += [f"unexpected: {key}" for key in weights if key not in own]
    found += [f"missing: {key}" for key in own if key not in weights]
    found += [
        f"shape of {key}: {list(value.shape)}, the model has {list(own[key].shape)}"
        for key, value in weights.items()
        if key in own and value.shape != own[key].shape
    ]
    if found:
        more = [f"and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
        raise InputError(
            f"The weights do not fit the configuration, {len(found)} keys:\n  "
            + "\n  ".join(found[:_LISTED] + more),
            "\nNothing was loaded.",
        )
    model.load_state_dict(weights, strict=True)
