"""What the ablation panel is told, and hands out, is what single hooked forwards give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.page import Page
from tests.unit.scripts import edited, execute


@pytest.fixture(autouse=True)
def _close_views() -> Iterator[None]:
    from ipywidgets import Widget

    yield
    Widget.close_all()


@pytest.fixture
def changed(session: lw.Session) -> lw.Session:
    """With an ablation in force and the second prompt selected."""
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1, layer=1, head=2)
    return session


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
@pytest.mark.parametrize("prompt", [None, 1])
def test_effects_are_the_sweep_in_reply_data_and_figure(
    changed: lw.Session, kind: Any, prompt: int | None
) -> None:
    heads = lw.analysis.ablation_sweep(changed, kind, per_prompt=True)
    mlps = lw.analysis.ablation_sweep(changed, kind, "mlp", per_prompt=True)
    if prompt is None:
        heads, mlps = heads.mean("prompt"), mlps.mean("prompt")
    else:
        heads, mlps = heads.sel(prompt=prompt), mlps.sel(prompt=prompt)
    scope = "mean" if prompt is None else "selected"
    changed.settings.update(ablation_kind=kind, prompt_scope=scope)
    view = lw.AblationPanel(changed, values="effect")
    told = Page(changed).dataset("ablation/grid", ablation_kind=kind, prompt=prompt)
    for table in (told, view.data(), view.ask("grid", ablation_kind=kind, prompt=prompt)):
        np.testing.assert_allclose(table["heads"], heads, atol=1e-5)
        np.testing.assert_allclose(table["mlps"], mlps, atol=1e-5)
        assert table["heads"].dims == ("layer", "head")
        assert table.attrs["units"] == "logits"
        assert f"ablated ({kind})" in table.attrs["definition"]
    (trace,) = view.figure().data
    np.testing.assert_allclose(trace.z[:, :-1], heads, atol=1e-5)
    np.testing.assert_allclose(trace.z[:, -1], mlps, atol=1e-5)
    assert (trace.x[2], trace.x[-1], trace.y[1]) == ("H2", "MLP", "L1")
    assert trace.colorbar.title.text == "logits"


@pytest.mark.parametrize("part", ["L1H2", "L1.mlp"])
def test_an_effect_is_that_of_a_hooked_forward(session: lw.Session, part: str) -> None:
    hook = "blocks.1.hook_mlp_out" if part == "L1.mlp" else "blocks.1.attn.hook_z"

    def zero(activation: Any, hook: Any) -> Any:
        activation = activation.clone()
        activation[(slice(None), slice(None), 2) if part == "L1H2" else slice(None)] = 0.0
        return activation

    def difference(hooks: list[Any]) -> float:
        tokens = session.tokens[:1, : int(session.prompt_set.lengths[0])]
        with torch.no_grad():
            logits = session.model.run_with_hooks(tokens, fwd_hooks=hooks)[0, -1]
        return float(logits[30] - logits[31])

    told = Page(session).dataset("ablation/grid", ablation_kind="zero", prompt=0)
    shown = told["mlps"][1] if part == "L1.mlp" else told["heads"][1, 2]
    assert float(shown) == pytest.approx(difference([(hook, zero)]) - difference([]), abs=1e-5)


def test_without_a_kind_the_grid_is_attribution(changed: lw.Session) -> None:
    each = lw.analysis.attribution(changed, per_prompt=True)
    parts = lw.analysis.attribution(changed, "component", per_prompt=True)
    mlps = parts.sel(component=["L0.mlp", "L1.mlp"])
    view = lw.AblationPanel(changed)
    page = Page(changed)
    for prompt, of in ((None, lambda a: a.mean("prompt")), (1, lambda a: a.sel(prompt=1))):
        told = page.dataset("ablation/grid", ablation_kind=None, prompt=prompt)
        for table in (told, view.ask("grid", prompt=prompt)):
            np.testing.assert_allclose(table["heads"], of(each), atol=1e-6)
            np.testing.assert_allclose(table["mlps"], of(mlps), atol=1e-6)
            assert table.attrs["definition"].startswith("Direct effect on the logit of the correct")
    np.testing.assert_allclose(view.figure().data[0].z[:, :-1], each.mean("prompt"), atol=1e-6)


def test_a_layer_without_an_mlp_has_no_value() -> None:
    session = lw.Session(tiny("attn_only"), PROMPTS, answers=ANSWERS)
    view = lw.AblationPanel(session)
    for kind in (None, "zero"):
        assert np.isnan(view.ask("grid", ablation_kind=kind, prompt=None)["mlps"]).all()
    np.testing.assert_allclose(view.data()["heads"], lw.analysis.attribution(session), atol=1e-6)
    assert list(view.figure().data[0].x) == ["H0", "H1", "H2", "H3"]


def test_effects_come_bit_by_bit(session: lw.Session) -> None:
    page = Page(session)
    identity = page.send("ablation/grid", ablation_kind="zero", prompt=None)
    assert page.answer(identity)["kind"] == "reply"
    told = page.progress(identity)
    assert told[0]["total"] == 2 * 4 + 2
    assert [m["done"] for m in told] == sorted(m["done"] for m in told)


def test_predictions_are_those_of_the_model_before_and_after(changed: lw.Session) -> None:
    changed.interventions.toggle("L1.mlp")
    view = lw.AblationPanel(changed)
    tokens = torch.tensor([[0, 11, 12, 13, 14]])
    hooks = [
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.write("blocks.1.hook_mlp_out", 0.0),
    ]
    with torch.no_grad():
        before = changed.model(tokens)[0, -1]
        after = changed.model.run_with_hooks(tokens, fwd_hooks=hooks)[0, -1]
    probs = [logits.softmax(-1) for logits in (before, after)]
    likely = {int(i) for each in probs for i in each.topk(5).indices}
    for table in (
        Page(changed).dataset("ablation/predictions", prompt=1),
        view.ask("predictions"),
    ):
        ids = [int(i) for i in table["token_id"]]
        assert set(ids) == likely
        np.testing.assert_allclose(table["baseline"], probs[0][ids], atol=1e-6)
        np.testing.assert_allclose(table["current"], probs[1][ids], atol=1e-6)
        assert list(table["baseline"]) == sorted(table["baseline"], reverse=True)
        assert [str(text) for text in table["token"].values] == [
            changed.model.tokenizer.decode([i]) for i in ids
        ]
        for name, logits in (("metric_baseline", before), ("metric_current", after)):
            metric = float(logits[32] - logits[33])
            assert table.attrs[name] == pytest.approx(metric, abs=1e-5)
        assert (table.attrs["metric"], table.attrs["prompt"]) == ("logit difference", 1)


def test_an_interventions_effect_is_what_the_metric_loses_without_it(changed: lw.Session) -> None:
    changed.interventions.toggle("L1.mlp")
    changed.interventions.toggle("L1H0")
    keys = [entry.key for entry in changed.interventions.entries]
    changed.interventions.set_enabled(keys[2], False)
    everything = float(changed.current.mean())
    expected = [
        everything - float(changed.run([lw.Ablate(other)]).metric.mean())
        for other in ("L1.mlp", "L0H1")
    ]
    view = lw.AblationPanel(changed)
    for table in (
        Page(changed).dataset("ablation/intervention_effects"),
        view.ask("intervention_effects"),
    ):
        assert [str(key) for key in table["key"].values] == keys[:2]
        assert [str(label) for label in table["label"].values] == ["L0H1", "L1.mlp"]
        np.testing.assert_allclose(table["effect"], expected, atol=1e-5)
    changed.interventions.clear()
    assert Page(changed).dataset("ablation/intervention_effects").sizes["key"] == 0


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_its_code_gives_the_effects(kind: Any) -> None:
    session = edited("gpt2")
    session.settings.ablation_kind = kind
    view = lw.AblationPanel(session, values="effect")
    left = execute(session, view.ask("code").attrs["code"])
    np.testing.assert_allclose(left["effects"], view.data()["heads"], atol=2e-5)
    np.testing.assert_allclose(left["mlp_effects"], view.data()["mlps"], atol=2e-5)


def test_its_code_gives_the_attributions() -> None:
    session = edited("gpt2")
    session.settings.prompt_scope = "selected"
    view = lw.AblationPanel(session)
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    exec(view.ask("code").attrs["code"], scope)
    parts = dict(zip(scope["components"], scope["effects"], strict=True))
    np.testing.assert_allclose(scope["head_effects"], view.data()["heads"], atol=3e-5)
    mlps = [float(parts[f"L{layer}.mlp"]) for layer in range(2)]
    np.testing.assert_allclose(mlps, view.data()["mlps"], atol=3e-5)


def test_what_cannot_be_asked_is_named(session: lw.Session) -> None:
    page = Page(session)
    for question, args in (("grid", {"ablation_kind": None}), ("predictions", {})):
        error = page.error(f"ablation/{question}", prompt=2, **args)
        assert "prompt=2 is out of range" in error["message"]
    bare = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    error = Page(bare).error("ablation/grid", ablation_kind="resample", prompt=None)
    assert "needs corrupted prompts" in error["message"]
    assert "corrupted=[...]" in error["hint"]
    with pytest.raises(InputError, match="values='effects'"):
        lw.AblationPanel(session, values="effects")  # type: ignore[arg-type]


def test_the_kind_chosen_in_one_view_is_that_of_every_view(session: lw.Session) -> None:
    panel, table = lw.AblationPanel(session, values="effect"), lw.AttributionTable(session)
    # As the panel's page writes it; the table's page ablates with what its own trait says.
    panel.set_state({"settings": {**panel.settings, "ablation_kind": "mean"}})
    assert session.settings.ablation_kind == "mean"
    assert table.settings["ablation_kind"] == "mean"
    xr.testing.assert_equal(panel.data(), panel.ask("grid", ablation_kind="mean"))
    assert not panel.data()["heads"].equals(panel.ask("grid", ablation_kind="zero")["heads"])


def test_a_page_opens_with_what_the_panel_asks(session: lw.Session) -> None:
    session.settings.update(ablation_kind="mean", prompt_scope="selected")
    asked = lw.AblationPanel(session).opening()
    assert set(asked) == {
        *("ablation/metric", "ablation/grid"),
        *("ablation/predictions", "ablation/intervention_effects"),
    }
    assert asked["ablation/grid"] == ("ablation/grid", {"ablation_kind": None, "prompt": 0})
    exact = lw.AblationPanel(session, values="effect").opening()
    assert exact["ablation/grid"][1] == {"ablation_kind": "mean", "prompt": 0}
