"""Interventions written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from collections.abc import Sequence

from lens_widgets.interventions.base import Intervention, RunContext


def script(
    interventions: Sequence[Intervention],
    context: RunContext,
    leaves: Sequence[str] = ("logits",),
    expects: Sequence[str] = ("model", "tokens"),
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``logits``.

    ``leaves`` and ``expects`` are said of what it becomes with the lines that go on from there.
    """
    lines = setup(interventions, context, leaves, expects)
    lines += [
        "",
        "with torch.no_grad():",
        f"    logits = model.run_with_hooks(tokens, fwd_hooks=fwd_hooks{mask_argument(context)})",
    ]
    return "\n".join(lines) + "\n"


def reading(name: str, interventions: list[Intervention], context: RunContext, which: str) -> str:
    """A script that leaves the activation at a hook as ``activation``, all prompts together.

    Under ``interventions``, without them (``which="baseline"``), or the ``"difference"``.
    """
    if which == "baseline":
        interventions = []
    lines, mask = setup(interventions, context, ["activation"]), mask_argument(context)
    plain = f"_, cache = model.run_with_cache(tokens, names_filter={[name]!r}{mask})"
    if interventions:
        lines += ["", "with torch.no_grad(), model.hooks(fwd_hooks=fwd_hooks):", f"    {plain}"]
    else:
        lines = [line for line in lines if line != "fwd_hooks = []"]
        lines += ["with torch.no_grad():", f"    {plain}"]
    lines += [f"activation = cache[{name!r}]"]
    if which == "difference":
        lines += ["with torch.no_grad():", f"    {plain}"]
        lines += [f"activation = activation - cache[{name!r}]"]
    return "\n".join(lines) + "\n"


def mask_argument(context: RunContext) -> str:
    """What passes the ``attention_mask`` of padded prompts to a run of the model."""
    return "" if context.prompt_set.attention_mask is None else ", attention_mask=attention_mask"


def first_lines(expects: Sequence[str], leaves: Sequence[str]) -> list[str]:
    """How every script begins: what it needs and what it gives, by name."""
    names = [f"`{name}`" + " [prompt, pos]" * (name == "tokens") for name in expects]
    left = ", ".join(f"`{name}`" for name in leaves)
    return ["import torch", "", f"# Expects {' and '.join(names)} in scope; leaves {left}."]


def setup(
    interventions: Sequence[Intervention],
    context: RunContext,
    leaves: Sequence[str],
    expects: Sequence[str] = ("model", "tokens"),
) -> list[str]:
    """The lines up to ``fwd_hooks``, which holds the interventions."""
    prompts, mask = context.prompt_set, mask_argument(context)
    lines = first_lines(expects, leaves)
    if prompts.attention_mask is not None:
        rows = prompts.attention_mask.tolist()
        lines.append(f"attention_mask = torch.tensor({rows}, device=tokens.device)")
    clean, corrupted = (
        sorted({n for item in interventions if item.other_run == run for n in item.reads(context)})
        for run in ("clean", "corrupted")
    )
    if clean:
        lines += ["with torch.no_grad():"]
        lines += [f"    _, clean = model.run_with_cache(tokens, names_filter={clean!r}{mask})"]
    if corrupted and prompts.corrupted_tokens is not None:
        tokens = prompts.corrupted_tokens.tolist()
        lines += [f"corrupted_tokens = torch.tensor({tokens}, device=tokens.device)"]
        lines += ["with torch.no_grad():"]
        lines += [
            "    _, corrupted = model.run_with_cache("
            f"corrupted_tokens, names_filter={corrupted!r}{mask})"
        ]
    lines += ["fwd_hooks = []"]
    for item in interventions:
        if not item.together:
            lines += ["", "", item.code(context).rstrip()]
    for kind in dict.fromkeys(type(item) for item in interventions if item.together):
        own = [item for item in interventions if type(item) is kind]
        lines += ["", "", kind.code_together(own, interventions, context).rstrip()]
    return lines
