"""Interventions are values: frozen, comparable, hashable, and say what they do."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import torch

import lens_widgets as lw
from lens_widgets.interventions.base import Intervention


def _all() -> list[Intervention]:
    return [
        lw.Ablate("L1H2"),
        lw.Ablate("L1H2", "mean"),
        lw.Ablate("L1H2", positions=1),
        lw.Ablate("L1.mlp"),
        lw.Patch("L1H2"),
        lw.Patch("L1H2", source="clean"),
        lw.Patch("blocks.0.hook_resid_pre", positions=(-1,)),
        lw.Steer("L1H2", torch.arange(8.0)),
        lw.Steer("L1H2", torch.arange(8.0), 2.0),
        lw.Steer("L1H2", torch.ones(8)),
    ]


def test_equal_interventions_are_equal_and_hash_alike() -> None:
    assert _all() == _all()
    assert [hash(item) for item in _all()] == [hash(item) for item in _all()]
    assert len(set(_all() + _all())) == len(_all())


def test_the_same_change_may_be_written_in_several_ways() -> None:
    assert lw.Ablate(lw.Component.parse("L1H2")) == lw.Ablate(" L1H2 ")
    assert lw.Ablate("L1H2", positions=3) == lw.Ablate("L1H2", positions=[3, 3])
    assert lw.Ablate("L1H2", positions=torch.tensor([3])) == lw.Ablate("L1H2", positions=(3,))
    assert lw.Steer("L1H2", [1.0, 2.0]) == lw.Steer("L1H2", torch.tensor([1, 2]))


@pytest.mark.parametrize("item", _all(), ids=str)
def test_interventions_cannot_be_changed(item: Intervention) -> None:
    with pytest.raises(FrozenInstanceError):
        item.positions = (0,)


def test_steering_does_not_follow_its_tensor() -> None:
    vector = torch.ones(8)
    item = lw.Steer("L1H2", vector)
    vector.zero_()
    assert item == lw.Steer("L1H2", torch.ones(8))


@pytest.mark.parametrize(
    ("item", "label", "kind", "detail"),
    [
        (lw.Ablate("L1H2"), "L1H2", "zero", "all positions"),
        (lw.Ablate("L0.mlp", "mean", -1), "L0.mlp", "mean", "position -1"),
        (lw.Ablate("embed", "resample", (0, 2)), "embed", "resample", "positions 0, 2"),
        (lw.Patch("L1.attn"), "L1.attn", "patch", "from corrupted · all positions"),
        (
            lw.Patch("blocks.0.hook_resid_pre", 3, "clean"),
            *("blocks.0.hook_resid_pre", "patch", "from clean · position 3"),
        ),
        (
            lw.Steer("blocks.0.hook_resid_pre", [1.0], 2.5),
            *("blocks.0.hook_resid_pre", "steer", "2.5 × vector · all positions"),
        ),
    ],
)
def test_interventions_say_what_they_do(
    item: Intervention, label: str, kind: str, detail: str
) -> None:
    assert (item.label, item.kind, item.detail) == (label, kind, detail)


@pytest.mark.parametrize(
    ("name", "hook", "head"),
    [
        ("L9H6", "blocks.9.attn.hook_z", 6),
        ("L12H34", "blocks.12.attn.hook_z", 34),
        ("L9.mlp", "blocks.9.hook_mlp_out", None),
        ("L9.attn", "blocks.9.hook_attn_out", None),
        ("embed", "hook_embed", None),
        ("pos_embed", "hook_pos_embed", None),
    ],
)
def test_component_names_are_transformerlens_names(name: str, hook: str, head: int | None) -> None:
    part = lw.Component.parse(name)
    assert str(part) == name
    assert lw.Component.parse(str(part)) == part
    assert (part.hook, part.head) == (hook, head)
    assert lw.Ablate(name).site.hook == hook
