"""Direct effects sum to the metric's logits, or are refused: also in models of other designs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests import odd_models
from tests.models import fresh, tiny
from tests.unit import reference
from tests.unit.page import Page
from tests.unit.spies import spy

A = lw.analysis
PROMPTS = ["w5 w6 w7 w8", "w9 w6 w7"]
ANSWER = (20, 21)
NOT_A_SUM = "would not add up to the logits"


def _session(model: Any, prompts: Any = PROMPTS) -> lw.Session:
    return lw.Session(model, prompts, answers=ANSWER)


def _logit_diffs(session: lw.Session) -> list[float]:
    """By Hugging Face's own forward, one unpadded prompt at a time."""
    found = []
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        with torch.no_grad():
            logits = session.model.original_model(session.tokens[row, :length][None]).logits
        found.append(reference.logit_diff(logits[0], ANSWER))
    return found


@pytest.fixture(scope="module", params=[8, 16], ids=["one head size", "two head sizes"])
def gemma4(request: Any) -> Any:
    return odd_models.gemma4(second_head_dim=request.param)


def test_components_of_gemma4_sum_to_the_logits(gemma4: Any) -> None:
    session = _session(gemma4)
    parts = A.attribution(session, by="component", per_prompt=True)
    expected = torch.tensor(_logit_diffs(session))
    torch.testing.assert_close(
        torch.from_numpy(parts.sum("component").values), expected, atol=2e-5, rtol=0
    )
    assert parts.attrs["total"] == pytest.approx(expected.mean().item(), abs=2e-5)
    names = [str(name) for name in parts["component"].values]
    assert names[1:4] == ["L0.attn", "L0.mlp", "L0.per_layer_input"]
    by_layer = A.attribution(session, by="layer")
    outside = parts.sel(component=["embed", "bias"]).sum().item() / 2
    assert by_layer.sum().item() + outside == pytest.approx(expected.mean().item(), abs=2e-5)
    assert by_layer.attrs["rest"] == pytest.approx(outside, abs=2e-5)


def test_embeddings_of_the_layers_count_in_the_sum() -> None:
    model = odd_models.gemma4(
        sliding_window=4096, hidden_size_per_layer_input=8, vocab_size_per_layer_input=60
    )
    session = _session(model, ["w5 w6 w7 w8 w9"])
    parts = A.attribution(session, by="component")
    assert parts.sum().item() == pytest.approx(0.909, abs=1e-3)
    assert parts.attrs["total"] == pytest.approx(_logit_diffs(session)[0], abs=2e-5)
    end = A.lens_path(session, list(ANSWER))["logit"].sel(stage="final_post").values
    assert end[0] - end[1] == pytest.approx(0.909, abs=1e-3)


def test_a_component_of_gemma4_is_the_gradient_of_the_logits_with_its_norms_held(
    gemma4: Any,
) -> None:
    """Each part times the derivative by hand: the last norm's gain over its root mean square."""
    session = _session(gemma4, PROMPTS[:1])
    parts = A.attribution(session, by="component")
    tokens = session.tokens
    final = reference.activation(gemma4, tokens, "ln_final.hook_in")[-1]
    norm = gemma4.original_model.model.norm
    read = norm.weight / (final.square().mean() + norm.eps).sqrt()
    unembed = gemma4.original_model.lm_head.weight
    direction = read * (unembed[ANSWER[0]] - unembed[ANSWER[1]])
    for layer in range(2):
        for name, hook in (
            ("attn", "hook_attn_out"),
            ("mlp", "hook_mlp_out"),
            ("per_layer_input", "post_per_layer_input_norm.hook_out"),
        ):
            wrote = reference.activation(gemma4, tokens, f"blocks.{layer}.{hook}")[-1]
            got = parts.sel(component=f"L{layer}.{name}").item()
            assert got == pytest.approx((wrote @ direction).item(), abs=2e-5)


def test_heads_and_neurons_of_gemma4_sum_to_their_layers(gemma4: Any) -> None:
    session = _session(gemma4)
    parts = A.attribution(session, by="component")
    heads, neurons = A.attribution(session, by="head"), A.attribution(session, by="neuron")
    for layer in range(2):
        for split, name in ((heads, "attn"), (neurons, "mlp")):
            whole = parts.sel(component=f"L{layer}.{name}").item()
            assert split.sel(layer=layer).sum().item() == pytest.approx(whole, abs=2e-5)
    # Its values are normed behind the hook that reports them.
    with pytest.raises(InputError, match="attention pattern times their values"):
        A.attribution_by_source(session, "L1H2")


def test_the_lens_of_gemma4_ends_in_its_logits(gemma4: Any) -> None:
    session = _session(gemma4)
    stages = A.accumulated_attribution(session)
    assert stages.values[-1] == pytest.approx(sum(_logit_diffs(session)) / 2, abs=2e-5)
    probs = A.logit_lens(session, k=60)
    last = probs["probs"].sel(prompt=0, stage="final_post", pos=4).values
    with torch.no_grad():
        logits = gemma4.original_model(session.tokens[:1]).logits[0, 4]
    expected = logits.softmax(dim=-1).sort(descending=True).values
    torch.testing.assert_close(torch.from_numpy(last), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("by", ["head", "layer", "component"])
def test_views_of_gemma4_show_rows_that_sum(gemma4: Any, by: str) -> None:
    session = _session(gemma4)
    page = Page(session)
    rows = page.dataset("attribution/rows", by=by, prompt=None, pos=None)
    expected = sum(_logit_diffs(session)) / 2
    assert float(rows["current"].values.sum()) == pytest.approx(expected, abs=5e-5)
    with pytest.raises(InputError, match="not written out as code"):
        lw.AttributionTable(session).ask("code")


@pytest.mark.parametrize(
    ("name", "part", "lacking"),
    [
        ("Mamba", "L1.mixer", "This model has no attention."),
        ("Jamba", "L0.mixer", "Layer 0 has no attention."),
        ("Lfm2", "L0.conv", "Layer 0 has no attention."),
        ("Qwen3_5Text", "L0.linear_attn", "Layer 0 has no attention."),
    ],
)
def test_what_stands_in_the_place_of_attention_is_a_component(
    name: str, part: str, lacking: str
) -> None:
    session = _session(odd_models.without_attention_everywhere(name), PROMPTS[:1])
    assert lacking in session.notes
    parts = A.attribution(session, by="component")
    assert part in parts["component"].values
    (expected,) = _logit_diffs(session)
    assert parts.sum().item() == pytest.approx(expected, abs=5e-5)
    heads = A.attribution(session, by="head")
    assert heads.sum().item() + heads.attrs["rest"] == pytest.approx(expected, abs=5e-5)
    assert parts.sel(component=part).item() != 0


def test_heads_that_lie_in_another_order_are_refused_and_the_rest_is_right() -> None:
    session = lw.Session(
        odd_models.compressed_attention(),
        ["w5 w6 w7 w8"],
        answers=ANSWER,
        corrupted=["w5 w6 w10 w8"],
    )
    (expected,) = _logit_diffs(session)
    parts = A.attribution(session, by="component")
    assert parts.sum().item() == pytest.approx(expected, abs=5e-5)
    for ask in (
        lambda: A.attribution(session, by="head"),
        lambda: A.attribution_by_source(session, "L0H1"),
        lambda: session.run([lw.Ablate("L0H1")]),
        lambda: A.ablation_sweep(session),
        lambda: session.run([lw.Patch("blocks.0.attn.hook_q", head=1)]),
        lambda: A.patch_sweep(session, "v"),
        lambda: A.estimate_sweep(session, "z"),
    ):
        with pytest.raises(InputError, match="not laid out by its 4 heads"):
            ask()
    edit = reference.write("blocks.1.hook_attn_out", 0.0)
    plain = reference.logit_diff(reference.logits(session.model, session.tokens), ANSWER)
    edited = reference.logit_diff(reference.logits(session.model, session.tokens, [edit]), ANSWER)
    got = A.ablation_sweep(session, over="attn").sel(layer=1).item()
    assert got == pytest.approx(edited - plain, abs=2e-5)


def test_weight_circuits_of_a_layer_of_another_geometry_are_refused_in_words() -> None:
    model = odd_models.gemma4(second_head_dim=16)
    assert A.ov_circuit(model, "L0H1").tile(range(3), range(3)).shape == (3, 3)
    for ask in (
        lambda: A.ov_circuit(model, "L1H1"),
        lambda: A.composition_scores(model, "K"),
        lambda: A.qk_circuit(odd_models.without_attention_everywhere("Mamba"), "L0H0"),
    ):
        with pytest.raises(InputError, match="by heads: it has no attention, or one of another"):
            ask()


def test_a_layer_scalar_that_moves_the_stream_refuses_direct_effects() -> None:
    model: Any = odd_models.gemma4()
    model.original_model.model.layers[1].layer_scalar.fill_(0.5)
    session = _session(model)
    assert any("the stream after layer 1" in note for note in session.notes)
    with pytest.raises(InputError, match=NOT_A_SUM):
        A.attribution(session, by="component")


def test_a_stream_that_is_normalised_between_its_parts_refuses_direct_effects() -> None:
    session = _session(odd_models.masked_language_model(), ["w5 w6 w7 w8 w9"])
    assert session.baseline.item() == pytest.approx(-0.30, abs=1e-3)
    assert any(note.startswith("Direct effects are refused") for note in session.notes)
    for by in ("head", "layer", "component", "neuron"):
        with pytest.raises(InputError, match=NOT_A_SUM):
            A.attribution(session, by=by)
    for ask in (A.accumulated_attribution, lambda s: A.attribution_by_source(s, "L0H1")):
        with pytest.raises(InputError, match=NOT_A_SUM):
            ask(session)
    with pytest.raises(InputError, match="is not the sum of its embeddings"):
        A.decompose_scores(session, "L1H1")
    # What does not rest on sums is there, and exact.
    tokens = session.tokens[:1]
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=1)
    plain = reference.logit_diff(reference.logits(session.model, tokens), ANSWER)
    edited = reference.logit_diff(reference.logits(session.model, tokens, [edit]), ANSWER)
    got = A.ablation_sweep(session, per_prompt=True).sel(prompt=0, layer=1, head=1)
    assert got.item() == pytest.approx(edited - plain, abs=2e-5)


def test_heads_that_are_gated_after_their_sum_have_no_effects_of_their_own() -> None:
    model: Any = fresh("llama")
    model.blocks[1].attn.o.original_component.register_forward_hook(spy(lambda *a: 0.5 * a[2]))
    session = _session(model)
    parts = A.attribution(session, by="component")
    assert parts.sum().item() == pytest.approx(session.baseline.mean().item(), abs=2e-5)
    with pytest.raises(InputError, match="heads of layer 1 do not add up"):
        A.attribution(session, by="head")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_half_precision_is_no_reason_to_refuse(name: str, dtype: torch.dtype) -> None:
    session = _session(fresh(name).to(dtype))
    assert session.facts.no_sum == ""
    heads = A.attribution(session, by="head")
    assert heads.sum().item() + heads.attrs["rest"] == pytest.approx(heads.attrs["total"], abs=1e-3)


def test_ordinary_models_add_up() -> None:
    for name in ("gpt2", "opt", "granite", "bloom", "native", "attn_only", "gpt2_folded"):
        assert _session(tiny(name)).facts.no_sum == ""
