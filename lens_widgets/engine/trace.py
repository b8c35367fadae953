"""How one batch of tokens is run: once in full, then only from the first block that changes.

An intervention that first touches block l leaves everything before it as it was, so the run resumes
at block l from the recorded one. Embedding-level changes, and models whose blocks cannot be called
one by one with the same result (see ``probe``), take a whole forward: slower, never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.forward import BlockCall, Hook, forward, read_blocks, resume, unembed
from lens_widgets.engine.locks import lock

_EMBEDDING = -1

NORMED = "ln_final.hook_out"
"""What logits are made of: where it is captured, a whole forward's can be let go of."""

FETCHED_BYTES = 256 << 20
"""Activations that were asked for later are kept up to this size: patterns of a long prompt are
quicker to make again, a block at a time, than memory is to get."""


class Trace:
    """What one run of the model gave. Logits and more activations are computed when asked for.

    Several threads may ask at once. None waits for what another computes, which could take until a
    cell ends: each computes it for itself, and what is there first stays.
    """

    def __init__(
        self,
        access: ModelAccess,
        captured: dict[str, Tensor],
        fetch: Callable[[Sequence[str], bool], dict[str, Tensor]],
        *,
        logits: Tensor | None = None,
        normed: Tensor | None = None,
        unembed_hooks: Sequence[Hook] = (),
        calls: Sequence[BlockCall] = (),
    ) -> None:
        self._access = access
        self._captured = captured
        self._fetched: dict[str, Tensor] = {}
        self._fetch = fetch
        self._logits = logits
        self._normed = normed
        self._at_positions: tuple[Tensor, Tensor] | None = None
        self._unembed_hooks = unembed_hooks
        self.calls = calls
        """How each block was called, when this run can be started from; else empty."""
        self._lock = lock("trace")

    @property
    def logits(self) -> Float[Tensor, "prompt pos d_vocab"]:
        """Logits everywhere."""
        known = self._logits
        if known is None:
            known = self._unembed(self._normed)
            with self._lock:
                known = self._logits = known if self._logits is None else self._logits
        return known

    def logits_at(self, positions: Int[Tensor, "prompt"]) -> Float[Tensor, "prompt d_vocab"]:
        """Logits at one position of each prompt, without computing the others. Kept for the same
        tensor of positions: a run's metric and its predictions are read at one."""
        rows = torch.arange(len(positions), device=positions.device)
        everywhere = self._logits
        if everywhere is not None:
            return everywhere[rows, positions]
        if self._unembed_hooks or self._normed is None:
            return self.logits[rows, positions]
        known = self._at_positions
        if known is None or known[0] is not positions:
            made = self._unembed(self._normed[rows, positions][:, None])[:, 0]
            known = self._at_positions = (positions, made)
        return known[1]

    def logits_of(self, prompt: int) -> Float[Tensor, "pos d_vocab"]:
        """Logits at every position of one prompt, without computing the others; not kept."""
        known = self._logits
        if known is not None:
            return known[prompt]
        if self._unembed_hooks or self._normed is None:
            return self.logits[prompt]
        return self._unembed(self._normed[prompt : prompt + 1])[0]

    def activations(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The named activations; those not at hand cost one more run together, of no more than the
        blocks they lie in where these can be called one by one."""
        known = self._known()
        missing = [name for name in names if name not in known]
        if missing:
            self._access.look_anew()
            known |= self._keep(self._fetch(missing, True))
        return {name: known[name] for name in names}

    def _known(self) -> dict[str, Tensor]:
        with self._lock:
            return self._captured | self._fetched

    def _keep(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Keeps what was found, and gives what is kept under these names from now on."""
        with self._lock:
            found = {name: self._fetched.get(name, value) for name, value in found.items()}
            self._fetched |= found
            while _bytes(self._fetched.values()) > FETCHED_BYTES:
                del self._fetched[next(iter(self._fetched))]
            return found

    def uncached(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The same, keeping nothing that was not at hand; what never fires is left out."""
        known = self._known()
        missing = [name for name in names if name not in known]
        found = self._fetch(missing, False) if missing else {}
        return found | {name: known[name] for name in names if name in known}

    def release(self) -> None:
        """Lets go of what can be made again from what was recorded."""
        with self._lock:
            self._fetched.clear()
            if self._normed is not None:
                self._logits = self._at_positions = None

    @property
    def captured(self) -> dict[str, Tensor]:
        return self._captured

    @property
    def n_bytes(self) -> int:
        """What is held on the device for this run."""
        there = self._at_positions
        few = None if there is None else there[1]
        return _bytes([*self._known().values(), self._logits, self._normed, few])

    @property
    def held(self) -> list[Tensor]:
        """All that is held for this run, some of it perhaps for others too."""
        known = [*self._known().values(), self._logits, self._normed]
        return [t for t in (*known, *(call.resid for call in self.calls)) if t is not None]

    def _unembed(self, normed: Tensor | None) -> Tensor:
        assert normed is not None
        hooks = self._unembed_hooks
        return self._access.exclusively(lambda model, check: unembed(model, normed, hooks))


class Tracer:
    """Runs over one batch of tokens, sharing what the first of them recorded."""

    def __init__(
        self,
        access: ModelAccess,
        tokens: Int[Tensor, "prompt pos"],
        attention_mask: Int[Tensor, "prompt pos"] | None,
        capture: Sequence[str],
        *,
        resumable: bool,
    ) -> None:
        self._access = access
        self._tokens = tokens
        self._mask = attention_mask
        self._resumable = resumable
        self.clean = self._whole((), capture, record=True)
        self._calls = list(self.clean.calls)

    def edited(self, hooks: Sequence[Hook], capture: Sequence[str]) -> Trace:
        """The run with ``hooks``, keeping the activations named in ``capture``."""
        if not self._resumable:
            return self._whole(hooks, capture)
        start = min(first_block(hooks, len(self._calls)), len(self._calls) - 1)
        if start == _EMBEDDING:
            # Recorded anew: every block's input may have changed.
            return self._whole(hooks, capture, record=True)
        return self._resumed(start, hooks, capture)

    def _whole(self, hooks: Sequence[Hook], capture: Sequence[str], record: bool = False) -> Trace:
        def run(names: Sequence[str], record: bool = False):  # type: ignore[no-untyped-def]
            return self._access.exclusively(
                lambda model, check: forward(
                    model,
                    self._tokens,
                    attention_mask=self._mask,
                    hooks=hooks,
                    capture=names,
                    check=check,
                    record=record,
                )
            )

        def fetch(names: Sequence[str], keep: bool) -> dict[str, Tensor]:
            if all(_in_a_block(name) for name in names) and calls:
                return self._read_blocks(calls, names, hooks)
            return run(names).captured

        result = run(capture, record)
        calls = result.calls if self._resumable else []
        return Trace(
            self._access,
            result.captured,
            fetch,
            logits=result.logits,
            normed=result.captured.get(NORMED) if self._resumable else None,
            unembed_hooks=[hook for hook in hooks if _is_unembedding(hook[0])],
            calls=calls,
        )

    def _resumed(self, start: int, hooks: Sequence[Hook], capture: Sequence[str]) -> Trace:
        early = [hook for hook in hooks if not _is_unembedding(hook[0])]
        late = [hook for hook in hooks if _is_unembedding(hook[0])]

        def run(names: Sequence[str]):  # type: ignore[no-untyped-def]
            later = [name for name in names if block_of(name, len(self._calls)) >= start]
            return self._access.exclusively(
                lambda model, check: resume(
                    model, self._calls, start, hooks=early, capture=later, check=check
                )
            )

        def fetch(names: Sequence[str], keep: bool) -> dict[str, Tensor]:
            if any(_is_unembedding(name) for name in names):
                return self._whole(hooks, names).captured
            later = [name for name in names if block_of(name, len(calls)) >= start]
            if all(_in_a_block(name) for name in later):
                found = self._read_blocks(calls, later, early)
            else:
                found = run(names).captured
            clean = self.clean.activations if keep else self.clean.uncached
            return clean([n for n in names if n not in found]) | found

        result = run(capture)
        calls = [*self._calls[:start], *result.calls]
        captured = dict(result.captured)
        # What lies before the first change is the clean run's, shared and not computed again.
        for name in capture:
            if name not in captured and name in self.clean.captured:
                captured[name] = self.clean.captured[name]
        return Trace(
            self._access,
            captured,
            fetch,
            normed=result.normed,
            unembed_hooks=late,
            calls=calls,
        )

    def _read_blocks(
        self, calls: Sequence[BlockCall], names: Sequence[str], hooks: Sequence[Hook]
    ) -> dict[str, Tensor]:
        return self._access.exclusively(
            lambda model, check: read_blocks(model, calls, names, hooks=hooks, check=check)
        )


def first_block(hooks: Sequence[Hook], n_layers: int) -> int:
    """The first block that hooks touch: -1 for the embedding, n_layers for the end."""
    return min((block_of(name, n_layers) for name, _ in hooks), default=n_layers)


def block_of(name: str, n_layers: int) -> int:
    """The block a hook lies in; -1 before the first, ``n_layers`` after the last."""
    if name.startswith("blocks."):
        return int(name.split(".")[1])
    return n_layers if past_blocks(name) else _EMBEDDING


def past_blocks(name: str) -> bool:
    """Whether a hook lies behind the last block."""
    return name.startswith("ln_final.") or _is_unembedding(name)


def _in_a_block(name: str) -> bool:
    return name.startswith("blocks.")


def _bytes(tensors: Iterable[Tensor | None]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)


def _is_unembedding(name: str) -> bool:
    return name.startswith(("unembed.", "hook_unembed"))
