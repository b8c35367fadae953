"""Bad models, metrics, keywords and interventions: one clear error, nothing changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError, KeywordError
from tests.models import D_HEAD, D_MODEL, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, state


def _raising(logits: Tensor) -> Tensor:
    raise ZeroDivisionError("no such thing")


def _not_a_number(logits: Tensor) -> Tensor:
    return logits[:, 0, 0] / 0 * 0


METRICS: dict[str, tuple[Callable[[Tensor], Any], list[str]]] = {
    "a scalar": (lambda logits: logits.mean(), ["shape [2]", "got []", "Do not average"]),
    "one value a position": (lambda logits: logits[..., 0], ["shape [2]", "got [2, 7]"]),
    "a float": (lambda logits: 1.0, ["shape [2]", "got float"]),
    "nothing": (lambda logits: None, ["shape [2]", "got NoneType"]),
    "NaN": (_not_a_number, ["'_not_a_number'", "not finite", "nan"]),
    "raising": (_raising, ["'_raising' raised ZeroDivisionError: no such thing", "[2, 7, 60]"]),
}


@pytest.mark.parametrize("case", METRICS)
def test_a_metric_function_is_checked_at_once(session: lw.Session, case: str) -> None:
    metric, parts = METRICS[case]
    before = state(session)
    for use in (
        lambda: lw.Session(tiny("gpt2"), PROMPTS, metric=metric),
        lambda: session.set_prompts(PROMPTS, metric=metric),
    ):
        with pytest.raises(InputError) as caught:
            use()
        for part in ["metric", *parts]:
            assert part in str(caught.value)
    assert state(session) == before


def test_a_metric_that_fails_only_under_interventions_leaves_the_session_usable() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    clean = session.run(()).logits[:, 0, 0].clone()

    def fragile(logits: Tensor) -> Tensor:
        if not torch.equal(logits[:, 0, 0], clean):
            raise ZeroDivisionError("changed")
        return logits[:, 0, 0]

    session = lw.Session(tiny("gpt2"), PROMPTS, metric=fragile)
    session.interventions.add(lw.Ablate("embed"))
    with pytest.raises(InputError, match="'fragile' raised ZeroDivisionError: changed"):
        _ = session.current
    with pytest.raises(InputError, match="'fragile' raised ZeroDivisionError: changed"):
        lw.analysis.ablation_sweep(session)
    session.interventions.undo()
    assert torch.equal(session.current, session.baseline)


def test_a_model_must_be_one_of_transformerlens() -> None:
    with pytest.raises(InputError, match=r"model is a Linear.*boot_transformers"):
        lw.Session(torch.nn.Linear(2, 2), PROMPTS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"model is a str"):
        lw.Session("gpt2", PROMPTS)  # type: ignore[arg-type]


def test_a_model_in_training_mode_is_refused() -> None:
    model = tiny("gpt2")
    model.train()
    try:
        with pytest.raises(InputError, match=r"model is in training mode.*model\.eval\(\)"):
            lw.Session(model, PROMPTS)
    finally:
        model.eval()


@pytest.mark.parametrize(
    ("keyword", "near"),
    [("answer", "answers"), ("prepend_boss", "prepend_bos"), ("corupted", "corrupted")],
)
def test_an_unknown_keyword_is_answered_with_the_near_one(keyword: str, near: str) -> None:
    with pytest.raises(KeywordError) as caught:
        lw.Session(tiny("gpt2"), PROMPTS, **{keyword: None})
    assert f"Session has no argument {keyword!r}. Did you mean {near!r}?" in str(caught.value)
    assert isinstance(caught.value, TypeError)


def test_a_keyword_near_to_none_lists_them_all() -> None:
    with pytest.raises(KeywordError) as caught:
        lw.Session(tiny("gpt2"), PROMPTS, zzz=1)
    assert "It takes 'model', 'prompts', 'messages', 'answers'" in str(caught.value)
    assert "Did you mean" not in str(caught.value)


MADE: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "a misspelled head": (lambda: lw.Ablate("L1H"), ["component='L1H'", "'L9H6'", "'L9.mlp'"]),
    "a wrong part": (lambda: lw.Ablate("L1.mpl"), ["component='L1.mpl'"]),
    "a negative head": (lambda: lw.Ablate("L1H-2"), ["component='L1H-2'"]),
    "a number": (lambda: lw.Ablate(3), ["component=3"]),  # type: ignore[arg-type]
    "an unknown kind": (
        lambda: lw.Ablate("L1H2", "zeros"),  # type: ignore[arg-type]
        ["kind='zeros'", "Did you mean 'zero'?", "'mean' or 'resample'"],
    ),
    "kind of wrong type": (lambda: lw.Ablate("L1H2", 0), ["kind=0"]),  # type: ignore[arg-type]
    "an unknown source": (
        lambda: lw.Patch("L1H2", source="corupted"),  # type: ignore[arg-type]
        ["source='corupted'", "'corrupted'"],
    ),
    "positions of text": (
        lambda: lw.Ablate("L1H2", positions="last"),  # type: ignore[arg-type]
        ["positions='last'", "integer", "None means every position"],
    ),
    "no positions": (lambda: lw.Ablate("L1H2", positions=()), ["positions=()"]),
    "a truth value": (lambda: lw.Ablate("L1H2", positions=True), ["positions=True"]),
    "half a position": (lambda: lw.Patch("L1H2", 1.5), ["positions=1.5"]),  # type: ignore[arg-type]
    "a matrix": (lambda: lw.Steer("embed", torch.ones(2, 3)), ["vector", "[2, 3]"]),
    "a single number": (lambda: lw.Steer("embed", 1.0), ["vector", "[]"]),  # type: ignore[arg-type]
    "an infinite vector": (lambda: lw.Steer("embed", [1.0, float("inf")]), ["vector", "finite"]),
    "words": (lambda: lw.Steer("embed", "up"), ["vector", "str"]),  # type: ignore[arg-type]
    "scale of text": (
        lambda: lw.Steer("embed", [1.0], "big"),  # type: ignore[arg-type]
        ["scale='big'", "number"],
    ),
    "an infinite scale": (lambda: lw.Steer("embed", [1.0], float("nan")), ["scale=nan"]),
}


@pytest.mark.parametrize("case", MADE)
def test_an_intervention_is_not_made_of_bad_input(case: str) -> None:
    make, parts = MADE[case]
    with pytest.raises(InputError) as caught:
        make()
    for part in parts:
        assert part in str(caught.value)


ADDED: dict[str, tuple[Any, list[str]]] = {
    "a layer too high": (lw.Ablate("L2H0"), ["'L2H0'", "2 layers", "0 to 1"]),
    "an MLP too high": (lw.Ablate("L7.mlp"), ["'L7.mlp'", "2 layers"]),
    "a head too high": (lw.Ablate("L1H4"), ["'L1H4'", "4 heads", "0 to 3"]),
    "a head to patch": (lw.Patch("L1H9"), ["'L1H9'", "4 heads"]),
    "a head to steer": (lw.Steer("L1H9", [0.0] * D_HEAD), ["'L1H9'", "4 heads"]),
    "an unknown hook": (
        lw.Patch("blocks.0.hook_resid_pots"),
        ["hook='blocks.0.hook_resid_pots'", "Did you mean 'blocks.0.hook_resid_post'?"],
    ),
    "a position too high": (
        lw.Ablate("L1H2", positions=(0, 7)),
        ["positions has 7", "7 tokens", "0 to 6", "-7"],
    ),
    "a position too low": (lw.Ablate("L1H2", positions=-8), ["positions has -8"]),
    "a short vector": (
        lw.Steer("blocks.0.hook_resid_post", [1.0] * D_HEAD),
        [f"vector has length {D_HEAD}", f"hook_resid_post has {D_MODEL}", "same hook"],
    ),
    "a vector for a head": (
        lw.Steer("L1H2", [1.0] * D_MODEL),
        [f"vector has length {D_MODEL}", f"hook_z has {D_HEAD}"],
    ),
    "steering a pattern": (
        lw.Steer("blocks.0.attn.hook_pattern", [1.0] * 2),
        ["hook='blocks.0.attn.hook_pattern'", "no vectors"],
    ),
    "steering token ids": (lw.Steer("embed.hook_in", [1.0] * 2), ["hook='embed.hook_in'"]),
    "a name": ("L1H2", ["got str", "not an intervention", 'toggle("L1H4")']),
    "nothing": (None, ["got NoneType"]),
}


@pytest.mark.parametrize("case", ADDED)
def test_a_bad_intervention_is_refused_by_every_door(session: lw.Session, case: str) -> None:
    item, parts = ADDED[case]
    session.interventions.toggle("L0H0")
    before = state(session)
    with pytest.raises(InputError) as caught:
        session.interventions.add(item)
    for part in parts:
        assert part in str(caught.value)
    with pytest.raises(InputError):
        session.with_interventions([item])
    with pytest.raises(InputError):
        session.run([item])
    assert state(session) == before


@pytest.mark.parametrize(
    ("item", "needs"),
    [
        (lw.Ablate("L1H2", "resample"), "kind='resample' needs corrupted prompts"),
        (lw.Patch("L1H2"), "source='corrupted' needs corrupted prompts"),
    ],
)
def test_what_needs_corrupted_prompts_says_so(item: Any, needs: str) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    before = state(session)
    with pytest.raises(InputError, match=re.escape(needs)):
        session.interventions.add(item)
    with pytest.raises(InputError, match="no corrupted prompts"):
        session.corrupted_run()
    with pytest.raises(InputError, match="resample"):
        session.interventions.toggle("L1H2", "resample")
    assert state(session) == before


def test_a_component_the_model_lacks_is_refused() -> None:
    session = lw.Session(tiny("attn_only"), PROMPTS)
    with pytest.raises(InputError, match=r"'L0\.mlp'.*no blocks\.0\.hook_mlp_out"):
        session.interventions.add(lw.Ablate("L0.mlp"))
    rotary = lw.Session(tiny("llama"), PROMPTS)
    with pytest.raises(InputError, match=r"'pos_embed'.*no hook_pos_embed"):
        rotary.interventions.toggle("pos_embed")


def test_a_pattern_that_is_only_a_copy_cannot_be_patched() -> None:
    session = lw.Session(tiny("opt"), PROMPTS, corrupted=CORRUPTED)
    with pytest.raises(InputError, match=r"blocks\.1\.attn\.hook_pattern.*ignores edits"):
        session.interventions.add(lw.Patch("blocks.1.attn.hook_pattern"))


def test_bad_changes_of_the_list_leave_it_as_it_was(session: lw.Session) -> None:
    session.interventions.toggle("L0H0")
    before = state(session)
    for change, parts in (
        (lambda: session.interventions.remove("L0H1"), ["'L0H1'", "Did you mean 'L0H0'?"]),
        (lambda: session.interventions.remove(lw.Ablate("L1H1")), ["not in the list", "L0H0"]),
        (lambda: session.interventions.set_enabled("i99", True), ["key='i99'"]),
        (lambda: session.interventions.toggle("L0H9"), ["'L0H9'", "4 heads"]),
        (lambda: session.interventions.toggle("L0H1", "none"), ["kind='none'"]),
        (lambda: session.run(["L0H1"]), ["'L0H1'", "not an intervention"]),  # type: ignore[list-item]
        (lambda: session.run(lw.Ablate("L0H1")), ["interventions"]),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError) as caught:
            change()
        for part in parts:
            assert part in str(caught.value)
    assert state(session) == before


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"layer": 2}, ["selection.layer=2", "0 to 1"]),
        ({"head": -1}, ["selection.head=-1", "0 to 3"]),
        ({"prompt": 2}, ["selection.prompt=2", "0 to 1"]),
        ({"key_pos": 7}, ["selection.key_pos=7", "0 to 6"]),
        ({"lyer": 1}, ["'lyer'", "Did you mean 'layer'?"]),
    ],
)
def test_a_bad_selection_is_refused_whole(
    session: lw.Session, fields: dict[str, int], parts: list[str]
) -> None:
    session.selection.update(layer=1, head=1)
    before = session.selection.as_dict()
    with pytest.raises(InputError) as caught:
        session.selection.update(head=2, **fields) if "head" not in fields else (
            session.selection.update(layer=0, **fields)
        )
    for part in parts:
        assert part in str(caught.value)
    assert session.selection.as_dict() == before


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda s: lw.analysis.attribution(s, by="heads"), ["by='heads'", "'head'"]),  # type: ignore[arg-type]
        (lambda s: lw.analysis.ablation_sweep(s, kind="zeros"), ["kind='zeros'", "'zero'"]),  # type: ignore[arg-type]
        (lambda s: lw.analysis.ablation_sweep(s, over="heads"), ["over='heads'", "'head'"]),  # type: ignore[arg-type]
        (lambda s: lw.analysis.ablation_sweep(s, "resample"), ["resample", "corrupted"]),
    ],
)
def test_analysis_names_a_bad_option(call: Callable[[Any], Any], parts: list[str]) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    with pytest.raises(InputError) as caught:
        call(session)
    for part in parts:
        assert part in str(caught.value)
