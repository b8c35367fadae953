"""The page of activations: its code, its refusals, its list and its export."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.activations.activation_list import list_activations
from lens_widgets.analysis.activations.activations import activation
from lens_widgets.errors import ClosedError, InputError
from lens_widgets.views.snapshot import snapshot_of
from tests.models import N_LAYERS, tiny
from tests.unit.cases import PROMPTS
from tests.unit.page import Page
from tests.unit.test_activations import NAMES, RESID, Z


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", ["baseline", "current", "difference"])
def test_the_code_gives_the_same_tensor(name: str, which: Any) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.toggle("L0H1")
    session.interventions.toggle("L1H0", "mean")
    page = Page(session)
    for hook in (Z, RESID, "hook_embed", "blocks.0.attn.hook_pattern", "hook_unembed"):
        text = page.dataset("activation_browser/code", activation=hook, show=which).attrs["code"]
        scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
        exec(compile(text, "code", "exec"), scope)
        assert "lens_widgets" not in text
        for prompt in range(len(PROMPTS)):
            expected = activation(session, hook, which, prompt)
            got = scope["activation"][prompt]
            cut = tuple(
                slice(0, expected.sizes[dim]) if dim.endswith("pos") else slice(None)
                for dim in map(str, expected.dims)
            )
            np.testing.assert_allclose(got[cut], expected, atol=2e-5)


def test_without_interventions_the_code_needs_no_hooks(session: lw.Session) -> None:
    text = (
        Page(session)
        .dataset("activation_browser/code", activation=RESID, show="current")
        .attrs["code"]
    )
    assert "hooks" not in text
    assert f"names_filter=['{RESID}']" in text


def test_a_name_that_is_no_hook_is_refused_with_a_near_one(session: lw.Session) -> None:
    page = Page(session)
    typo = "blocks.0.hook_resid_pst"
    for method, more in (
        ("activation_browser/plane", {"prompt": 0, "slice_rows": "pos"}),
        ("activation_browser/code", {}),
    ):
        error = page.error(method, activation=typo, show="current", **more)
        assert typo in error["message"]
        assert "blocks.0.hook_resid_post" in error["hint"]
    view = lw.ActivationBrowser(session, activation=RESID)
    for change in (
        lambda: lw.ActivationBrowser(session, activation=typo),
        lambda: setattr(view, "activation", typo),
        lambda: activation(session, typo),
    ):
        with pytest.raises(InputError, match=r"Did you mean 'blocks\.0\.hook_resid_post'\?"):
            change()
    view.set_state({"activation": typo})
    assert view.activation == RESID


def test_a_hook_that_never_fires_says_so(session: lw.Session) -> None:
    silent = next(n for n in session.model.hook_dict if n not in session.facts.points)
    with pytest.raises(InputError, match="never fires"):
        activation(session, silent)


def test_a_view_without_a_choice_and_a_closed_session_say_so(session: lw.Session) -> None:
    view = lw.ActivationBrowser(session)
    assert view.activation == ""
    with pytest.raises(InputError, match="activation='' chooses none"):
        view.data()
    view.activation = RESID
    np.testing.assert_array_equal(view.data()["values"], activation(session, RESID))
    np.testing.assert_array_equal(view.figure().data[0].z, activation(session, RESID))
    reply = Page(session).dataset(
        "activation_browser/plane", activation=RESID, prompt=0, show="current"
    )
    np.testing.assert_array_equal(reply["values"], activation(session, RESID))
    session.close()
    with pytest.raises(ClosedError):
        view.data()


@pytest.mark.parametrize("bad", [-1, 2, True, "0"])
def test_a_prompt_that_is_not_there_is_refused(session: lw.Session, bad: Any) -> None:
    with pytest.raises(InputError, match="prompt="):
        activation(session, RESID, "current", bad)


def test_the_list_of_a_page_is_told_once_for_all_layers(session: lw.Session) -> None:
    result = Page(session).dataset("activation_browser/listing").attrs
    group = next(g for g in result["groups"] if g["name"] == "blocks.{layer}.hook_resid_pre")
    assert group["layers"] == list(range(N_LAYERS))
    assert group["aliases"] == ["blocks.{layer}.hook_in"]
    assert group["short"] == ["resid_pre"]
    listed = list_activations(session)
    assert result["n_activations"] == len(listed)
    assert result["n_activations"] == sum(max(1, len(g["layers"])) for g in result["groups"])
    assert result["n_bytes"] == sum(item.n_bytes or 0 for item in listed)


def test_an_exported_view_shows_the_chosen_activation(session: lw.Session) -> None:
    session.selection.update(prompt=1)
    view = lw.ActivationBrowser(session, activation=RESID, show="baseline")
    slots = snapshot_of(view)["slots"]
    shown = slots["activation_browser/plane"]["result"]["attrs"]
    assert (shown["activation"], shown["prompt"], shown["show"]) == (RESID, 1, "baseline")
