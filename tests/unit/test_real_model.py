"""SmolLM2's numbers are those of plain Hugging Face forwards, of a copy without hooks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

import lens_widgets as lw
from lens_widgets.models.demo.converted import cache_folder, is_whole, read_smollm2
from lens_widgets.models.packaged import gguf_file
from lens_widgets.prompts.indirect_objects import IOI_ANSWERS, IOI_PROMPTS

HEAD, D_HEAD = (23, 3), 64
Hook = Callable[..., Any]


@pytest.fixture(scope="module")
def plain(smollm2: TransformerBridge) -> Any:
    """The Hugging Face model by itself, once the other has put it into the cache."""
    model, _ = read_smollm2()
    return model.eval()


@pytest.fixture(scope="module")
def session(smollm2: TransformerBridge) -> lw.Session:
    return lw.Session(smollm2, lw.prompts.IOI)


def last_logits(plain: Any, session: lw.Session, **options: Any) -> Tensor:
    """[prompt, d_vocab] at each prompt's end: one forward a prompt, without padding."""
    with torch.no_grad():
        rows = [plain(torch.tensor([ids]), **options) for ids in session.prompt_set.rows()]
    return torch.stack([row.logits[0, -1] for row in rows])


def differences(plain: Any, session: lw.Session) -> Tensor:
    logits = last_logits(plain, session)
    tokenizer = session.model.tokenizer
    pairs = [
        [tokenizer.encode(name, add_special_tokens=False)[0] for name in p] for p in IOI_ANSWERS
    ]
    right, wrong = torch.tensor(pairs).T
    rows = torch.arange(len(logits))
    return logits[rows, right] - logits[rows, wrong]


def test_prompts_are_tokenized_as_the_tokenizer_does(session: lw.Session) -> None:
    tokenizer = session.model.tokenizer
    for text, row in zip(IOI_PROMPTS, session.prompt_set.rows(), strict=True):
        own = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert row == [tokenizer.bos_token_id, *own]


def test_the_metric_is_that_of_a_plain_forward(plain: Any, session: lw.Session) -> None:
    expected = differences(plain, session)
    torch.testing.assert_close(session.baseline, expected, atol=1e-3, rtol=1e-4)
    assert bool((session.baseline > 1.5).all())


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_that_is_eos_too_changes_no_number(smollm2: TransformerBridge, side: str) -> None:
    assert smollm2.tokenizer.pad_token_id == smollm2.tokenizer.eos_token_id
    longer = "After the meeting Tom and Alice walked to the station, where Tom gave the map to"
    tokens = smollm2.to_tokens([IOI_PROMPTS[0], longer], padding_side=side)
    session = lw.Session(smollm2, tokens, answers=(" Mary", " John"))
    assert session.baseline[0].item() == pytest.approx(4.616, abs=2e-3)


def test_a_chat_that_is_text_gets_no_second_bos(smollm2: TransformerBridge, plain: Any) -> None:
    chat = [{"role": "user", "content": "Where is Paris?"}]
    tokenizer, options = smollm2.tokenizer, {"add_generation_prompt": True}
    text = tokenizer.apply_chat_template(chat, tokenize=False, **options)
    ids = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=False, **options)
    session = lw.Session(smollm2, text, answers=("Paris", "The"))
    assert session.prompt_set.rows() == [ids]
    answer = [tokenizer.encode(word, add_special_tokens=False)[0] for word in ("Paris", "The")]
    with torch.no_grad():
        once, twice = (
            plain(torch.tensor([[*more, *ids]])).logits[0, -1, answer]
            for more in ([], [tokenizer.bos_token_id])
        )
    assert session.baseline.item() == pytest.approx(float(once[0] - once[1]), abs=1e-3)
    assert abs(float(twice[0] - twice[1]) - session.baseline.item()) > 0.1


def test_the_probability_of_mary_is_that_of_a_plain_forward(
    plain: Any, session: lw.Session
) -> None:
    expected = last_logits(plain, session)[0].softmax(-1).max()
    (best, *_) = session.run().top_predictions(3)[0]
    assert best.token == "·Mary"
    assert best.prob == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("layer", [0, 13, 23, 29])
def test_patterns_are_those_of_a_plain_forward(plain: Any, session: lw.Session, layer: int) -> None:
    ids = session.prompt_set.rows()[0]
    with torch.no_grad():
        expected = plain(torch.tensor([ids]), output_attentions=True).attentions[layer][0]
    found = session.run().pattern(layer)[0, :, : len(ids), : len(ids)]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_direct_effects_of_heads_are_what_their_part_of_the_output_matrix_writes(
    plain: Any, session: lw.Session
) -> None:
    n_layers, n_heads = plain.config.num_hidden_layers, plain.config.num_attention_heads
    expected = torch.zeros(n_layers, n_heads)
    rows = session.prompt_set.rows()
    answers = session.answer_tokens
    assert answers is not None
    inputs: dict[int, Tensor] = {}
    handles = [
        block.self_attn.o_proj.register_forward_pre_hook(
            lambda _module, args, layer=layer: inputs.update({layer: args[0][0, -1]})
        )
        for layer, block in enumerate(plain.model.layers)
    ]
    end: dict[str, Tensor] = {}
    handles.append(
        plain.model.norm.register_forward_pre_hook(
            lambda _module, args: end.update(stream=args[0][0, -1])
        )
    )
    for ids, (right, wrong) in zip(rows, answers.tolist(), strict=True):
        with torch.no_grad():
            plain(torch.tensor([ids]))
            scale = (end["stream"].pow(2).mean() + plain.config.rms_norm_eps).rsqrt()
            read = plain.lm_head.weight[right] - plain.lm_head.weight[wrong]
            read = read * plain.model.norm.weight * scale
            for layer, block in enumerate(plain.model.layers):
                weight = block.self_attn.o_proj.weight.view(-1, n_heads, D_HEAD)
                z = inputs[layer].view(n_heads, D_HEAD)
                written = torch.einsum("mhd,hd->hm", weight, z)
                expected[layer] += written @ read / len(rows)
    for handle in handles:
        handle.remove()
    found = torch.from_numpy(lw.analysis.attribution(session).values)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert divmod(int(found.argmax()), n_heads) == HEAD


def test_an_ablation_is_that_of_a_plain_forward_with_the_head_taken_out(
    plain: Any, session: lw.Session
) -> None:
    layer, head = HEAD

    def without(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        z = args[0].clone()
        z[..., head * D_HEAD : (head + 1) * D_HEAD] = 0
        return (z, *args[1:])

    handle = plain.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(without)
    expected = differences(plain, session)
    handle.remove()
    found = session.run([lw.Ablate(f"L{layer}H{head}")]).metric
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert float((found - session.baseline).abs().min()) > 0.01


def test_a_conversation_is_tokenized_as_the_chat_template_does(smollm2: TransformerBridge) -> None:
    messages = [
        {"role": "system", "content": "You answer with one word."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    session = lw.Session(smollm2, messages=messages, answers=("Paris", "London"))
    expected = smollm2.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert session.prompt_set.rows() == [expected]
    bos = smollm2.tokenizer.bos_token_id
    assert expected[0] == bos != expected[1]
    own = [i for i in range(len(expected)) if i not in (session.prompt_set.template[0] or ())]
    text = smollm2.tokenizer.decode([expected[i] for i in own])
    assert text == "You answer with one word.What is the capital of France?"


def test_the_script_of_a_conversation_gives_the_sessions_numbers(
    smollm2: TransformerBridge,
) -> None:
    chats = [
        [{"role": "user", "content": f"What is the capital of {country}?"}]
        for country in ("France", "Germany", "the Czech Republic")
    ]
    session = lw.Session(smollm2, messages=chats, answers=("The", "It"))
    code = session.interventions.to_code(self_contained=True)
    assert "<|im_start|>assistant\\n" in code
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert torch.equal(scope["tokens"], session.tokens)
    torch.testing.assert_close(scope["values"], session.baseline, atol=1e-4, rtol=1e-4)


def test_an_answer_without_its_space_is_asked_about(smollm2: TransformerBridge) -> None:
    with pytest.raises(ValueError, match=r"did you mean ' Mary' \(0\.8\d\)\?") as raised:
        lw.Session(smollm2, IOI_PROMPTS[0], answers=("Mary", " John"))
    token = smollm2.tokenizer.encode("Mary", add_special_tokens=False)
    assert f"give its token id, {token[0]}." in str(raised.value)
    meant = lw.Session(smollm2, IOI_PROMPTS[0], answers=(token[0], " John"))
    assert meant.answer_tokens is not None
    assert meant.answer_tokens[0, 0] == token[0]


def test_the_second_load_is_quick_and_needs_no_package(smollm2: TransformerBridge) -> None:
    assert is_whole(cache_folder())
    assert gguf_file().is_file()
    begun = time.monotonic()
    lw.load_demo("smollm2")
    # Two seconds when the machine is free; the rest is room for busy ones.
    assert time.monotonic() - begun < 12
