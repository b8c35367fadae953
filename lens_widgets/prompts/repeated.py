"""Random tokens, twice: what induction heads are found with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from lens_widgets.engine.model import TransformerModel, home
from lens_widgets.errors import InputError, check_choice
from lens_widgets.prompts.pairs import PromptPairs, check_count

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

HALVES = tuple(map("".join, product("ABC", repeat=2)))


def repeated_tokens(
    model: TransformerModel,
    seq_len: int = 50,
    batch: int = 1,
    seed: int = 0,
    *,
    halves: str = "AA",
    corrupted: str | None = None,
) -> PromptPairs[Int[Tensor, "batch pos"]]:
    """``<bos>`` and two halves of random tokens, told by letters: "AA" repeats the first.

    A, B and C are three sequences drawn from the seed, the same whichever halves are asked for.
    ``metric`` of what is returned is the mean log probability of A's tokens in the second half, in
    nats: higher is better and 0 is perfect.

    Args:
        model: gives the vocabulary, BOS and device; special tokens are not drawn.
        seq_len: tokens in one half, at least 2.
        batch: rows.
        seed: same seed, same tokens, on every device.
        halves: two letters of A, B and C: "AA", "AB", "BA", "BB", "BC", ...
        corrupted: the halves of the corrupted prompts; None for no corrupted prompts.

    Returns:
        Prompts and corrupted prompts as token ids [batch, 1 + 2 * seq_len] on the model's device.

    Raises:
        InputError: halves of other letters, too few or too many tokens, or no tokenizer.

    Source:
        TransformerLens's activation patching demo.

    Examples:
        >>> induction = lw.load_demo("induction")
        >>> lw.prompts.repeated_tokens(induction, seq_len=20, batch=4).prompts.shape
        torch.Size([4, 41])
    """
    import torch

    check_count("seq_len", seq_len, 2)
    check_count("batch", batch, 1)
    check_choice("halves", halves, HALVES)
    if corrupted is not None:
        check_choice("corrupted", corrupted, HALVES)
    if 1 + 2 * seq_len > model.cfg.n_ctx:
        raise InputError(
            f"seq_len={seq_len} makes prompts of {1 + 2 * seq_len} tokens; the model's context is "
            f"{model.cfg.n_ctx}.",
            f"At most {(model.cfg.n_ctx - 1) // 2} fit.",
        )
    first, parts = random_sequences(model, seq_len, batch, seed, len("ABC"))
    letters = dict(zip("ABC", parts, strict=True))

    def tokens(pair: str) -> Int[Tensor, "batch pos"]:
        return torch.cat([first, letters[pair[0]], letters[pair[1]]], dim=1)

    return PromptPairs(
        tokens(halves),
        None,
        None if corrupted is None else tokens(corrupted),
        SecondHalfLogProb(letters["A"]),
    )


@dataclass(frozen=True, eq=False)
class SecondHalfLogProb:
    """Mean log probability, in nats, of A's tokens in the second half: the loss with its sign
    turned, so that higher is better and 0 is perfect.

    A metric for :class:`lens_widgets.Session` on prompts made of ``<bos>`` and two halves. The
    first token of a half cannot be foreseen and is left out.
    """

    sequence: Int[Tensor, "prompt seq_len"]
    units: ClassVar[str] = "nats"

    @property
    def __name__(self) -> str:
        return "second_half_log_prob"

    def __call__(self, logits: Float[Tensor, "prompt pos d_vocab"]) -> Float[Tensor, "prompt"]:
        """One value per prompt from the logits at every position."""
        wanted = self.sequence[:, 1:].to(logits.device)
        log_probs = logits[:, -self.sequence.shape[1] : -1].float().log_softmax(dim=-1)
        return log_probs.gather(-1, wanted[..., None])[..., 0].mean(dim=-1)

    def code(self) -> str:
        """The body of the same function, for scripts."""
        return (
            f"wanted = torch.tensor({self.sequence[:, 1:].tolist()}, device=logits.device)\n"
            f"log_probs = logits[:, -{self.sequence.shape[1]} : -1].float().log_softmax(dim=-1)\n"
            "return log_probs.gather(-1, wanted[..., None])[..., 0].mean(dim=-1)\n"
        )


def random_sequences(
    model: TransformerModel, seq_len: int, batch: int, seed: int, count: int
) -> tuple[Int[Tensor, "batch 1"], list[Int[Tensor, "batch seq_len"]]]:
    """A column of ``<bos>`` and ``count`` sequences of ordinary tokens, on the model's device.

    The first ones stay the same whatever ``count`` is. InputError without a tokenizer, or with one
    that knows no token to begin with.
    """
    import torch

    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError(
            "model: this model has no tokenizer, so its BOS token is not known.",
            "Pass token ids of your own to lw.Session.",
        )
    begin = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if begin is None:
        raise InputError(
            "model: this model's tokenizer has neither a BOS nor an EOS token to begin with.",
            "Pass token ids of your own to lw.Session.",
        )
    special = set(tokenizer.all_special_ids)
    ordinary = torch.tensor([i for i in range(model.cfg.d_vocab) if i not in special], device="cpu")
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        ordinary[torch.randint(len(ordinary), (batch, seq_len), generator=generator, device="cpu")]
        for _ in range(count)
    ]
    device = home(model)
    first = torch.full((batch, 1), begin, device="cpu")
    return first.to(device), [sequence.to(device) for sequence in drawn]
