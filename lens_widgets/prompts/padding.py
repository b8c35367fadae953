"""Which tokens of a batch are padding: told by a mask, plain from the ids, or asked for.

Padding that is mistaken for text, or text for padding, changes every number and raises nothing. So
ids settle it only where they can mean one thing; what was taken as padding is said in a note.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError
from lens_widgets.prompts.token_text import token_text

_ROLES = ("bos", "eos", "unk", "cls", "sep")
"""What a padding token can be besides; then a prompt may hold it as a token of its own."""

Ends = list[tuple[int, int]]
"""How many tokens of padding each row begins and ends with."""


def unpadded(
    model: TransformerModel, rows: list[list[int]], argument: str, mask: Any = None
) -> tuple[list[list[int]], tuple[str, ...]]:
    """The rows without their padding, and what a reader should know of how it was found.

    A row by itself has no padding. Several rows that differ in how many padding tokens they have
    at one end are plain, where these can be nothing else.

    Args:
        model: whose tokenizer says which token pads.
        rows: token ids, all of one length.
        argument: what they are called in errors and notes.
        mask: 1 at the prompts' own tokens and 0 at padding [prompt, pos], or None.

    Raises:
        InputError: a mask that does not fit; ids that leave open what is padding.
    """
    if mask is not None:
        return _masked(rows, argument, mask), ()
    pad = pad_id(model)
    if pad is None:
        return rows, ()
    runs = [(_run(row, pad), _run(row[::-1], pad)) for row in rows]
    if len(rows) == 1:
        return rows, _alone(model, pad, runs[0], argument)
    ends = _plain_ends(model, pad, runs, len(rows[0]))
    if ends is None:
        raise InputError(
            f"{argument}: token id {pad} ({token_text(model.tokenizer, pad)}) pads in this model's "
            "tokenizer, and from where it stands in these rows cannot be told which of it is "
            "padding.",
            "Pass attention_mask= of the same shape: 1 at the prompts' own tokens, 0 at padding.",
        )
    cut = [row[start : len(row) - end] for row, (start, end) in zip(rows, ends, strict=True)]
    return cut, _told(model, pad, ends, argument)


def pad_id(model: TransformerModel) -> int | None:
    """The tokenizer's padding token, when there is one."""
    pad = getattr(model.tokenizer, "pad_token_id", None)
    return pad if isinstance(pad, int) else None


def fill_id(model: TransformerModel) -> int:
    """What fills a batch behind a shorter prompt: any token that the model embeds will do."""
    pad = pad_id(model)
    return pad if pad is not None and 0 <= pad < model.cfg.d_vocab else 0


def padded(rows: list[list[int]], fill: int, device: torch.device) -> Tensor:
    """The rows as one tensor [prompt, pos], filled up on the right."""
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows], device=device)


def _run(row: list[int], pad: int) -> int:
    return next((i for i, token in enumerate(row) if token != pad), len(row))


def _plain_ends(
    model: TransformerModel, pad: int, runs: list[tuple[int, int]], length: int
) -> Ends | None:
    """Where the padding is, or None where ids leave it open."""
    if any(start == length for start, _ in runs):
        return None
    starts, ends = ([run[side] for run in runs] for side in (0, 1))
    tokenizer = model.tokenizer
    before: list[int] | None = starts
    after: list[int] | None = ends
    if pad in {getattr(tokenizer, f"{role}_token_id", None) for role in _ROLES}:
        before = _beyond_own(starts, begins=pad == tokenizer.bos_token_id)
        after = _beyond_own(ends, begins=False)
    if before is None or after is None or (any(before) and any(after)):
        return None
    return list(zip(before, after, strict=True))


def _beyond_own(runs: list[int], *, begins: bool) -> list[int] | None:
    """Of runs at one end, of a token that prompts may hold too, what is padding; None if unclear.

    ``begins``: the token is BOS, and this is the end where prompts begin.
    """
    least = min(runs)
    if least == max(runs) and least <= 1:
        # Every prompt has its BOS or EOS, or none has.
        return [0] * len(runs)
    if begins:
        # One BOS each, and padding before it. Where a prompt has none, one may be either.
        return [run - 1 for run in runs] if least == 1 else None
    return runs if least == 0 else None


def _masked(rows: list[list[int]], argument: str, mask: Any) -> list[list[int]]:
    hint = "Pass 1 at the prompts' own tokens and 0 at padding, as tokenizers return it."
    shape = [len(rows), len(rows[0])]
    try:
        given = (
            mask if isinstance(mask, Tensor) else torch.as_tensor(np.asarray(mask), device="cpu")
        )
    except (TypeError, ValueError):
        raise InputError(
            f"attention_mask is a {type(mask).__name__} of no single shape; {argument} has shape "
            f"{shape}.",
            hint,
        ) from None
    if given.dim() == 1 and shape[0] == 1:
        given = given[None]
    if list(given.shape) != shape:
        raise InputError(
            f"attention_mask has shape {list(given.shape)}; {argument} has shape {shape}.", hint
        )
    if not bool(((given == 0) | (given == 1)).all()):
        raise InputError("attention_mask holds something else than 0 and 1.", hint)
    found: list[list[int]] = []
    for index, (row, own) in enumerate(zip(rows, given.bool().tolist(), strict=True)):
        if not any(own):
            raise InputError(f"attention_mask[{index}] is 0 everywhere.", hint)
        start, end = own.index(True), len(own) - own[::-1].index(True)
        if not all(own[start:end]):
            raise InputError(
                f"attention_mask[{index}] has padding in the middle of the prompt.",
                "Move it to one end, or leave those tokens out: positions would not be the same.",
            )
        found.append(row[start:end])
    return found


def _alone(
    model: TransformerModel, pad: int, run: tuple[int, int], argument: str
) -> tuple[str, ...]:
    """A note where a row by itself looks padded, unless it begins or ends with its BOS or EOS."""
    tokenizer = model.tokenizer
    start = run[0] - (pad == tokenizer.bos_token_id)
    end = run[1] - (pad == tokenizer.eos_token_id)
    if max(start, end) <= 0:
        return ()
    return (
        f"{argument}: token id {pad} ({token_text(tokenizer, pad)}) at an end of the one row was "
        "taken as part of the prompt. Pass attention_mask= if it is padding.",
    )


def _told(model: TransformerModel, pad: int, ends: Ends, argument: str) -> tuple[str, ...]:
    cut = [index for index, run in enumerate(ends) if any(run)]
    if not cut:
        return ()
    side = "beginning" if any(start for start, _ in ends) else "end"
    some = ", ".join(map(str, cut[:6])) + (", …" if len(cut) > 6 else "")
    return (
        f"{argument}: token id {pad} ({token_text(model.tokenizer, pad)}) at the {side} of "
        f"row{'s' * (len(cut) > 1)} {some} was taken as padding. Pass attention_mask= if it "
        "belongs to the prompts.",
    )
