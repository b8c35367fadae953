"""Scripts that run by themselves: the model, the prompts and what they print come with them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from lens_widgets.engine.origin import origin_code
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.code import script
from lens_widgets.session.measured import MeasuredModel
from lens_widgets.session.metric_code import expected, metric_code

# How interventions.code.first_lines begins every script.
_BEGINNING = re.compile(r"import torch\n\n# Expects (?P<expects>.*) in scope; leaves (.*)\.\n")


def self_contained(session: MeasuredModel, body: str) -> str:
    """``body``, a script that expects a model and its tokens, with all that it expects before it
    and what it leaves printed after it.

    The model is booted by its name, or by the code that ``load_demo`` and ``load_checkpoint``
    remember (which need lens_widgets); where neither is known ``model = ...`` waits for yours, as
    ``metric = ...`` does for a metric of your own. Prompts are text where that text gives the
    session's very tokens, and token ids where it does not; conversations are the text that the chat
    template made of them, as some templates write the day's date.
    """
    found = _BEGINNING.match(body)
    if found is None:
        raise InputError(
            "body does not begin as scripts do.", "Pass what one of the script functions returns."
        )
    needs = re.findall(r"`(\w+)`", found["expects"])
    leaves = re.findall(r"`(\w+)`", found[2])
    lines = ["import torch", "", _model(session)]
    if "tokens" in needs:
        lines += ["", *_tokens(session)]
    if "metric" in needs:
        lines.append(f"metric = ...  # your {session.metric.name}: a function of logits")
    printed = "".join(f'print("{name}:", {name})\n' for name in leaves)
    return "\n".join(lines) + "\n" + body[found.end() :].rstrip() + "\n\n" + printed


def measuring_script(session: MeasuredModel, active: Sequence[Intervention]) -> str:
    """A script that runs by itself, leaves ``logits`` under these interventions and ``values``,
    the metric of each prompt, and prints it."""
    body = script(active, session, ["values"], expected(session))
    known = session.known_metric(active)
    label = f"{session.metric.label} ({session.metric.units})"
    defined = metric_code(session)
    code = body + (f"{defined}\n\n\n" if defined else "") + "values = metric(logits)\n"
    text = self_contained(session, code).replace(
        'print("values:", values)', f"print({label!r}, values.tolist())"
    )
    return text if known is None else f"{text}# The session had {known.tolist()}.\n"


def _model(session: MeasuredModel) -> str:
    facts = session.facts
    return origin_code(session.model, facts.device, facts.dtype, facts.weights, facts.quantised)


def _tokens(session: MeasuredModel) -> list[str]:
    prompts, model = session.prompt_set, session.model
    # What begins with BOS, as most chat templates write it, gets no other.
    for bos in dict.fromkeys((session.prepend_bos, False)):
        if _same_tokens(session, bos):
            options = ", truncate=False"
            options += "" if bos is None else f", prepend_bos={bos}"
            options += "" if prompts.attention_mask is None else ', padding_side="right"'
            texts = [f"    {text!r}," for text in prompts.texts]
            return ["prompts = [", *texts, "]", f"tokens = model.to_tokens(prompts{options})"]
    rows = zip(prompts.tokens.tolist(), prompts.texts, strict=True)
    ids = [f"    {row},  # {text!r}" for row, text in rows]
    if model.tokenizer is None:
        ids = [f"    {row}," for row in prompts.tokens.tolist()]
    device = "next(model.parameters()).device"
    return ["tokens = torch.tensor([", *ids, f"], device={device})"]


def _same_tokens(session: MeasuredModel, bos: bool | None) -> bool:
    """Whether the texts, tokenized together, are the session's tokens, its padding included."""
    prompts, model = session.prompt_set, session.model
    if model.tokenizer is None:
        return False
    padding = {} if prompts.attention_mask is None else {"padding_side": "right"}
    try:
        tokens = model.to_tokens(list(prompts.texts), prepend_bos=bos, truncate=False, **padding)
    except Exception:
        # Tokenizers without a padding token refuse prompts of different lengths in ways of their
        # own; the ids are always right.
        return False
    return torch.equal(tokens.to(prompts.tokens.device), prompts.tokens)
