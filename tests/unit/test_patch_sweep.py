"""A patching map gives what one plain hooked forward per cell gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.patching.nodes import block_nodes
from lens_widgets.analysis.patching.patch_script import patch_script
from lens_widgets.engine import hooks
from lens_widgets.engine.hooks import AxisName, HookKind
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_MODEL, PATTERN_IS_A_COPY, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows

NODES, STREAM_NODES = tuple(hooks.nodes()), block_nodes()
CASES = [(a, n) for a in ARCHITECTURES for n in NODES if (a, n) != ("attn_only", "mlp_out")]


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, **options)


def _expected(
    session: lw.Session,
    node: str,
    place: dict[str, int],
    edits: tuple[reference.Hook, ...] = (),
) -> list[float]:
    """Each prompt's metric after patching one cell of the corrupted run by a plain hook."""
    name, values = hooks.nodes()[node].name(place["layer"]), []
    prompts = zip(rows(session), corrupted_rows(session), ANSWER_IDS, strict=True)
    for clean, corrupted, answer in prompts:
        source = reference.activation(session.model, clean, name, edits)
        pos = place.get("pos", slice(None))
        if isinstance(pos, int) and pos >= clean.shape[1]:
            values.append(float("nan"))
            continue
        patch = reference.put(name, source, place.get("head"), pos)
        logits = reference.logits(session.model, corrupted, [*edits, patch])
        values.append(reference.logit_diff(logits, answer))
    return values


def _places(sweep: Any) -> list[dict[str, int]]:
    """The corners of a map and a few cells between."""
    dims = [d for d in sweep.dims if d != "prompt"]
    sizes = [sweep.sizes[d] for d in dims]
    flat = np.linspace(0, int(np.prod(sizes)) - 1, 7).astype(int)
    return [dict(zip(dims, map(int, np.unravel_index(i, sizes)), strict=True)) for i in flat]


@pytest.mark.parametrize(("name", "node"), CASES)
def test_each_cell_is_one_hooked_forward(name: str, node: Any) -> None:
    session = _session(name)
    if node == "pattern" and name in PATTERN_IS_A_COPY:
        with pytest.raises(InputError, match=r"node='pattern'.*ignores edits"):
            lw.analysis.patch_sweep(session, node)
        return
    # By position is the harder half: it also shows what a single position reaches.
    sweep = lw.analysis.patch_sweep(session, node, node not in STREAM_NODES, per_prompt=True)
    for place in _places(sweep):
        got = sweep.sel(place).values.tolist()
        expected = _expected(session, node, place)
        assert got == pytest.approx(expected, abs=2e-5, nan_ok=True), place


_NORMED: tuple[AxisName, ...] = ("prompt", "pos", "d_model")
_HIDDEN: tuple[AxisName, ...] = ("prompt", "pos", "d_mlp")
_HEADS: tuple[AxisName, ...] = ("prompt", "pos", "head", "d_head")
_GROUPS: tuple[AxisName, ...] = ("prompt", "pos", "key_value_head", "d_head")
NEW_ROWS = (
    HookKind("hook_resid_mid", _NORMED, "itself", "resid_mid", "stream between the layers"),
    HookKind("ln1.hook_normalized", _NORMED, "input", "normalized", "normalised stream"),
    HookKind("mlp.hook_post", _HIDDEN, "itself", "post", "neurons"),
    HookKind("attn.hook_rot_q", _HEADS, "itself", "rot_q", "rotated query"),
    HookKind("attn.hook_rot_k", _GROUPS, "keys", "rot_k", "rotated key"),
)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "phi", "bloom", "native"])
@pytest.mark.parametrize("row", NEW_ROWS, ids=lambda row: row.node)
def test_a_new_node_is_one_row_of_the_table(
    monkeypatch: pytest.MonkeyPatch, name: str, row: HookKind
) -> None:
    """Its map, its reach, its script and its view all come from the row."""
    monkeypatch.setitem(hooks.TABLE, row.part, row)
    session, node = _session(name), str(row.node)
    if row.name(0) not in session.facts.hooks:
        with pytest.raises(InputError, match=f"no blocks.0.{row.part}"):
            lw.analysis.patch_sweep(session, node)
        return
    by_pos = row.head_axis is not None
    sweep = lw.analysis.patch_sweep(session, node, by_pos, per_prompt=True)
    for place in _places(sweep):
        got = sweep.sel(place).values.tolist()
        expected = _expected(session, node, place)
        assert got == pytest.approx(expected, abs=2e-5, nan_ok=True), place
    mean = sweep.mean("prompt", skipna=True).values
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    exec(patch_script(session, [node], by_pos, "corrupted", False), scope)
    # Of positions that all prompts have: the script's mean is over all prompts.
    short = int(session.prompt_set.lengths.min())
    written = scope["maps"][node][..., :short]
    np.testing.assert_allclose(written, mean[..., :short], atol=2e-5)
    view = lw.PatchingView(
        session, patch_maps="heads" if by_pos else "blocks", by_pos=by_pos, normalize=False
    )
    # Beside maps of all heads, one of fewer groups ends in NaN.
    shown = view.data()[node].values[:, : mean.shape[1]]
    np.testing.assert_allclose(shown, mean, atol=1e-6)
    view.close()


@pytest.mark.parametrize("node", NODES)
def test_a_map_is_made_under_the_interventions_of_both_runs(node: Any) -> None:
    session = _session("gpt2")
    vector = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(2))
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", vector, positions=1))
    edits = (
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.add("blocks.0.hook_resid_post", vector, at=(1,)),
    )
    sweep = lw.analysis.patch_sweep(session, node, per_prompt=True)
    for place in _places(sweep):
        expected = _expected(session, node, place, edits)
        got = sweep.sel(place).values.tolist()
        assert got == pytest.approx(expected, abs=2e-5, nan_ok=True), place


def test_patching_the_whole_first_stream_restores_the_clean_run() -> None:
    session = lw.Session(tiny("gpt2"), ["w5"], answers=("w30", "w31"), corrupted=["w6"])
    sweep = lw.analysis.patch_sweep(session, "resid_pre", normalize=True)
    assert float(sweep.sel(layer=0, pos=1)) == pytest.approx(1.0, abs=2e-5)
    assert float(sweep.sel(layer=0, pos=0)) == pytest.approx(0.0, abs=2e-5)
    assert sweep.attrs["clean"] == pytest.approx(float(session.baseline.mean()))
    assert sweep.attrs["corrupted"] == pytest.approx(float(session.corrupted_run().metric.mean()))


def test_a_map_needs_corrupted_prompts_and_a_known_node() -> None:
    with pytest.raises(InputError, match="no corrupted prompts"):
        lw.analysis.patch_sweep(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS), "z")
    with pytest.raises(InputError, match=r"node='zz'.*'resid_pre'"):
        lw.analysis.patch_sweep(_session("gpt2"), "zz")
    with pytest.raises(InputError, match=r"node='mlp_out'.*no blocks\.0\.hook_mlp_out"):
        lw.analysis.patch_sweep(_session("attn_only"), "mlp_out")


@pytest.mark.parametrize("node", ["resid_pre", "attn_out", "z"])
def test_an_estimate_is_the_gradient_times_the_difference(node: Any) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[:1], answers=ANSWERS[0], corrupted=CORRUPTED[:1])
    estimate = lw.analysis.estimate_sweep(session, node)
    (clean,), (corrupted,) = rows(session), corrupted_rows(session)
    base = reference.logit_diff(reference.logits(session.model, corrupted), ANSWER_IDS[0])
    for place in _places(estimate):
        name = hooks.nodes()[node].name(place["layer"])
        source = reference.activation(session.model, clean, name)
        kept: dict[str, Tensor] = {}

        def keep(activation: Tensor, hook: Any, kept: dict[str, Tensor] = kept) -> Tensor:
            kept["x"] = activation.detach().clone().requires_grad_()
            return kept["x"] * 1.0

        logits = session.model.run_with_hooks(corrupted, fwd_hooks=[(name, keep)])[0, -1]
        (logits[ANSWER_IDS[0][0]] - logits[ANSWER_IDS[0][1]]).backward()
        gradient = kept["x"].grad
        assert gradient is not None
        change = (gradient * (source - kept["x"].detach()))[0]
        part = change[place["pos"]] if "pos" in place else change[:, place["head"]]
        assert float(estimate.sel(place)) == pytest.approx(base + float(part.sum()), abs=2e-5)
    assert estimate.attrs["estimate"]
    assert not lw.analysis.patch_sweep(session, node).attrs["estimate"]
    for parameter in session.model.parameters():
        parameter.grad = None
