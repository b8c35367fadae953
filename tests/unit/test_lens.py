"""The logit lens is what the model itself says of a stage put in the place of its last one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from transformer_lens.tools import analysis as transformer_lens_analysis

import lens_widgets as lw
from lens_widgets.analysis.logit_lens import lens as lens_module
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_MODEL, D_VOCAB, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, rows

PARALLEL = {"neox", "phi", "gptj", "falcon"}
STEER = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(3))


def _names(name: str, incl_mid: bool = True) -> list[str]:
    mid = incl_mid and name not in PARALLEL | {"attn_only"}
    kinds = ("pre", "mid")[: 1 + mid]
    return [*(f"{layer}_{kind}" for layer in range(2) for kind in kinds), "final_post"]


def _stage_logits(
    name: str, tokens: torch.Tensor, hooks: tuple[reference.Hook, ...] = ()
) -> list[torch.Tensor]:
    """Logits [pos, d_vocab] of each stage: one forward each, its stream given to the final norm."""
    model = tiny(name)
    found = []
    for stage in _names(name):
        layer, kind = stage.split("_")
        if kind == "post":
            found.append(reference.logits(model, tokens, hooks))
            continue
        stream = reference.activation(model, tokens, f"blocks.{layer}.hook_in", hooks)
        if kind == "mid":
            wrote = f"blocks.{layer}.hook_attn_out"
            stream = stream + reference.activation(model, tokens, wrote, hooks)
        found.append(reference.logits(model, tokens, [*hooks, _replaced(stream)]))
    return found


def _replaced(stream: torch.Tensor) -> reference.Hook:
    return "ln_final.hook_in", lambda _before, hook: stream[None]


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(
        tiny(name), PROMPTS, **{"answers": ANSWERS, "corrupted": CORRUPTED, **options}
    )


def _check(table: Any, row: int, expected: list[torch.Tensor], target: torch.Tensor) -> None:
    """One prompt of a lens against the logits [pos, d_vocab] of each stage."""
    length = len(target)
    got = table.sel(prompt=row).isel(pos=slice(0, length))
    final = expected[-1].log_softmax(-1)
    for stage, logits in zip(table["stage"].values, expected, strict=True):
        here = got.sel(stage=stage)
        log_probs = logits.log_softmax(-1)
        top = log_probs.exp().topk(3, dim=-1)
        np.testing.assert_allclose(here["probs"], top.values, atol=1e-5)
        chosen = log_probs.exp().gather(-1, torch.as_tensor(here["tokens"].values))
        np.testing.assert_allclose(here["probs"], chosen, atol=1e-5)
        kl = torch.nn.functional.kl_div(log_probs, final, reduction="none", log_target=True).sum(-1)
        np.testing.assert_allclose(here["kl"], kl, atol=1e-4)
        for pos, token in enumerate(target.tolist()):
            if token < 0:
                assert int(here["rank"][pos]) == -1
                assert np.isnan(float(here["target_prob"][pos]))
                continue
            # Nearly equal logits may swap places between two ways of computing them.
            margin = (logits[pos] - logits[pos, token] > 1e-4).sum().item()
            within = (logits[pos] - logits[pos, token] > -1e-4).sum().item()
            assert margin <= int(here["rank"][pos]) < within
            expected_prob = float(log_probs[pos, token].exp())
            assert float(here["target_prob"][pos]) == pytest.approx(expected_prob, abs=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_stage_is_what_the_model_says_of_that_stream(name: str) -> None:
    session = _session(name)
    table = lw.analysis.logit_lens(session, k=3)
    assert table["probs"].dims == ("prompt", "stage", "pos", "k")
    assert table["stage"].values.tolist() == _names(name)
    for row, tokens in enumerate(rows(session)):
        target = torch.full((tokens.shape[1],), ANSWER_IDS[row][0])
        _check(table, row, _stage_logits(name, tokens), target)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_lens_follows_interventions(name: str) -> None:
    session = _session(name)
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Steer("blocks.1.hook_resid_pre", STEER))
    tokens = rows(session)[0]
    hooks = (
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.add("blocks.1.hook_in", STEER, at=range(tokens.shape[1])),
    )
    table = lw.analysis.logit_lens(session, k=3, target="next", prompt=0)
    assert table["prompt"].values.tolist() == [0]
    target = torch.cat([tokens[0, 1:], torch.tensor([-1])])
    _check(table, 0, _stage_logits(name, tokens, hooks), target)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_lens_agrees_with_transformerlens(name: str) -> None:
    session = _session(name, answers=None)
    mid = name not in PARALLEL | {"attn_only"}
    table = lw.analysis.logit_lens(session, k=4, incl_mid=mid, target="next")
    for row, tokens in enumerate(rows(session)):
        length = tokens.shape[1]
        theirs = transformer_lens_analysis.logit_lens(
            session.model, tokens, incl_mid=mid, positions=None, return_type="probs", top_k=4
        )
        got = table.sel(prompt=row).isel(pos=slice(0, length))
        assert theirs.labels == table["stage"].values.tolist()
        np.testing.assert_allclose(got["probs"], theirs.readout.values[:, 0], atol=1e-5)
        ranks = transformer_lens_analysis.logit_lens(
            session.model,
            tokens,
            incl_mid=mid,
            positions=torch.arange(length - 1),
            targets=tokens[:, 1:],
        )
        ours = got["rank"].isel(pos=slice(0, length - 1)).values
        assert np.abs(ours - ranks.rank_trajectory().numpy()[:, 0]).max() <= 1


@pytest.mark.parametrize("name", ["gpt2", "llama", "native", "gpt2_folded"])
def test_the_lens_reads_the_cachs_accumulated_stream(name: str) -> None:
    session = _session(name)
    tokens = rows(session)[0]
    _, cache = session.model.run_with_cache(tokens)
    stack, labels = cache.accumulated_resid(incl_mid=True, apply_ln=True, return_labels=True)
    logits = stack[:, 0] @ session.model.W_U + session.model.b_U
    bridge: Any = session.model
    transform = bridge.adapter.apply_output_logits_transform
    probs = transform(logits).softmax(-1).topk(5, dim=-1).values.detach()
    table = lw.analysis.logit_lens(session, prompt=0)
    assert labels == table["stage"].values.tolist()
    np.testing.assert_allclose(table["probs"].values[0], probs, atol=1e-5)


def test_what_lies_past_the_norm_shows_in_the_last_stage_alone() -> None:
    session = _session("gpt2")
    before = lw.analysis.logit_lens(session, prompt=1)
    session.interventions.add(lw.Steer("unembed.hook_out", 5.0 * torch.eye(D_VOCAB)[9]))
    after = lw.analysis.logit_lens(session, prompt=1)
    final = session.run().logits[1, :5].softmax(-1)
    last = after.sel(stage="final_post").isel(prompt=0, pos=slice(0, 5))
    np.testing.assert_allclose(last["probs"], final.topk(5).values, atol=1e-6)
    np.testing.assert_allclose(last["kl"], 0, atol=1e-6)
    earlier = slice(None, "1_mid")
    np.testing.assert_array_equal(
        after["probs"].sel(stage=earlier), before["probs"].sel(stage=earlier)
    )
    assert float(after["kl"].sel(stage="1_mid").isel(prompt=0, pos=0)) != float(
        before["kl"].sel(stage="1_mid").isel(prompt=0, pos=0)
    )


def test_chunks_change_nothing_and_bound_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    session = _session("gpt2")
    whole = lw.analysis.logit_lens(session)
    path = lw.analysis.lens_path(session, ["w30", "w5"])
    largest = 0
    read = lens_module._read

    def watched(run: Any, resid: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        logits = read(run, resid)
        largest = max(largest, logits.numel())
        return logits

    monkeypatch.setattr(lens_module, "_read", watched)
    for rows_at_once in (1, 2, 5):
        largest = 0
        monkeypatch.setattr(lens_module, "CHUNK_ELEMENTS", rows_at_once * D_VOCAB)
        chunked = lw.analysis.logit_lens(session)
        assert largest == rows_at_once * D_VOCAB
        for name in ("probs", "target_prob", "kl"):
            np.testing.assert_allclose(chunked[name], whole[name], atol=1e-5)
        for name in ("tokens", "rank"):
            np.testing.assert_array_equal(chunked[name], whole[name])
        again = lw.analysis.lens_path(session, ["w30", "w5"])
        np.testing.assert_allclose(again["logit"], path["logit"], atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "phi"])
def test_a_difference_is_the_current_lens_minus_the_baseline(name: str) -> None:
    session = _session(name)
    session.interventions.toggle("L0H1")
    before, now, change = (
        lw.analysis.logit_lens(session, k=D_VOCAB, which=which)
        for which in ("baseline", "current", "difference")
    )
    session.interventions.clear()
    xr.testing.assert_equal(before, lw.analysis.logit_lens(session, k=D_VOCAB, which="baseline"))
    for field in ("target_prob", "kl", "rank"):
        np.testing.assert_allclose(change[field], now[field] - before[field], atol=1e-6)
    np.testing.assert_array_equal(change["tokens"], now["tokens"])
    for row, length in enumerate(session.prompt_set.lengths.tolist()):
        for pos in range(length):
            place = {"prompt": row, "pos": pos, "stage": 2}
            old, new, moved = (table.isel(place) for table in (before, now, change))
            was = dict(zip(old["tokens"].values.tolist(), old["probs"].values, strict=True))
            then = [was[token] for token in new["tokens"].values.tolist()]
            np.testing.assert_allclose(moved["probs"], new["probs"] - then, atol=1e-6)
    assert change["kl"].attrs["definition"].startswith("change of the KL divergence")


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "native", "phi"])
def test_a_path_is_the_tokens_probability_rank_and_logit_at_each_stage(name: str) -> None:
    session = _session(name)
    session.interventions.toggle("L0H1")
    tokens = rows(session)[1]
    hooks = (reference.write("blocks.0.attn.hook_z", 0.0, head=1),)
    expected = _stage_logits(name, tokens, hooks)
    path = lw.analysis.lens_path(session, ["w32", 33, "w7"], prompt=1, pos=3)
    assert path["prob"].dims == ("stage", "token")
    assert path["token"].values.tolist() == [32, 33, 7]
    assert path["text"].values.tolist() == ["w32", "w33", "w7"]
    for stage, logits in zip(path["stage"].values, expected, strict=True):
        here = path.sel(stage=stage)
        np.testing.assert_allclose(here["logit"], logits[3, [32, 33, 7]], atol=1e-4)
        np.testing.assert_allclose(here["prob"], logits[3].softmax(-1)[[32, 33, 7]], atol=1e-5)
        order = logits[3].argsort(descending=True).tolist()
        for token in (32, 33, 7):
            assert abs(int(here["rank"].sel(token=token)) - order.index(token)) <= 1
    by_default = lw.analysis.lens_path(session, ["w32"], prompt=1)
    assert by_default.attrs["pos"] == tokens.shape[1] - 1


def test_arrays_are_labelled_with_units_and_words() -> None:
    session = _session("gpt2")
    table = lw.analysis.logit_lens(session, k=2, prompt=1, positions=[3, 1, 6])
    assert table["pos"].values.tolist() == [3, 1, 6]
    assert table["token"].values.tolist() == ["w13 3", "w11 1", ""]
    whole = lw.analysis.logit_lens(session, k=2)
    for name in ("probs", "rank", "kl", "tokens"):
        np.testing.assert_allclose(
            table[name].isel(prompt=0, pos=[0, 1]),
            whole[name].isel(prompt=1, pos=[3, 1]),
            atol=1e-6,
        )
    beyond = table.isel(prompt=0, pos=2)
    assert (beyond["tokens"] == -1).all()
    assert (beyond["rank"] == -1).all()
    assert (beyond["text"] == "").all()
    assert np.isnan(beyond["probs"]).all()
    assert np.isnan(beyond["kl"]).all()
    first = table["tokens"].values[0, 0, 0, 0]
    assert table["text"].values[0, 0, 0, 0] == f"w{first}"
    assert {name: table[name].attrs["units"] for name in ("probs", "rank", "kl")} == {
        "probs": "probability",
        "rank": "rank, 0 is first",
        "kl": "nats",
    }
    assert table.attrs["target"] == "the correct answer"
    assert lw.analysis.logit_lens(session, target="next").attrs["target"] == "the true next token"
    assert "from the final distribution" in table["kl"].attrs["definition"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, ["k=0", f"1 to {D_VOCAB}"]),
        ({"k": D_VOCAB + 1}, [f"k={D_VOCAB + 1}"]),
        ({"k": 2.0}, ["k=2.0"]),
        ({"prompt": 2}, ["prompt=2", "0 to 1"]),
        ({"positions": [0, 7]}, ["positions[1]=7", "0 to 6"]),
        ({"positions": []}, ["positions is empty"]),
        ({"which": "before"}, ["which='before'", "'baseline'"]),
        ({"target": "wrong"}, ["target='wrong'", "'answer' or 'next'"]),
    ],
)
def test_bad_arguments_of_the_lens_are_named(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        lw.analysis.logit_lens(_session("gpt2"), **options)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_bad_arguments_of_a_path_are_named() -> None:
    session = _session("gpt2")
    for tokens, options, words in (
        ([], {}, "tokens is empty"),
        (["w5 w6"], {}, r"tokens\[0\]='w5 w6' is 2 tokens"),
        ([5, D_VOCAB], {}, rf"tokens\[1\] is token id {D_VOCAB}"),
        ([5], {"pos": 5, "prompt": 1}, "pos=5 is out of range. It runs from 0 to 4"),
        ([5], {"prompt": -1}, "prompt=-1 is out of range"),
    ):
        with pytest.raises(InputError, match=words):
            lw.analysis.lens_path(session, tokens, **options)  # type: ignore[arg-type]


def test_without_answers_the_true_next_token_is_followed() -> None:
    session = _session("gpt2", answers=None)
    assert lw.analysis.logit_lens(session).attrs["target"] == "the true next token"
    with pytest.raises(InputError, match="target='answer' needs answers"):
        lw.analysis.logit_lens(session, target="answer")


def test_the_lens_of_a_low_precision_model_is_its_own() -> None:
    from tests.models import fresh

    model = fresh("gpt2")
    exact = lw.analysis.logit_lens(lw.Session(model, PROMPTS, answers=ANSWERS))
    model.to(torch.bfloat16)
    rough = lw.analysis.logit_lens(lw.Session(model, PROMPTS, answers=ANSWERS))
    np.testing.assert_allclose(rough["target_prob"], exact["target_prob"], atol=0.05)
