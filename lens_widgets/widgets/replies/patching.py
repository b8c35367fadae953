"""Replies about patching: maps that fill in, the patches that are kept, and code for the maps."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import torch

from lens_widgets.analysis.patching.nodes import block_nodes, head_nodes, node_kind
from lens_widgets.analysis.patching.patch_cells import patch_of
from lens_widgets.analysis.patching.patch_maps import (
    PatchMap,
    available_nodes,
    patch_maps,
    shown,
)
from lens_widgets.analysis.patching.patch_script import patch_script
from lens_widgets.analysis.patching.patching import both_metrics
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, number, summary
from lens_widgets.widgets.replies.tokens import token_info
from lens_widgets.wire.arrays import Packed, exact
from lens_widgets.wire.messages import Step

EVERY_S = 0.1


def patching(session: Session, args: dict[str, Any]) -> Generator[Step, None, dict[str, Any]]:
    """Maps of estimates at once, then exact values as they come, the largest effects first."""
    check_prompt(session, args["prompt"])
    nodes = _nodes(session, args)
    # Said before the first result, which may take a while: nobody waits for a cell.
    yield Step(0, 0, "estimating")
    maps: list[PatchMap] = []
    last = 0.0
    for done, total, maps in patch_maps(session, nodes, args["by_pos"], args["patch_into"]):
        now = time.monotonic()
        if done == 0 or now - last >= EVERY_S:
            last = now
            yield Step(done, total, "exact patching", _reply(session, args, maps))
    return _reply(session, args, maps)


def _nodes(session: Session, args: dict[str, Any]) -> list[str]:
    wanted = block_nodes() if args["patch_maps"] == "blocks" else head_nodes()
    return available_nodes(session, wanted)


def _reply(session: Session, args: dict[str, Any], maps: list[PatchMap]) -> dict[str, Any]:
    clean, corrupted = both_metrics(session)
    prompt = None if args["scope"] == "mean" else args["prompt"]
    of = int(session.prompt_set.lengths.argmax()) if prompt is None else prompt
    ids = session.tokens[of, : int(session.prompt_set.lengths[of])].tolist()
    wanted = block_nodes() if args["patch_maps"] == "blocks" else head_nodes()
    missing = [node_kind(node).title for node in wanted if node not in {m.grid.node for m in maps}]
    into = args["patch_into"]
    values = "fraction restored" if args["normalize"] else session.metric.units
    chosen = slice(None) if prompt is None else prompt
    return {
        "summary": summary(session),
        "maps": [_map(session, args, one, prompt) for one in maps],
        "tokens": [token_info(session, token) for token in ids],
        "missing": missing,
        "clean": number(clean[chosen].mean()),
        "corrupted": number(corrupted[chosen].mean()),
        "units": values,
        "definition": f"{session.metric.label} of the {into} run after one activation of the "
        f"{'clean' if into == 'corrupted' else 'corrupted'} run is put in its place"
        + ("; 1 is the clean run, 0 the corrupted one." if args["normalize"] else "."),
    }


def _map(
    session: Session, args: dict[str, Any], one: PatchMap, prompt: int | None
) -> dict[str, Any]:
    now = shown(session, one, prompt, args["normalize"])
    known = one.known
    if known.shape != now.values.shape:
        known = known.expand(now.values.shape)
    # Long prompts' positions that a shown prompt does not have are cut off.
    if prompt is not None and "pos" in one.grid.dims:
        length = int(session.prompt_set.lengths[prompt])
        now_values, now_sem = now.values[..., :length], now.sem[..., :length]
        known = known[..., :length]
    else:
        now_values, now_sem = now.values, now.sem
    return {
        "node": one.grid.node,
        "title": node_kind(one.grid.node).title,
        "dims": list(one.grid.dims),
        "values": exact(now_values),
        "sem": exact(now_sem),
        "exact": Packed(known.to(torch.uint8).cpu().numpy(), "uint8"),
        "n_exact": len(one.finished),
        "rank_correlation": number(one.rank_correlation),
    }


def toggle(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Keeps the cells' patches, or takes them away when all of them are kept; one step to undo."""
    wanted = [patch_of(session, cell) for cell in args["cells"]]
    if not wanted:
        raise InputError("cells is empty.", "Choose at least one cell of a map.")
    session.interventions.toggle_all(wanted)
    return {"revision": session.revision}


def code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """TransformerLens code for the maps that are shown."""
    check_prompt(session, args["prompt"])
    nodes = _nodes(session, args)
    return {
        "code": patch_script(session, nodes, args["by_pos"], args["patch_into"], args["normalize"])
    }
