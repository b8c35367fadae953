"""What can be read from a run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows
from tests.unit.spies import spy


def _count_forwards(model: object, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every block that is run."""
    calls: list[int] = []
    block = model.blocks[-1]  # type: ignore[attr-defined]
    before = block.forward

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        return before(*args, **options)

    monkeypatch.setitem(vars(block), "forward", spy(counted))
    return calls


def test_the_same_run_is_never_made_twice(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _count_forwards(session.model, monkeypatch)
    one = session.run([lw.Ablate("L0H1"), lw.Ablate("L1.mlp", "mean")])
    made = len(calls)
    again = session.run([lw.Ablate("L0H1"), lw.Ablate("L1.mlp", "mean")])
    session.interventions.toggle("L0H1")
    session.interventions.toggle("L1.mlp", "mean")
    assert again is one
    assert session.run() is one
    assert made > 0
    assert len(calls) == made


def test_undo_costs_no_forward(session: lw.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.interventions.toggle("L0H1")
    before = session.current
    session.interventions.toggle("L1H1")
    assert not torch.equal(session.current, before)
    calls = _count_forwards(session.model, monkeypatch)
    session.interventions.undo()
    assert session.current is before
    assert calls == []


def test_order_makes_another_run(session: lw.Session) -> None:
    steer = lw.Steer("blocks.1.attn.hook_z", torch.ones(8))
    zero = lw.Ablate("L1H2")
    assert session.run([steer, zero]) is not session.run([zero, steer])


def test_a_run_without_interventions_is_the_baseline(session: lw.Session) -> None:
    assert session.run() is session.run(())
    assert session.run([]).metric is session.baseline


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_patterns_and_activations_are_those_of_run_with_cache(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    for row, tokens in enumerate(rows(session)):
        _, cache = session.model.run_with_cache(tokens)
        length = tokens.shape[1]
        for layer in range(2):
            got = session.run().pattern(layer)[row, :, :length, :length]
            torch.testing.assert_close(got, cache["pattern", layer][0], atol=1e-5, rtol=0)
            for hook in ("hook_resid_post", "attn.hook_z", "attn.hook_q", "ln1.hook_scale"):
                key = f"blocks.{layer}.{hook}"
                if key in cache:
                    got = session.run().activation(key)[row, :length]
                    torch.testing.assert_close(got, cache[key][0], atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom", "native"])
@pytest.mark.parametrize(
    "hook",
    [
        "hook_embed",
        "blocks.0.hook_resid_post",
        "blocks.0.attn.hook_z",
        "blocks.1.hook_in",
        "blocks.1.attn.hook_pattern",
        "blocks.1.hook_mlp_out",
        "ln_final.hook_scale",
        "unembed.hook_out",
    ],
)
def test_activations_of_an_edited_run_are_those_the_edited_model_has(name: str, hook: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.add(lw.Ablate("L1H2"))
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=2)
    got = session.run().activation(hook)
    for row, tokens in enumerate(rows(session)):
        expected = reference.activation(session.model, tokens, hook, [edit])
        cut = got[row]
        if hook.endswith("pattern"):
            cut = cut[:, : tokens.shape[1], : tokens.shape[1]]
        else:
            cut = cut[: tokens.shape[1]]
        torch.testing.assert_close(cut, expected, atol=2e-5, rtol=0)


def test_an_edited_activation_is_shown_as_edited(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L0H3"))
    z = session.run().activation("blocks.0.attn.hook_z")
    assert not z[:, :, 3].any()
    assert z[:, :, 2].any()


def test_loss_per_token_has_no_value_where_there_is_no_next_token(session: lw.Session) -> None:
    loss = session.run().loss_per_token
    for row, tokens in enumerate(rows(session)):
        expected = reference.losses(reference.logits(session.model, tokens), tokens)
        torch.testing.assert_close(loss[row, : len(expected)], expected, atol=1e-5, rtol=0)
        assert loss[row, len(expected) :].isnan().all()


def test_top_predictions_are_the_likeliest_next_tokens(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L1.attn"))
    edit = reference.write("blocks.1.hook_attn_out", 0.0)
    for row, tokens in enumerate(rows(session)):
        last: Tensor = reference.logits(session.model, tokens, [edit])[-1]
        order = last.argsort(descending=True)[:3].tolist()
        got = session.run().top_predictions(3)[row]
        assert [p.token_id for p in got] == order
        assert [p.logit for p in got] == pytest.approx(last[order].tolist(), abs=1e-5)
        assert [p.prob for p in got] == pytest.approx(last.softmax(-1)[order].tolist(), abs=1e-6)
        assert [p.token for p in got] == [session.model.tokenizer.decode([i]) for i in order]


def test_more_predictions_than_tokens_are_all_of_them(session: lw.Session) -> None:
    assert len(session.run().top_predictions(10_000)[0]) == session.facts.d_vocab


def test_an_unknown_activation_is_named_with_the_nearest_hook(session: lw.Session) -> None:
    with pytest.raises(InputError, match=r"'blocks\.0\.hook_resid_pot'.*hook_resid_post"):
        session.run().activation("blocks.0.hook_resid_pot")
