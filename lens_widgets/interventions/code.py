"""Interventions written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lens_widgets.interventions.ablate import Ablate
    from lens_widgets.interventions.base import Intervention, Site
    from lens_widgets.interventions.patch import Patch
    from lens_widgets.interventions.steer import Steer
    from lens_widgets.session.session import Session


def script(interventions: list[Intervention], session: Session) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``logits``."""
    lines = setup(interventions, session, ["logits"])
    lines += [
        "",
        "with torch.no_grad():",
        f"    logits = model.run_with_hooks(tokens, fwd_hooks=fwd_hooks{mask_argument(session)})",
    ]
    return "\n".join(lines) + "\n"


def reading(name: str, interventions: list[Intervention], session: Session, which: str) -> str:
    """A script that leaves the activation at a hook as ``activation``, all prompts together.

    Under ``interventions``, without them (``which="baseline"``), or the ``"difference"``.
    """
    if which == "baseline":
        interventions = []
    lines, mask = setup(interventions, session, ["activation"]), mask_argument(session)
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


def mask_argument(session: Session) -> str:
    """What passes the ``attention_mask`` of padded prompts to a run of the model."""
    return "" if session.prompt_set.attention_mask is None else ", attention_mask=attention_mask"


def first_lines(expects: Sequence[str], leaves: Sequence[str]) -> list[str]:
    """How every script begins: what it needs and what it gives, by name."""
    names = [f"`{name}`" + " [prompt, pos]" * (name == "tokens") for name in expects]
    left = ", ".join(f"`{name}`" for name in leaves)
    return ["import torch", "", f"# Expects {' and '.join(names)} in scope; leaves {left}."]


def setup(
    interventions: Sequence[Intervention],
    session: Session,
    leaves: Sequence[str],
    expects: Sequence[str] = ("model", "tokens"),
) -> list[str]:
    """The lines up to ``fwd_hooks``, which holds the interventions."""
    prompts, mask = session.prompt_set, mask_argument(session)
    lines = first_lines(expects, leaves)
    if prompts.attention_mask is not None:
        rows = prompts.attention_mask.tolist()
        lines.append(f"attention_mask = torch.tensor({rows}, device=tokens.device)")
    sources = {_source(item) for item in interventions} - {None}
    clean = sorted({i.site.hook for i in interventions if _source(i) == "clean"})
    corrupted = sorted({i.site.hook for i in interventions if _source(i) == "corrupted"})
    if "clean" in sources:
        lines += ["with torch.no_grad():"]
        lines += [f"    _, clean = model.run_with_cache(tokens, names_filter={clean!r}{mask})"]
    if "corrupted" in sources and prompts.corrupted_tokens is not None:
        tokens = prompts.corrupted_tokens.tolist()
        lines += [f"corrupted_tokens = torch.tensor({tokens}, device=tokens.device)"]
        lines += ["with torch.no_grad():"]
        lines += [
            "    _, corrupted = model.run_with_cache("
            f"corrupted_tokens, names_filter={corrupted!r}{mask})"
        ]
    lines += ["fwd_hooks = []"]
    for item in interventions:
        lines += ["", "", item.code(session).rstrip()]
    return lines


def ablate(item: Ablate, session: Session | None) -> str:
    where = _where(item, session)
    if item.kind == "zero":
        return _hook(item, f"activation[{where}] = 0.0")
    if item.kind == "resample":
        return _hook(item, f"activation[{where}] = corrupted[hook_name][{where}]")
    padded = session is not None and session.prompt_set.attention_mask is not None
    real = "[attention_mask.bool()]" if padded else ".flatten(0, 1)"
    head = "" if item.site.head is None else f"[:, {item.site.head}]"
    return _hook(item, f"activation[{where}] = clean[hook_name]{real}{head}.mean(0)")


def patch(item: Patch, session: Session | None) -> str:
    where = _where(item, session)
    return _hook(item, f"activation[{where}] = {item.source}[hook_name][{where}]")


def steer(item: Steer, session: Session | None) -> str:
    where = _where(item, session)
    return _hook(
        item,
        f"vector = torch.tensor({list(item.vector)}, device=activation.device)",
        f"activation[{where}] += {item.scale!r} * vector.to(activation.dtype)",
    )


def _hook(item: Intervention, *body: str) -> str:
    name = f"{item.kind}_{''.join(c if c.isalnum() else '_' for c in item.label)}"
    lines = [f"def {name}(activation, hook, hook_name={item.site.hook!r}):"]
    lines += ["    activation = activation.clone()", *(f"    {line}" for line in body)]
    lines += ["    return activation", "", "", f"fwd_hooks.append(({item.site.hook!r}, {name}))"]
    return "\n".join(lines)


def _where(item: Intervention, session: Session | None) -> str:
    """The index expression of the edited part: [prompt, pos(, head)]."""
    head, between, places = _head(item.site), "", item.places
    if item.site.hook.endswith(("hook_pattern", "hook_attn_scores")):
        # Positions of an attention pattern are its queries: [prompt, head, query_pos, key_pos].
        between, head = ":, " if item.site.head is None else f"{item.site.head}, ", ""
        if places is None:
            return f":, {between}".rstrip(", ") if item.site.head is not None else ":"
    if places is None:
        return f":, :{head}" if head else ":"
    lengths = None if session is None else session.prompt_set.lengths.tolist()
    if lengths is None or len(set(lengths)) == 1:
        return f":, {between}{list(places)}{head}"
    # Prompts of different lengths: name each cell, since -1 is another position in each row.
    cells = [
        (row, p if p >= 0 else length + p) for row, length in enumerate(lengths) for p in places
    ]
    cells = [(row, place) for row, place in cells if 0 <= place < lengths[row]]
    return f"{[row for row, _ in cells]}, {between}{[place for _, place in cells]}{head}"


def _head(site: Site) -> str:
    return "" if site.head is None else f", {site.head}"


def _source(item: Intervention) -> str | None:
    """Which other run an intervention takes its values from."""
    return {"mean": "clean", "resample": "corrupted", "patch": getattr(item, "source", None)}.get(
        item.kind
    )
