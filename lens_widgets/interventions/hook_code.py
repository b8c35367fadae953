"""Hooks written out as Python that needs nothing of lens_widgets."""

from __future__ import annotations

from collections.abc import Sequence

from lens_widgets.interventions.site import Site
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span


def hook_function(name: str, hook: str, edit: Sequence[str]) -> str:
    """A hook function that makes the ``edit`` on a copy, and the line that puts it in force."""
    name = "".join(c if c.isalnum() else "_" for c in name)
    lines = [f"def {name}(activation, hook, hook_name={hook!r}):"]
    lines += ["    activation = activation.clone()", *(f"    {line}" for line in edit)]
    lines += ["    return activation", "", "", f"fwd_hooks.append(({hook!r}, {name}))"]
    return "\n".join(lines)


def edited_part(
    site: Site, positions: Sequence[int] | Span | None, prompts: PromptSet | None
) -> str:
    """The expression of the part that is edited: ``activation[prompt, pos(, head)]``."""
    return f"activation[{_index(site, positions, prompts)}]"


def same_part(part: str, of: str) -> str:
    """The same part of another activation: ``same_part("activation[:, 3]", "clean[hook_name]")``
    is ``clean[hook_name][:, 3]``."""
    return of + part.removeprefix("activation")


def _index(site: Site, positions: Sequence[int] | Span | None, prompts: PromptSet | None) -> str:
    kind, head = site.hook_kind, None if site.head is None else str(site.head)
    if positions is None:
        return kind.index_code(head, None)
    if isinstance(positions, Span):
        places = [(row, p) for row, own in enumerate(positions.places) for p in own]
        return kind.index_code(head, f"{[p for _, p in places]}", f"{[row for row, _ in places]}")
    lengths = None if prompts is None else prompts.lengths.tolist()
    if lengths is None or len(set(lengths)) == 1:
        return kind.index_code(head, f"{list(positions)}")
    # Prompts of different lengths: name each cell, since -1 is another position in each row.
    cells = [
        (row, p if p >= 0 else length + p) for row, length in enumerate(lengths) for p in positions
    ]
    cells = [(row, index) for row, index in cells if 0 <= index < lengths[row]]
    return kind.index_code(head, f"{[index for _, index in cells]}", f"{[row for row, _ in cells]}")
