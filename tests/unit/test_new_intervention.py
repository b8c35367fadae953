"""A kind of intervention is one class: all that is said of it here, the package learns from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention, RunContext
from lens_widgets.interventions.checks import check_component, check_positions, normal_positions
from lens_widgets.interventions.site import Site, position_mask, replacing
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.views.picture import picture
from tests.models import D_HEAD, tiny
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS, rows
from tests.unit.test_to_code import check as check_code


@dataclass(frozen=True)
class Dampen(Intervention):
    """Multiplies each dimension of what a component writes without interventions by a factor."""

    component: Component | str
    factors: tuple[float, ...]
    positions: tuple[int, ...] | int | None = None

    toggled_as = ("halve",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "component", Component.parse(self.component))
        object.__setattr__(self, "factors", tuple(map(float, self.factors)))
        object.__setattr__(self, "positions", normal_positions(self.positions))

    @property
    def site(self) -> Site:
        return Site.of(self.component)

    @property
    def label(self) -> str:
        return str(self.component)

    @property
    def kind(self) -> str:
        return "dampen"

    @property
    def other_run(self) -> Any:
        return "clean"

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_component(facts, self.component)
        check_positions(prompts, self.acts_at)
        wanted = facts.hooks[self.site.hook][-1]
        if len(self.factors) not in (1, wanted):
            raise InputError(f"factors has {len(self.factors)} numbers.", f"Pass {wanted}, or one.")

    def hooks(self, context: RunContext) -> list[Hook]:
        self.validate(context.facts, context.prompt_set)
        clean = self.site.part(context.clean_activation(self.site.hook))
        factors = torch.tensor(self.factors, device=context.device)
        mask = position_mask(context.prompt_set, self.acts_at)
        return [replacing(self.site, clean * factors, mask)]

    def edit_code(self, part: str, prompts: PromptSet | None) -> list[str]:
        clean = part.replace("activation", "clean[hook_name]")
        return [f"{part} = {clean} * torch.tensor({list(self.factors)}, device=activation.device)"]

    @classmethod
    def toggled(cls, component: Component | str, kind: str) -> Dampen:
        return cls(component, (0.5,))

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "factors": np.array(self.factors)}


@pytest.fixture
def session() -> lw.Session:
    return lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)


def test_it_runs(session: lw.Session) -> None:
    session.interventions.add(Dampen("L0H1", (0.25,), positions=(1, -1)))
    assert not torch.allclose(session.current, session.baseline)
    for row, tokens in enumerate(rows(session)):

        def dampen(activation: Tensor, hook: Any) -> Tensor:
            activation[:, [1, -1], 1] *= 0.25
            return activation

        wanted = reference.logits(session.model, tokens, [("blocks.0.attn.hook_z", dampen)])
        got = session.run().logits[row, : tokens.shape[1]]
        torch.testing.assert_close(got, wanted, atol=2e-5, rtol=0)


def test_it_is_checked(session: lw.Session) -> None:
    with pytest.raises(InputError, match="has 3 numbers"):
        session.interventions.add(Dampen("L0H1", (1.0, 2.0, 3.0)))
    with pytest.raises(InputError, match="99"):
        session.interventions.add(Dampen("L0H1", (0.5,), positions=99))
    assert len(session.interventions) == 0


def test_it_is_undone_and_made_again(session: lw.Session) -> None:
    session.interventions.add(Dampen("L0H1", (0.0,)))
    zeroed = session.run([lw.Ablate("L0H1")]).metric
    torch.testing.assert_close(session.current, zeroed, atol=1e-5, rtol=0)
    assert session.interventions.undo()
    assert torch.equal(session.current, session.baseline)
    assert session.interventions.redo()
    torch.testing.assert_close(session.current, zeroed, atol=1e-5, rtol=0)


def test_it_is_toggled_by_its_word(session: lw.Session) -> None:
    assert session.interventions.toggle("L1H2", "halve")
    assert list(session.interventions) == [Dampen("L1H2", (0.5,))]
    assert not session.interventions.toggle("L1H2", "halve")
    with pytest.raises(InputError, match="kind='halv' is not known") as caught:
        session.interventions.toggle("L1H2", "halv")
    assert "Did you mean 'halve'?" in caught.value.hint


def test_it_is_saved_with_its_history_and_opened_again(session: lw.Session, tmp_path: Path) -> None:
    session.interventions.add(Dampen("L0H1", (0.1, 0.2, *[1.0] * (D_HEAD - 2))))
    session.interventions.add(Dampen("L1H0", (0.5,), positions=(0, -1)))
    session.interventions.remove("L1H0")
    session.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", session.model)
    assert list(opened.interventions) == list(session.interventions)
    torch.testing.assert_close(opened.current, session.current)
    assert opened.interventions.undo()
    assert opened.interventions[1] == Dampen("L1H0", (0.5,), positions=(0, -1))


def test_its_code_gives_the_sessions_logits(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L0H0", "mean"))
    session.interventions.add(Dampen("L0H1", (0.25,), positions=(1, -1)))
    session.interventions.add(Dampen("L1H3", (0.5,)))
    check_code(session)


def test_it_is_shown_in_words(session: lw.Session) -> None:
    session.interventions.add(Dampen("L0H1", (0.25,), positions=(1, -1)))
    shown = picture(lw.AblationPanel(session))
    assert "L0H1 dampen, positions 1, -1" in shown


def test_a_field_that_no_file_can_hold_is_named(session: lw.Session, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Odd(lw.Ablate):
        why: Any = None

    session.interventions.add(Odd("L0H1", why=frozenset("plain")))
    with pytest.raises(InputError, match=r"Odd\.why is a frozenset"):
        session.save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_two_kinds_cannot_have_one_name() -> None:
    with pytest.raises(TypeError, match=r"lens_widgets\.interventions\.ablate .* Ablate already"):
        type("Ablate", (Intervention,), {})
