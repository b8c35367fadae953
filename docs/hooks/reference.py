"""The reference: every public name with its docstring, so that none can be forgotten."""

from __future__ import annotations

from typing import Any

from live import view_names

import lens_widgets as lw

PUBLIC = """\
# {title}

{about}

"""
SECTIONS = {
    "session": ("Session", "What all views look at: a model, prompts, a metric, interventions."),
    "interventions": ("Interventions", "What is done to the model while it runs."),
    "prompts": ("Prompts", "Prompt sets to begin with, with answers and corrupted partners."),
    "circuits": ("Circuits", "Sets of edges, measured; estimates of edges are with the analysis."),
    "data": ("Data sets", "Records of prompts, and quantities of the analysis over all of them."),
    "models": ("Models", "Models to look at: shipped ones, and checkpoints of your own."),
    "files": ("Export", "Views as a file."),
}
# The room of the package in which a public name lives, and the page on which it stands.
ROOMS = {
    "session": "session",
    "interventions": "interventions",
    "engine": "interventions",
    "analysis": "circuits",
    "data": "data",
    "models": "models",
    "views": "files",
    "widgets": "files",
}
SUBJECTS = {
    "ablation": "Ablation",
    "activations": "Activations",
    "attention": "Attention",
    "attribution": "Attribution",
    "circuits": "Edges and circuits",
    "logit_lens": "Logit lens",
    "model": "The model",
    "neurons": "Neurons",
    "patching": "Patching",
    "tokens": "Tokens and loss",
    "weights": "Weight circuits",
}


def pages() -> dict[str, str | bytes]:
    """``reference/<page>.md``: each public name once, the views on pages of their own."""
    entries: dict[str, list[str]] = {page: [] for page in SECTIONS}
    for name in lw.__all__:
        if name in ("analysis", "data", "prompts") or name in view_names():
            continue
        value = getattr(lw, name)
        entries[ROOMS[_rooms(value)[1]]].append(entry(f"lw.{name}", value))
    entries["prompts"] += _module("lw.prompts", lw.prompts)
    entries["data"] += [
        entry(f"lw.data.{n}", getattr(lw.data, n)) for n in ("per_prompt", "Progress")
    ]
    made: dict[str, str | bytes] = {"reference/index.md": _index()}
    for page, (title, about) in SECTIONS.items():
        made[f"reference/{page}.md"] = PUBLIC.format(title=title, about=about) + "\n".join(
            entries[page]
        )
    made["reference/analysis.md"] = _analysis()
    return made


def entry(name: str, value: Any) -> str:
    """A public object under the name it is called by, wherever it lives."""
    if not hasattr(value, "__qualname__"):
        # A value, such as a set of prompts, is documented where it is given its name.
        return f"::: lens_widgets.{name.removeprefix('lw.')}\n    options:\n      heading: {name}\n"
    path = f"{value.__module__}.{value.__qualname__}"
    return f"::: {path}\n    options:\n      heading: {name}\n      toc_label: {name}\n"


def _analysis() -> str:
    """The functions of ``lw.analysis`` by subject, which is the folder they live in."""
    by_subject: dict[str, list[str]] = {}
    for name in lw.analysis.__all__:
        value = getattr(lw.analysis, name)
        by_subject.setdefault(_rooms(value)[2], []).append(entry(f"lw.analysis.{name}", value))
    about = (
        "Pure functions from a session to labelled arrays: `xarray` objects with named dims, "
        "coordinates, and `attrs` that say units and metric. Means over prompts carry their "
        "standard error in the coordinate `sem`."
    )
    text = PUBLIC.format(title="Analysis", about=about)
    for subject in sorted(by_subject, key=lambda name: SUBJECTS.get(name, name)):
        title = SUBJECTS.get(subject, subject.replace("_", " ").capitalize())
        text += f"## {title}\n\n" + "\n".join(by_subject[subject]) + "\n"
    return text


def _module(name: str, module: Any) -> list[str]:
    return [entry(f"{name}.{item}", getattr(module, item)) for item in module.__all__]


def _rooms(value: Any) -> list[str]:
    """``["lens_widgets", "session", ...]``: where an object is defined."""
    return str(value.__module__).split(".")


def _index() -> str:
    rows = "\n".join(
        f"- [{title}]({page}.md): {about}" for page, (title, about) in SECTIONS.items()
    )
    return f"""\
# Reference

`import lens_widgets as lw`; every public name, from its docstring.

{rows}
- [Analysis](analysis.md): what the views show, and more, as functions that return labelled arrays.
- [Views](../views/index.md): a page each.
"""
