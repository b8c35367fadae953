"""What is taken for granted of a model is tried; where it does not hold, the slow way or words."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests import odd_models
from tests.models import ARCHITECTURES, fresh, tiny
from tests.unit import reference
from tests.unit.page import Page
from tests.unit.spies import spy

A = lw.analysis
PROMPTS = ["w5 w6 w7 w8", "w9 w6 w7 w8"]
CORRUPTED = ["w5 w6 w10 w8", "w9 w6 w11 w8"]
ALIKE = ["w5 w6 w7 w8", "w5 w6 w7 w12"]
UNEQUAL = ["w5 w6 w7 w8 w9", "w11 w12"]
ANSWER = (20, 21)


def _session(model: Any, prompts: Any = PROMPTS, **options: Any) -> lw.Session:
    return lw.Session(model, prompts, answers=ANSWER, **options)


def _plain(session: lw.Session, hooks: Any, row: int = 0, tokens: Any = None) -> float:
    """The logit difference of one prompt by itself, by TransformerLens's own forward."""
    rows = session.tokens if tokens is None else tokens
    alone = rows[row, : int(session.prompt_set.lengths[row])][None]
    return reference.logit_diff(reference.logits(session.model, alone, hooks), ANSWER)


@pytest.fixture(scope="module")
def ahead() -> Any:
    return odd_models.looking_ahead()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ordinary_models_pass_every_trial(name: str) -> None:
    facts = _session(tiny(name)).facts
    trials = facts.batch
    assert (trials.causal, trials.batched, trials.padding, trials.unmasked) == (True,) * 4
    assert facts.finite
    assert facts.beyond is None
    assert facts.layers.attention == (0, 1)
    assert facts.layers.unlike == ()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral"])
def test_rounding_of_half_precision_fails_no_trial(name: str, dtype: torch.dtype) -> None:
    trials = _session(fresh(name).to(dtype)).facts.batch
    assert (trials.causal, trials.batched, trials.padding, trials.unmasked) == (True,) * 4


# --- positions that see what follows ------------------------------------------------------------


def test_a_model_that_looks_ahead_says_so(ahead: Any) -> None:
    session = _session(ahead)
    assert not session.facts.batch.causal
    assert session.facts.batch.padding
    assert not session.facts.batch.unmasked
    assert [note[:52] for note in session.notes] == [
        "Positions of this model see the tokens after them: l"
    ]


@pytest.mark.parametrize("node", ["resid_pre", "attn_out", "mlp_out"])
def test_patches_of_a_model_that_looks_ahead_are_exact(ahead: Any, node: str) -> None:
    session = _session(ahead, corrupted=CORRUPTED)
    got = A.patch_sweep(session, node, per_prompt=True)
    corrupted = session.prompt_set.corrupted_tokens
    for row in range(2):
        for layer in range(2):
            name = f"blocks.{layer}.hook_{node}"
            source = reference.activation(ahead, session.tokens[row][None], name)
            for pos in range(4):
                patch = reference.put(name, source, pos=pos)
                expected = _plain(session, [patch], row, corrupted)
                cell = got.sel(prompt=row, layer=layer, pos=pos).item()
                assert cell == pytest.approx(expected, abs=2e-5), (row, layer, pos)


def test_a_patch_that_restores_all_that_differs_restores_the_metric() -> None:
    """Every position sees the one that is patched, those before it too."""
    model = odd_models.looking_ahead(sliding_window=4096, attn_logit_softcapping=None)
    session = _session(model, ["w5 w6 w7 w8 w9"], corrupted=["w5 w6 w10 w8 w9"])
    got = A.patch_sweep(session, "resid_pre", per_prompt=True).sel(layer=0, pos=3)
    assert got.item() == pytest.approx(-0.654, abs=1e-3)
    assert got.item() == pytest.approx(_plain(session, []), abs=2e-5)


def test_ablations_are_exact_where_prompts_that_begin_alike_end_differently(ahead: Any) -> None:
    session = _session(ahead, ALIKE)
    got = A.ablation_sweep(session, per_prompt=True)
    for row in range(2):
        before = _plain(session, [], row)
        for layer in range(2):
            for head in range(4):
                edit = reference.write(f"blocks.{layer}.attn.hook_z", 0.0, head=head)
                expected = _plain(session, [edit], row) - before
                cell = got.sel(prompt=row, layer=layer, head=head).item()
                assert cell == pytest.approx(expected, abs=2e-5)


def test_prompts_of_unequal_length_are_each_as_alone(ahead: Any) -> None:
    session = _session(ahead, UNEQUAL)
    for row in range(2):
        assert session.baseline[row].item() == pytest.approx(_plain(session, [], row), abs=2e-5)


def test_scores_of_a_model_that_looks_ahead_are_those_of_all_keys(ahead: Any) -> None:
    session = _session(ahead)
    scores = torch.from_numpy(A.attention_patterns(session, mode="scores").values)
    patterns = torch.from_numpy(A.attention_patterns(session).values)
    assert bool((patterns[..., 0, 1] > 0).any())
    torch.testing.assert_close(
        scores.masked_fill(scores.isnan(), -torch.inf).softmax(dim=-1), patterns
    )
    namespace: dict[str, Any] = {"model": ahead, "tokens": session.tokens}
    view = lw.AttentionView(session)
    session.selection.update(layer=0, head=0)
    view.attention_mode = "scores"
    exec(view.ask("code").attrs["code"], namespace)
    torch.testing.assert_close(namespace["attention"], scores[0, 0], equal_nan=True)


def test_a_positional_circuit_of_a_model_that_looks_ahead_is_refused() -> None:
    model = odd_models.masked_language_model()
    with pytest.raises(InputError, match="see the ones after them"):
        A.pos_circuit(model, "L0H1")


# --- what else is in the batch -------------------------------------------------------------------


def test_a_model_that_padding_harms_takes_prompts_of_one_length() -> None:
    model = odd_models.minding_length(fresh("gpt2"))
    session = _session(model)
    assert not session.facts.batch.padding
    assert any(note.startswith("Padding changes the numbers") for note in session.notes)
    assert session.baseline[1].item() == pytest.approx(_plain(session, [], 1), abs=1e-4)
    with pytest.raises(InputError, match=r"different lengths \(3, 6 tokens\), and padding"):
        _session(model, UNEQUAL)
    before = session.baseline.clone()
    with pytest.raises(InputError, match="different lengths"):
        session.set_prompts(UNEQUAL, answers=ANSWER)
    assert torch.equal(session.baseline, before)


def test_a_model_in_which_prompts_mix_takes_one_prompt() -> None:
    model = odd_models.minding_neighbours(fresh("gpt2"))
    with pytest.raises(InputError, match="prompts has 2 prompts, and in this model"):
        _session(model)
    session = _session(model, PROMPTS[:1])
    assert session.notes[0].startswith("A prompt's numbers depend on the prompts beside it")
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=2)
    expected = _plain(session, [edit]) - _plain(session, [])
    assert A.ablation_sweep(session).sel(layer=1, head=2).item() == pytest.approx(
        expected, abs=1e-4
    )


def test_long_rope_says_that_the_longest_prompt_counts() -> None:
    model = odd_models.long_rope(6)
    short, longer = "w9 w6 w7", "w5 w6 w7 w8 w9 w10 w11 w12"
    session = _session(model, [short, longer])
    (note,) = session.notes
    assert "more than 6 tokens" in note
    with torch.no_grad():
        batch = model.original_model(
            session.tokens, attention_mask=session.prompt_set.attention_mask
        ).logits
    expected = batch[0, 3, ANSWER[0]] - batch[0, 3, ANSWER[1]]
    assert session.baseline[0].item() == pytest.approx(expected.item(), abs=2e-5)
    assert expected.item() == pytest.approx(-0.901, abs=1e-3)
    assert _session(model, [short]).baseline.item() == pytest.approx(-0.528, abs=1e-3)


# --- what a layer has ----------------------------------------------------------------------------


def test_a_layer_of_another_geometry_is_named() -> None:
    session = _session(odd_models.gemma4(second_head_dim=16))
    assert session.facts.layers.unlike == (1,)
    assert "Layer 1 has attention of another shape than layer 0." in session.notes
    assert _session(odd_models.gemma4()).facts.layers.unlike == ()


# --- how it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ordinary_models_end_in_a_norm_and_an_unembedding(name: str) -> None:
    facts = _session(tiny(name)).facts
    assert facts.reads_out
    assert facts.token_logits


def test_a_head_of_more_than_an_unembedding_refuses_the_lens() -> None:
    session = _session(odd_models.masked_language_model())
    assert not session.facts.reads_out
    for ask in (
        lambda: A.logit_lens(session),
        lambda: A.lens_path(session, [20]),
        lambda: lw.LogitLensView(session).ask("grid"),
    ):
        with pytest.raises(InputError, match="the logits of this model are not what these make"):
            ask()
    card = lw.ModelCard(session).ask("card")
    assert any("the logit lens is refused" in str(text) for text in card["finding"].values)


# --- refused in one sentence ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["T5", "Bart"])
def test_encoder_decoders_are_not_supported_yet(name: str) -> None:
    with pytest.raises(InputError, match="encoder-decoder models are not supported yet"):
        _session(odd_models.encoder_decoder(name))


def test_logits_that_overflow_are_refused_when_the_session_opens() -> None:
    model = odd_models.overflowing(fresh("gpt2"))
    with pytest.raises(InputError, match=r"prompts\[0\].*NaN or infinite.*float16"):
        _session(model)


def test_a_model_that_was_tried_on_tokens_it_has_no_numbers_for_is_refused() -> None:
    model = fresh("llama")
    with torch.no_grad():
        model.embed.original_component.weight[31] = float("nan")
    with pytest.raises(InputError, match="few tokens that it was tried on are NaN"):
        _session(model)


def test_corrupted_prompts_whose_logits_are_no_numbers_are_refused() -> None:
    model = fresh("llama")
    with torch.no_grad():
        model.embed.original_component.weight[30] = float("nan")
    session = _session(model, corrupted=["w5 w6 w30 w8", "w9 w6 w11 w8"])
    with pytest.raises(InputError, match=r"corrupted\[0\]: .* are NaN"):
        session.corrupted_run()
    with pytest.raises(InputError, match=r"prompts\[0\]: .* are NaN"):
        _session(model, ["w30 w6", "w7 w8 w9"])


def test_no_view_fails_on_interventions_that_overflow() -> None:
    session = _session(tiny("gpt2"), corrupted=CORRUPTED)
    session.interventions.add(lw.Steer("blocks.0.hook_resid_pre", [3e38] * 32, scale=1e3))
    assert bool(session.current.isnan().all())
    page = Page(session)
    head = {"layer": 0, "head": 1}
    pattern = {"show": "current", "attention_mode": "pattern"}
    for method, args in (
        ("session/metric", {}),
        ("ablation/grid", {"ablation_kind": "zero", "prompt": None}),
        ("attention/patterns", {"prompt": 0, **pattern}),
        ("attention/pattern", {"prompt": 0, **pattern, **head, "head_average": "none"}),
        ("attribution/rows", {"by": "head", "prompt": None, "pos": None}),
    ):
        assert page.answer(page.send(method, **args))["kind"] == "reply", method
    blocks = {"patch_into": "corrupted", "normalize": False, "estimate": "best", "prompt": None}
    for method, args, message in (
        ("attribution/rows", {"by": "head", "prompt": 0, "pos": None}, "The logits of prompt 0"),
        ("patching/blocks", blocks, "prompts: under the interventions the logit difference is NaN"),
    ):
        answer = page.answer(page.send(method, **args))
        assert answer["error"]["type"] == "InputError"
        assert answer["error"]["message"].startswith(message)
    with pytest.raises(InputError, match="under the interventions"):
        A.patch_sweep(session, "z")


def test_more_chosen_experts_than_there_are_is_one_sentence() -> None:
    """Hugging Face itself cannot run such a configuration."""
    model = odd_models.experts(2, 4)
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        model.original_model(torch.tensor([[5, 6]]))
    with pytest.raises(InputError, match="cannot run: on two tokens it raised RuntimeError: sel"):
        _session(model)


@pytest.mark.parametrize("chosen", [1, 2])
def test_two_experts_are_right(chosen: int) -> None:
    session = _session(odd_models.experts(2, chosen), UNEQUAL)
    edit = reference.write("blocks.1.hook_mlp_out", 0.0)
    effects = A.ablation_sweep(session, over="mlp", per_prompt=True)
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        with torch.no_grad():
            logits = session.model.original_model(session.tokens[row, :length][None]).logits[0]
        expected = reference.logit_diff(logits, ANSWER)
        assert session.baseline[row].item() == pytest.approx(expected, abs=2e-5)
        change = _plain(session, [edit], row) - expected
        assert effects.sel(prompt=row, layer=1).item() == pytest.approx(change, abs=2e-5)


def test_a_model_made_in_inference_mode_is_refused() -> None:
    with torch.inference_mode():
        model = fresh("gpt2")
    with pytest.raises(InputError, match=r"made under torch.inference_mode\(\)"):
        _session(model)


def test_a_session_made_in_inference_mode_has_the_same_numbers() -> None:
    model = tiny("gpt2")
    expected = _session(model, corrupted=CORRUPTED)
    with torch.inference_mode():
        session = _session(model, corrupted=CORRUPTED)
        session.set_prompts(PROMPTS, answers=ANSWER, corrupted=CORRUPTED)
        within = A.estimate_sweep(session, "z")
    for sweep in (A.estimate_sweep, A.patch_sweep):
        wanted = sweep(expected, "z").values
        torch.testing.assert_close(sweep(session, "z").values, wanted)
    torch.testing.assert_close(within.values, A.estimate_sweep(expected, "z").values)
    steer = lw.Steer("blocks.0.hook_resid_pre", torch.ones(32))
    session.interventions.add(steer)
    expected.interventions.add(steer)
    with torch.inference_mode():
        within = A.estimate_sweep(session, "v")
        torch.testing.assert_close(session.current, expected.current)
    torch.testing.assert_close(within.values, A.estimate_sweep(expected, "v").values)


# --- what opening a session costs ----------------------------------------------------------------


def test_a_model_is_tried_once_in_three_short_forwards() -> None:
    model = fresh("gpt2")
    widths: list[tuple[int, ...]] = []
    model.unembed.register_forward_pre_hook(
        spy(lambda _, args: widths.append(tuple(args[0].shape[:2])))
    )
    prompts = torch.randint(3, 60, (4, 20))
    _session(model, prompts)
    # Two tokens alone, a batch, its blocks one by one; then the prompts once.
    assert widths == [(1, 2), (4, 3), (4, 3), (4, 20)]
    widths.clear()
    _session(model, prompts)
    assert widths == [(4, 20)]
