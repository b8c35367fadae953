"""The shipped demo models do what their cards say, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import cache
from typing import Any

import pytest
import torch

from lens_widgets.models.demo import demo_names, load_demo, vocabulary
from lens_widgets.models.demo.card import render_card
from lens_widgets.models.demo.corpus import StoryTeller
from lens_widgets.models.demo.facts import FACTS, measure, unmet
from lens_widgets.models.demo.loading import CARD_FILE, FOLDER, README_FILE, demo_folder
from lens_widgets.prompts.indirect_objects import (
    IOI_ANSWERS,
    IOI_PROMPTS,
    held_out_pairs,
    ioi_prompts,
)
from lens_widgets.prompts.repeated import repeated_tokens
from lens_widgets.prompts.words import NAMES

ODD_TEXTS = (
    "",
    " ",
    "When John and Mary went to the shops",
    "  two  spaces,\ttabs\nand newlines\r\n",
    "Zoë naïve façade, 3.50 € 北京 العربية עברית",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \u202e\u200b\ufeff \x00\x7f",
    "<script>alert('x')</script> &amp; <b>",
    "a <bos> in the text",
    "don't can't I'll we've",
)

shared = cache(load_demo)
"""One model per name for tests that only read it."""


def card(name: str) -> dict[str, Any]:
    return json.loads((demo_folder(name) / CARD_FILE).read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["ioi", "induction"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@cache
def measured(name: str) -> dict[str, float | str]:
    return measure(name, shared(name))


def test_three_models_are_offered() -> None:
    assert set(demo_names()) == {"ioi", "induction", "smollm2"}


@pytest.mark.parametrize(("demo", "fact"), [(demo, fact) for demo in FACTS for fact in FACTS[demo]])
def test_every_fact_of_the_card_is_true_of_the_shipped_weights(demo: str, fact: str) -> None:
    entry, value = card(demo)["facts"][fact], measured(demo)[fact]
    if isinstance(value, str):
        assert value == entry["value"]
    else:
        assert value == pytest.approx(entry["value"], rel=1e-3, abs=2e-3)
    assert entry["definition"] == FACTS[demo][fact].definition


def test_every_promise_is_kept(name: str) -> None:
    assert unmet(name, measured(name)) == []


def test_the_promises_are_those_of_the_package() -> None:
    bounds = {
        (demo, key): (fact.at_least, fact.at_most)
        for demo, facts in FACTS.items()
        for key, fact in facts.items()
    }
    promised = {
        ("induction", "first_half_loss_nats"): (5.0, None),
        ("induction", "second_half_loss_nats"): (None, 0.5),
        ("induction", "previous_token_score"): (0.4, None),
        ("induction", "induction_score"): (0.4, None),
        ("induction", "ablation_loss_increase_nats"): (0.5, None),
        ("ioi", "prompts_right"): (8, None),
        ("ioi", "mean_logit_diff"): (3.0, None),
        ("ioi", "held_out_right_share"): (0.95, None),
    }
    assert {key: bounds[key] for key in promised} == promised


@pytest.mark.parametrize("name", demo_names())
def test_the_readme_is_written_from_the_card(name: str) -> None:
    text = render_card(card(name))
    assert "**Licence.**" in text
    assert "**Source.**" in text
    assert (demo_folder(name) / README_FILE).read_text(encoding="utf-8") == text


def test_all_files_together_are_under_4_mb() -> None:
    files = [path for demo in demo_names() for path in demo_folder(demo).rglob("*")]
    assert files
    assert sum(path.stat().st_size for path in files) < 4_000_000
    assert all(path.is_relative_to(FOLDER) for path in files)


def test_the_giver_decides_the_answer() -> None:
    model = shared("ioi")
    with torch.no_grad():
        last = model(model.to_tokens(list(IOI_PROMPTS)))[:, -1]
    predicted = [model.to_string([token]) for token in last.argmax(-1).tolist()]
    assert predicted == [correct for correct, _ in IOI_ANSWERS]
    assert all(predicted[i] != predicted[i + 1] for i in range(0, 8, 2))


def test_the_induction_model_continues_text_it_has_just_seen() -> None:
    model = shared("induction")
    tokens = model.to_tokens("the river and the old street under every tree, never at sea. " * 2)
    half = (tokens.shape[1] - 1) // 2
    with torch.no_grad():
        loss = model.loss_fn(model(tokens), tokens, per_token=True)[0]
    assert loss[half + 3 :].mean() < loss[:half].mean() / 4


@pytest.mark.parametrize("seq_len", [10, 50, 120, 250])
def test_induction_works_over_the_whole_context(seq_len: int) -> None:
    model = shared("induction")
    tokens = repeated_tokens(model, seq_len, batch=4, seed=3).prompts
    with torch.no_grad():
        loss = model.loss_fn(model(tokens), tokens, per_token=True).mean(0)
    assert loss[seq_len + 3 :].mean() < 1.5 < 5 < loss[:seq_len].mean()


def test_any_text_survives_the_tokenizer(name: str) -> None:
    model = shared(name)
    for text in ODD_TEXTS:
        ids = model.tokenizer(text)["input_ids"]
        assert ids[0] == model.tokenizer.bos_token_id
        assert model.tokenizer.decode(ids[1:]) == text
        assert max(ids) < model.cfg.d_vocab


def test_bos_is_prepended_once_and_can_be_left_out(name: str) -> None:
    model = shared(name)
    assert model.to_str_tokens("When John")[:3] == ["<bos>", "When", " John"]
    assert model.to_str_tokens("When John", prepend_bos=False) == ["When", " John"]
    assert model.to_string(model.to_tokens("When John")[0, 1:]) == "When John"


def test_special_ids_are_in_the_vocabulary_and_differ(name: str) -> None:
    tokenizer, cfg = shared(name).tokenizer, shared(name).cfg
    ids = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
    assert len(set(ids)) == 3
    assert all(0 <= i < cfg.d_vocab for i in ids)
    assert len(tokenizer) == cfg.d_vocab


def test_words_of_the_prompts_are_single_tokens() -> None:
    ioi, induction = shared("ioi"), shared("induction")
    for word in vocabulary.IOI_WORDS:
        ioi.to_single_token(f" {word}")
    for word in vocabulary.IOI_STARTS:
        ioi.to_single_token(word)
    for word in vocabulary.INDUCTION_WORDS:
        induction.to_single_token(f" {word}")
    for word in vocabulary.INDUCTION_STARTS:
        induction.to_single_token(word)
    for pair in IOI_ANSWERS:
        for answer in pair:
            ioi.to_single_token(answer)


def test_every_prompt_has_one_token_per_word() -> None:
    model = shared("ioi")
    prompts, _ = ioi_prompts(200, seed=1)
    for prompt in (*IOI_PROMPTS, *prompts):
        words = prompt.replace(",", " ,").replace(".", " .").split()
        assert model.to_tokens(prompt).shape[1] == 1 + len(words)


def test_no_held_out_pair_shares_a_training_text() -> None:
    names = {f" {n}": n for n in NAMES}
    hidden = held_out_pairs()
    for seed in (0, 1, 2):
        teller = StoryTeller(seed)
        for i in range(3000):
            text = " " + teller.story(1 + i % 16).replace(".", " ").replace(",", " ")
            met = {n for key, n in names.items() if f"{key} " in f"{text} "}
            pairs = {frozenset((a, b)) for a in met for b in met if a != b}
            assert not pairs & hidden


def test_held_out_prompts_use_held_out_pairs_only() -> None:
    for held_out in (True, False):
        prompts, answers = ioi_prompts(300, seed=5, held_out=held_out)
        for prompt, (correct, wrong) in zip(prompts, answers, strict=True):
            pair = frozenset((correct.strip(), wrong.strip()))
            assert (pair in held_out_pairs()) is held_out
            assert f" {prompt}".count(f"{correct} ") == 1
            assert f" {prompt}".count(f"{wrong} ") == 2
    assert {frozenset(n.strip() for n in pair) for pair in IOI_ANSWERS} <= held_out_pairs()


def test_prompts_repeat_with_their_seed() -> None:
    assert ioi_prompts(20, seed=4) == ioi_prompts(20, seed=4)
    assert ioi_prompts(20, seed=4) != ioi_prompts(20, seed=5)


def test_repeated_tokens_are_bos_and_the_same_half_twice(name: str) -> None:
    model = shared(name)
    tokens, same, other = (
        repeated_tokens(model, seq_len=7, batch=3, seed=seed).prompts for seed in (1, 1, 2)
    )
    assert tokens.shape == (3, 15)
    assert (tokens[:, 0] == model.tokenizer.bos_token_id).all()
    assert torch.equal(tokens[:, 1:8], tokens[:, 8:])
    assert not torch.isin(tokens[:, 1:], torch.tensor(model.tokenizer.all_special_ids)).any()
    assert torch.equal(tokens, same)
    assert not torch.equal(tokens, other)


def test_models_have_the_promised_shape() -> None:
    ioi, induction = shared("ioi").cfg, shared("induction").cfg
    assert ioi.n_layers >= 3
    assert not ioi.attn_only
    assert ioi.n_ctx >= 128
    assert (induction.n_layers, induction.n_heads, induction.attn_only) == (2, 8, True)
    assert induction.n_ctx >= 256


def test_a_model_comes_in_eval_mode_in_float32_with_a_readable_name(name: str) -> None:
    model = shared(name)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.cfg.model_name == f"{name} demo"


def test_unknown_names_are_answered_with_the_near_one_and_the_list() -> None:
    with pytest.raises(ValueError, match="Did you mean 'induction'") as raised:
        load_demo("inductoin")
    assert str(raised.value).startswith("name='inductoin' is no demo.")
    assert str(raised.value).endswith("It takes 'ioi', 'induction' or 'smollm2'.")
    with pytest.raises(ValueError, match="name='gpt2' is no demo"):
        load_demo("gpt2")
    with pytest.raises(ValueError, match="name=3 is no demo"):
        load_demo(3)  # type: ignore[arg-type]


def test_two_loads_are_two_models(name: str) -> None:
    first, second = load_demo(name), load_demo(name)
    tokens = first.to_tokens(IOI_PROMPTS[0])
    with torch.no_grad():
        before = second(tokens)
        for parameter in first.parameters():
            parameter.zero_()
        assert torch.equal(second(tokens), before)
        assert not torch.allclose(first(tokens), before)


def test_loading_is_quick(name: str) -> None:
    shared(name)
    begun = time.monotonic()
    load_demo(name)
    # Under half a second when the machine is free; the rest is room for busy ones.
    assert time.monotonic() - begun < 5


_OFFLINE = """
import logging, random, socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("load_demo tried to reach the network")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
import torch
import transformer_lens
levels = {n: logging.getLogger(n).level for n in ("", "transformers", "transformer_lens")}
handlers = list(logging.getLogger().handlers)
grad, state, python = torch.is_grad_enabled(), torch.get_rng_state(), random.getstate()
print("---", flush=True)
print("---", file=sys.stderr, flush=True)
from lens_widgets.models.demo import load_demo
for name in ("ioi", "induction"):
    model = load_demo(name)
    model.to_tokens("When John and Mary went")
assert levels == {n: logging.getLogger(n).level for n in levels}
assert handlers == logging.getLogger().handlers
assert torch.is_grad_enabled() == grad
assert torch.equal(torch.get_rng_state(), state)
assert random.getstate() == python
"""


def test_loading_is_offline_silent_and_leaves_global_state_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("---\n")[-1] == ""
    assert done.stderr.split("---\n")[-1] == ""


DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


@pytest.mark.parametrize("device", DEVICES)
def test_a_model_is_loaded_on_the_device_asked_for(name: str, device: str) -> None:
    model = load_demo(name, device=device)
    assert model.to_tokens("When").device.type == device
    assert {p.device.type for p in model.parameters()} == {device}
    assert unmet(name, measure(name, model)) == []
