"""Patching maps are TransformerLens's, either way and as code; what is kept is what was clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformer_lens import patching

import lens_widgets as lw
from lens_widgets.analysis.patching.nodes import block_nodes, head_nodes
from lens_widgets.analysis.patching.patch_maps import available_nodes, patch_maps
from lens_widgets.analysis.patching.patch_script import patch_script
from lens_widgets.errors import InputError
from lens_widgets.views.registry import METHODS
from tests.handmade import handmade
from tests.models import N_HEADS, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows
from tests.unit.page import Page
from tests.unit.spies import spy

TEXTS = ["w5 w6 w7 w8 w9", "w11 w12 w13 w14 w15"]
OTHERS = ["w5 w6 w17 w8 w9", "w21 w12 w23 w14 w15"]
THEIRS = {
    "resid_pre": patching.get_act_patch_resid_pre,
    "attn_out": patching.get_act_patch_attn_out,
    "mlp_out": patching.get_act_patch_mlp_out,
    "z": patching.get_act_patch_attn_head_out_all_pos,
    "q": patching.get_act_patch_attn_head_q_all_pos,
    "k": patching.get_act_patch_attn_head_k_all_pos,
    "v": patching.get_act_patch_attn_head_v_all_pos,
    "pattern": patching.get_act_patch_attn_head_pattern_all_pos,
}


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), TEXTS, **{"answers": ANSWERS, "corrupted": OTHERS, **options})


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "attn_only", "native"])
@pytest.mark.parametrize("node", THEIRS)
def test_maps_are_transformerlens_own(name: str, node: Any) -> None:
    missing = (name, node) == ("attn_only", "mlp_out")
    session = _session(name)
    if missing or (node == "pattern" and not session.facts.pattern_edits):
        assert node not in available_nodes(session, (*block_nodes(), *head_nodes()))
        return
    model, prompts = session.model, session.prompt_set
    ids = torch.tensor(ANSWER_IDS)

    def metric(logits: Tensor) -> Tensor:
        pair = logits[:, -1].gather(1, ids)
        return (pair[:, 0] - pair[:, 1]).mean()

    ours = lw.analysis.patch_sweep(session, node)
    with torch.no_grad():
        _, cache = model.run_with_cache(prompts.tokens)
        theirs = THEIRS[node](model, prompts.corrupted_tokens, cache, metric)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("into", ["corrupted", "clean"])
@pytest.mark.parametrize("by_pos", [False, True])
def test_maps_end_exact_whichever_way(into: Any, by_pos: bool) -> None:
    session = _session("gpt2")
    *_, (done, total, maps) = patch_maps(session, list(head_nodes()), by_pos, into)
    assert done == total == sum(len(one.grid.cells) for one in maps)
    for one in maps:
        fresh = _session("gpt2")
        expected = lw.analysis.patch_sweep(
            fresh,
            one.grid.node,
            by_pos,
            into=into,
            per_prompt=True,
        )
        np.testing.assert_allclose(one.exact, expected, atol=1e-6)
        assert bool(one.known.all())


def test_the_reverse_direction_breaks_the_clean_run() -> None:
    session = _session("gpt2")
    sweep = lw.analysis.patch_sweep(session, "z", into="clean", per_prompt=True)
    for row, (clean, corrupted) in enumerate(
        zip(rows(session), corrupted_rows(session), strict=True)
    ):
        source = reference.activation(session.model, corrupted, "blocks.0.attn.hook_z")
        hooks = [reference.write("blocks.0.attn.hook_z", source[:, 2], head=2)]
        expected = reference.logit_diff(
            reference.logits(session.model, clean, hooks), ANSWER_IDS[row]
        )
        assert float(sweep[row, 0, 2]) == pytest.approx(expected, abs=2e-5)
    assert sweep.attrs["into"] == "clean"


def test_the_largest_estimates_are_made_exact_first() -> None:
    session = _session("gpt2")
    steps = patch_maps(session, ["z"], True, "corrupted")
    _, total, (one,) = next(steps)
    assert not bool(one.known.any())
    assert one.estimate is not None
    base = session.corrupted_run().metric
    effect = (one.estimate - base[:, None, None, None]).mean(dim=0).abs().flatten()
    largest = set(effect.topk(total // 8).indices.tolist())
    for done, _, _ in steps:
        if done == total // 8:
            break
    known = set(one.known.flatten().nonzero()[:, 0].tolist())
    assert known == largest


def test_what_is_known_is_not_computed_again_and_rates_the_estimate() -> None:
    session = _session("gpt2")
    before = lw.analysis.estimate_sweep(session, "z")
    assert np.isnan(before.attrs["rank_correlation"])
    exact = lw.analysis.patch_sweep(session, "z")
    runs: list[int] = []
    block = session.model.blocks[0]
    handle = block.register_forward_pre_hook(spy(lambda *_: runs.append(1)))
    again = lw.analysis.patch_sweep(session, "z")
    handle.remove()
    assert runs == []
    np.testing.assert_array_equal(exact, again)
    after = lw.analysis.estimate_sweep(session, "z")
    expected = lw.analysis.rank_correlation(after, exact)
    assert after.attrs["rank_correlation"] == pytest.approx(expected)
    assert 0 < expected <= 1
    session.interventions.add(lw.Ablate("L0H0"))
    assert np.isnan(lw.analysis.estimate_sweep(session, "z").attrs["rank_correlation"])


def test_patching_everything_is_the_clean_run_and_nothing_the_corrupted_one() -> None:
    session = _session("gpt2")
    swapped = lw.Session(tiny("gpt2"), OTHERS, answers=ANSWERS, corrupted=TEXTS)
    everything = swapped.run([lw.Patch("blocks.0.hook_resid_pre")]).metric
    torch.testing.assert_close(everything, session.baseline, atol=2e-5, rtol=0)
    nothing = swapped.run(()).metric
    torch.testing.assert_close(nothing, session.corrupted_run().metric, atol=2e-5, rtol=0)


@pytest.mark.parametrize("into", ["corrupted", "clean"])
@pytest.mark.parametrize("metric", ["logit_diff", "loss", "prob", "kl"])
def test_code_gives_the_same_maps_without_lens_widgets(into: Any, metric: str) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, metric=metric)
    session.interventions.add(lw.Ablate("L0H1", "mean"))
    nodes = ["resid_pre", "z", "pattern"]
    for by_pos in (False, True):
        text = patch_script(session, nodes, by_pos, into, normalize=False)
        assert "lens_widgets" not in text
        scope = {"model": session.model, "tokens": session.tokens}
        exec(text, scope)
        for node in nodes:
            ours = lw.analysis.patch_sweep(session, node, by_pos, into=into, per_prompt=True)
            theirs = scope["maps"][node].numpy()  # type: ignore[index]
            # Padding of the shorter prompt is patched by the plain loop, and left out by us.
            places = ours.notnull().all("prompt").values
            np.testing.assert_allclose(
                theirs[places], ours.mean("prompt").values[places], atol=3e-5
            )


@pytest.mark.parametrize("into", ["corrupted", "clean"])
def test_normalised_code_maps_the_patched_run_to_zero_and_the_other_to_one(into: Any) -> None:
    session = _session("gpt2")
    scope = {"model": session.model, "tokens": session.tokens}
    exec(patch_script(session, ["attn_out"], False, into, normalize=True), scope)
    ours = lw.analysis.patch_sweep(session, "attn_out", into=into, normalize=True)
    np.testing.assert_allclose(scope["maps"]["attn_out"], ours, atol=3e-5)  # type: ignore[index]


@pytest.mark.parametrize(
    ("into", "units"), [("corrupted", "fraction restored"), ("clean", "fraction broken")]
)
def test_a_share_of_zero_is_the_run_that_is_patched_and_one_the_other(
    into: Any, units: str
) -> None:
    session = _session("gpt2")
    clean, corrupted = (
        float(run.metric.mean()) for run in (session.run(), session.corrupted_run())
    )
    base, other = (corrupted, clean) if into == "corrupted" else (clean, corrupted)
    plain = lw.analysis.patch_sweep(session, "z", into=into)
    shares = lw.analysis.patch_sweep(session, "z", into=into, normalize=True)
    np.testing.assert_allclose(shares, (plain - base) / (other - base), atol=1e-5)
    assert shares.attrs["units"] == units
    for normalize, ends in ((True, (0, 1)), (False, (base, other))):
        told = lw.PatchingView(session, patch_into=into, normalize=normalize).data().attrs
        assert (told["unpatched"], told["full"]) == pytest.approx(ends, abs=1e-5)


def test_code_takes_a_metric_of_ones_own_from_where_it_runs() -> None:
    session = _session("gpt2", metric=lambda logits: logits[:, -1, 3])
    text = patch_script(session, ["z"], False, "corrupted", False)
    assert "Expects `model` and `tokens` [prompt, pos] and `metric` in scope" in text
    scope = {"model": session.model, "tokens": session.tokens, "metric": session.requested_metric}
    exec(text, scope)
    ours = lw.analysis.patch_sweep(session, "z")
    np.testing.assert_allclose(scope["maps"]["z"], ours, atol=3e-5)


def test_code_writes_out_a_metric_that_knows_its_own() -> None:
    model = handmade()
    pairs = lw.prompts.repeated_tokens(model, 5, corrupted="BC")
    session = lw.Session(model, pairs, metric=pairs.metric)
    scope = {"model": session.model, "tokens": session.tokens}
    exec(patch_script(session, ["z"], False, "clean", False), scope)
    ours = lw.analysis.patch_sweep(session, "z", into="clean")
    np.testing.assert_allclose(scope["maps"]["z"], ours, atol=3e-5)  # type: ignore[index]


@pytest.mark.parametrize(
    ("cell", "name", "head", "at"),
    [
        (("resid_pre", 1, None, 2), "blocks.1.hook_resid_pre", None, [2]),
        (("z", 0, 3, None), "blocks.0.attn.hook_z", 3, None),
        (("q", 1, 2, 4), "blocks.1.attn.hook_q", 2, [4]),
        (("v", 0, 1, None), "blocks.0.attn.hook_v", 1, None),
    ],
)
def test_a_clicked_cell_is_in_force_in_the_sessions_run(
    cell: tuple[str, int, int | None, int | None], name: str, head: int | None, at: Any
) -> None:
    session = _session("gpt2")
    args = {"cells": [dict(zip(("node", "layer", "head", "pos"), cell, strict=True))]}
    METHODS["session/set_patched"].run(session, {**args, "on": True})
    expected = []
    for row, (clean, corrupted) in enumerate(
        zip(rows(session), corrupted_rows(session), strict=True)
    ):
        source = reference.activation(session.model, corrupted, name)
        value = source if head is None else source[:, head]
        hooks = [reference.write(name, value, head=head, at=at)]
        expected.append(
            reference.logit_diff(reference.logits(session.model, clean, hooks), ANSWER_IDS[row])
        )
    assert session.current.tolist() == pytest.approx(expected, abs=2e-5)
    widget = lw.PatchingView(session)
    assert widget.state["interventions"][0]["cell"] == args["cells"][0]
    METHODS["session/set_patched"].run(session, {**args, "on": False})
    assert list(session.interventions) == []


def test_a_patched_pattern_of_one_head_is_that_heads_alone() -> None:
    session = _session("gpt2")
    patch = lw.Patch("blocks.1.attn.hook_pattern", 3, head=2)
    session.interventions.add(patch)
    run = session.run()
    name = "blocks.1.attn.hook_pattern"
    for row, (clean, corrupted) in enumerate(
        zip(rows(session), corrupted_rows(session), strict=True)
    ):
        expected = reference.activation(session.model, clean, name).clone()
        expected[2, 3] = reference.activation(session.model, corrupted, name)[2, 3]
        torch.testing.assert_close(run.pattern(1)[row], expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    "patch",
    [
        lw.Patch("blocks.1.attn.hook_q", (1, 2), head=3),
        lw.Patch("blocks.0.attn.hook_pattern", head=1),
        lw.Patch("blocks.0.attn.hook_pattern", -1, head=1),
        lw.Patch("blocks.1.attn.hook_k", head=0),
    ],
)
def test_patches_of_single_heads_are_written_out(patch: lw.Patch) -> None:
    for prompts, others in ((TEXTS, OTHERS), (PROMPTS, CORRUPTED)):
        session = lw.Session(tiny("gpt2"), prompts, answers=ANSWERS, corrupted=others)
        session.interventions.add(patch)
        scope = {"model": session.model, "tokens": session.tokens}
        exec(session.interventions.to_code(), scope)
        logits = scope["logits"][range(2), session.positions]  # type: ignore[index]
        torch.testing.assert_close(logits, session.run().last_logits, atol=2e-5, rtol=0)


def test_several_cells_are_one_step_to_undo() -> None:
    session = _session("gpt2")
    cells = [{"node": "z", "layer": 0, "head": head, "pos": None} for head in range(3)]
    METHODS["session/set_patched"].run(session, {"cells": cells[:1], "on": True})
    METHODS["session/set_patched"].run(session, {"cells": cells, "on": True})
    assert len(list(session.interventions)) == 3
    session.interventions.undo()
    assert len(list(session.interventions)) == 1


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"node": "z", "layer": 9, "head": 0, "pos": None}, "layer=9"),
        ({"node": "z", "layer": 0, "head": N_HEADS, "pos": None}, "head=4"),
        ({"node": "z", "layer": 0, "head": None, "pos": None}, "head=None"),
        ({"node": "resid_pre", "layer": 0, "head": None, "pos": 99}, "positions has 99"),
        ({"node": "nothing", "layer": 0, "head": None, "pos": 1}, "node='nothing'"),
    ],
)
def test_bad_cells_are_named_and_change_nothing(cell: Any, message: str) -> None:
    session = _session("gpt2")
    with pytest.raises(InputError, match=message):
        METHODS["session/set_patched"].run(session, {"cells": [cell], "on": True})
    assert list(session.interventions) == []


def test_what_maps_need_is_said_when_it_is_missing() -> None:
    plain = lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS)
    with pytest.raises(InputError, match="no corrupted prompts"):
        lw.PatchingView(plain).data()
    same = lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS, corrupted=TEXTS)
    with pytest.raises(InputError, match="nothing to restore"):
        lw.analysis.patch_sweep(same, "z", normalize=True)
    with pytest.raises(InputError, match="into='both'"):
        lw.analysis.patch_sweep(same, "z", into="both")  # type: ignore[arg-type]
    for head, message in ((7, "holds 4 heads"), (True, "head=True"), (-1, "head=-1")):
        with pytest.raises(InputError, match=message):
            same.interventions.add(lw.Patch("blocks.0.attn.hook_q", head=head))
    with pytest.raises(InputError, match="goes with a hook name"):
        lw.Patch("L0H1", head=1)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_an_answer_streams_from_estimates_to_exact_values(name: str) -> None:
    session = _session(name)
    args = {"patch_into": "corrupted", "normalize": True, "estimate": "best", "prompt": None}
    steps = METHODS["patching/heads"].run(session, args)
    next(steps)
    first = next(steps).partial
    nodes = available_nodes(session, head_nodes())
    assert [one["node"] for one in first.attrs["maps"]] == nodes
    assert not first["z_exact"].any()
    estimate = lw.analysis.estimate_sweep(session, "z", method="relp", normalize=True)
    np.testing.assert_allclose(first["z"], estimate, atol=1e-6)
    page = Page(session).dataset("patching/heads", **args)
    for info in page.attrs["maps"]:
        node = info["node"]
        one = page.isel(head=slice(info["heads"]))
        assert one[f"{node}_exact"].all()
        expected = lw.analysis.patch_sweep(session, node, normalize=True)
        np.testing.assert_allclose(one[node], expected, atol=1e-6)
        np.testing.assert_allclose(one[f"{node}_sem"], expected.sem, atol=1e-6)
    assert page.attrs["clean"] == pytest.approx(float(session.baseline.mean()))


def test_the_page_the_data_and_the_figure_hold_the_same_maps() -> None:
    session = _session("gpt2")
    view = lw.PatchingView(session, patch_maps="blocks", normalize=False)
    data = view.data()
    expected = lw.analysis.patch_sweep(session, "attn_out")
    np.testing.assert_allclose(data["attn_out"], expected, atol=1e-6)
    page = Page(session).dataset(
        "patching/blocks", patch_into="corrupted", normalize=False, estimate="best", prompt=None
    )
    figure = view.figure()
    assert len(figure.data) == 3
    assert figure.data[0].x[1] == "w5 1"
    for node, drawn in zip(block_nodes(), figure.data, strict=True):
        np.testing.assert_allclose(page[node], data[node], atol=1e-6)
        np.testing.assert_allclose(drawn.z, data[node])
    session.settings.update(prompt_scope="selected")
    heads = lw.PatchingView(session, by_pos=True)
    assert heads.data()["z"].dims == ("layer", "head", "pos")
    assert heads.figure().data[0].y[:2] == ("L0H0", "L0H1")
    each = lw.analysis.patch_sweep(session, "z", True, per_prompt=True, normalize=True)
    np.testing.assert_allclose(heads.data()["z"], each.sel(prompt=0), atol=1e-6)
    assert heads.data()["z_sem"].isnull().all()
    scope = {"model": session.model, "tokens": session.tokens}
    exec(view.code().attrs["code"], scope)
    np.testing.assert_allclose(scope["maps"]["attn_out"], expected, atol=3e-5)  # type: ignore[index]


def test_positions_of_means_are_named_by_the_longest_prompt_as_the_page_opens() -> None:
    session = lw.Session(
        tiny("gpt2"),
        ["w11 w12 w13", "w5 w6 w7 w8 w9"],
        answers=ANSWERS,
        corrupted=["w21 w12 w23", "w5 w6 w17 w8 w9"],
    )
    view = lw.PatchingView(session, patch_maps="blocks")
    asked = view.opening()
    assert asked["patching/tokens"] == ("session/tokens", {"prompt": 1})
    assert view.data().attrs["tokens_of"] == 1
    assert view.figure().data[0].x[-1] == "w9 5"
    assert asked["patching/blocks"][0] == "patching/blocks"
    session.settings.update(prompt_scope="selected")
    assert view.opening()["patching/tokens"] == ("session/tokens", {"prompt": 0})
    assert view.data().sizes["pos"] == 4
