"""What a model must be, and what it must give on its prompts, for its numbers to mean anything."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import InputError
from lens_widgets.prompts.answers import SpaceQuestion
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.run import Run

FAR, LEAST_PROBABILITY = 10.0, 1e-3
"""When the other spelling is meant: it is so many times as probable, and has at least that."""


def check_model(model: TransformerModel) -> None:
    """InputError for what is no model, or one that would give wrong numbers."""
    config = getattr(getattr(model, "original_model", None), "config", None)
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"model is {_architecture(model)}: encoder-decoder models are not supported yet.",
            "Use a model that only decodes, such as GPT-2, Llama or Gemma.",
        )
    if not all(hasattr(model, name) for name in ("run_with_hooks", "cfg")):
        raise InputError(
            f"model is a {type(model).__name__}, not a TransformerLens model.",
            'Pass TransformerBridge.boot_transformers("gpt2") or lw.load_demo("ioi").',
        )
    if not hasattr(model, "blocks"):
        raise InputError(
            f"model is {_architecture(model)}, which has no list of blocks to look into.",
            "Language models that decode, such as GPT-2, Llama or Gemma, have one.",
        )
    if model.training:
        raise InputError(
            "model is in training mode: dropout would make every number random.",
            "Call model.eval() first.",
        )
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise InputError(
            "model was made under torch.inference_mode(): changes of its weights go unnoticed, and "
            "it gives no gradients.",
            "Make it outside of that context, or under torch.no_grad().",
        )


def check_batch(facts: ModelFacts, prompts: PromptSet) -> None:
    """InputError for prompts that would change one another's numbers in this model."""
    if not facts.finite:
        # Then the trials told nothing; ``check_finite`` names the prompt, if it is one of these.
        return
    if prompts.n_prompts > 1 and not facts.batch.batched:
        raise InputError(
            f"prompts has {prompts.n_prompts} prompts, and in this model a prompt's numbers depend "
            "on those beside it.",
            "Make one session for each prompt.",
        )
    if prompts.attention_mask is not None and not facts.batch.padding:
        lengths = ", ".join(map(str, sorted(set(prompts.lengths.tolist()))))
        raise InputError(
            f"prompts have different lengths ({lengths} tokens), and padding changes the numbers "
            "of this model.",
            "Make one session for each length.",
        )


def check_finite(
    facts: ModelFacts,
    logits: Float[Tensor, "prompt pos d_vocab"],
    prompts: PromptSet,
    argument: str,
    first: int = 0,
) -> None:
    """InputError when a logit at a real position is NaN or infinite, or was when the model was
    tried. ``first``: the number of the first of these prompts."""
    # A sum is finite if all of it is, and needs no second tensor of this size.
    bad = ~logits.sum(dim=-1, dtype=torch.float32).isfinite()
    if prompts.attention_mask is not None:
        bad &= prompts.attention_mask.bool()
    if bool(bad.any()):
        prompt, position = bad.nonzero()[0].tolist()
        where = f"{argument}[{first + prompt}]: the model's logits at position {position} are"
    elif not facts.finite:
        where = "The model's logits on the few tokens that it was tried on are"
    else:
        return
    raise InputError(
        f"{where} NaN or infinite (it computes in {facts.dtype}).",
        "float16 overflows beyond 65,504: load the model in bfloat16 or float32."
        if facts.dtype == "float16"
        else "Look for NaN among its weights.",
    )


def ask_about_spaces(clean: Run, prompts: PromptSet) -> None:
    """SpaceQuestion where an answer given as text without a space in front is far less probable
    in the ``clean`` run than the same with one, or the other way round: another question than was
    meant."""
    given = () if prompts.answers is None else prompts.answers.spacings
    if not given:
        return
    # Once: those of prompts that are run in parts are put together whenever they are read.
    logits = clean.last_logits
    for answer in given:
        last = logits[answer.prompt].softmax(-1)
        this, other = float(last[answer.token]), float(last[answer.other_token])
        if other >= LEAST_PROBABILITY and other >= FAR * this:
            begins = "begins with a space" if answer.text[0] == " " else "has no space in front"
            raise SpaceQuestion(
                f"{answer.argument}={answer.text!r} {begins}: did you mean {answer.other!r} "
                f"({other:.2g})? The model gives {answer.text!r} {this:.2g} there.",
                f"Write {answer.other!r}; to have {answer.text!r}, give its token id, "
                f"{answer.token}.",
            )


def _architecture(model: TransformerModel) -> str:
    return str(getattr(getattr(model, "cfg", None), "architecture", None) or type(model).__name__)
