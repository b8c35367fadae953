"""Scripts that run by themselves print the session's numbers, in a process of their own."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import boot_native

import lens_widgets as lw
from lens_widgets.analysis.ablation.ablation_script import ablation_script
from lens_widgets.analysis.attention.attention_script import attention_script
from lens_widgets.analysis.attention.detector_script import loss_script, score_script
from lens_widgets.analysis.attention.score_parts_script import score_parts_script
from lens_widgets.analysis.attribution.attribution_script import attribution_script
from lens_widgets.analysis.logit_lens.lens_script import lens_script
from lens_widgets.analysis.neurons.neuron_script import neuron_script, strongest_script
from lens_widgets.analysis.patching.patch_script import patch_script
from lens_widgets.analysis.tokens.token_script import token_script
from lens_widgets.analysis.weights.circuit_script import circuit_script, composition_script
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import reading
from lens_widgets.session.self_contained import self_contained
from tests.models import randomise, tiny, word_tokenizer
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS
from tests.unit.scripts import edited

_ALONE = """
import sys
sys.modules["lens_widgets"] = None  # whoever imports it fails
exec(compile(sys.stdin.read(), "script", "exec"), {})
"""


def run_alone(script: str, folder: Path) -> str:
    """What a script prints in a fresh process, where nothing of lens_widgets can be imported."""
    done = subprocess.run(
        [sys.executable, "-c", _ALONE], input=script, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_here(script: str) -> str:
    """What it prints in this process, which is quicker."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(script, "script", "exec"), {})
    return printed.getvalue()


def numbers(printed: str) -> Any:
    """The list that ends the last line."""
    return ast.literal_eval(printed.strip().split("\n")[-1].split(") ", 1)[1])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> TransformerBridge:
    """A model booted from a folder that ``save_pretrained`` wrote."""
    folder = tmp_path_factory.mktemp("model")
    config = transformers.GPT2Config(
        vocab_size=60, n_layer=2, n_head=4, n_embd=32, n_positions=40, bos_token_id=0,
        eos_token_id=0, architectures=["GPT2LMHeadModel"],
    )  # fmt: skip
    hf = transformers.GPT2LMHeadModel(config)
    randomise(hf)
    hf.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return TransformerBridge.boot_transformers(str(folder)).eval()


@pytest.mark.parametrize("metric", ["logit_diff", "loss", "prob", "kl"])
def test_a_model_of_a_folder_is_booted_and_gives_the_sessions_metric(
    saved: TransformerBridge, tmp_path: Path, metric: str
) -> None:
    session = lw.Session(saved, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED, metric=metric)
    for item in edited("gpt2").interventions:
        session.interventions.add(item)
    expected = session.current
    script = session.interventions.to_code(self_contained=True)
    assert "lens_widgets" not in script
    assert "model.to_tokens(prompts" in script
    printed = run_alone(script, tmp_path) if metric == "logit_diff" else run_here(script)
    np.testing.assert_allclose(numbers(printed), expected, atol=1e-5)
    assert f"# The session had {expected.tolist()}." in script


def test_other_scripts_print_what_they_leave(saved: TransformerBridge) -> None:
    session = lw.Session(saved, PROMPTS, answers=ANSWERS, prepend_bos=False)
    body = attribution_script(session, "layer")
    printed = run_here(self_contained(session, body))
    effects = lw.analysis.attribution(session, "layer")
    shown = [float(x) for x in printed.split("effects: tensor([")[1].split("])")[0].split(",")]
    np.testing.assert_allclose(shown, effects, atol=1e-4)
    assert "total: tensor(" in printed
    weights = self_contained(session, composition_script("K"))
    assert "tokens" not in weights
    assert run_here(weights).startswith("scores: tensor(")


BODIES: dict[str, Callable[[lw.Session], str]] = {
    "tokens": lambda session: token_script(session, 1),
    "attention": lambda session: attention_script(session, "L1H2", "difference"),
    "scores": lambda session: score_parts_script(session, "L1H2"),
    "heads": lambda session: score_script(session),
    "losses": lambda session: loss_script(session),
    "ablation": lambda session: ablation_script(session, "mean"),
    "patching": lambda session: patch_script(session, ["z"], False, "corrupted", True),
    "attribution": lambda session: attribution_script(session, "component", "difference"),
    "circuit": lambda session: circuit_script(session, "OV", "L1H2", rows=[3], columns=[4, 5]),
    "neuron": lambda session: neuron_script(session, 1, 3),
    "strongest": lambda session: strongest_script(session, 2),
    "lens": lambda session: lens_script(session),
    "activation": lambda session: reading("hook_embed", [], session, "current"),
}


@pytest.mark.parametrize("subject", BODIES)
def test_every_script_runs_by_itself(saved: TransformerBridge, subject: str) -> None:
    session = lw.Session(saved, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    for item in edited("gpt2").interventions:
        session.interventions.add(item)
    script = self_contained(session, BODIES[subject](session))
    assert "lens_widgets" not in script
    printed = run_here(script)
    leaves = re.findall(r"^print\(\"(\w+):\"", script, re.MULTILINE)
    assert leaves
    for name in leaves:
        assert f"{name}: " in printed


@pytest.mark.parametrize("name", ["ioi", "induction"])
def test_the_demos_are_loaded_by_name(name: str) -> None:
    model = lw.load_demo(name)
    pairs = lw.prompts.ioi(2) if name == "ioi" else lw.prompts.repeated_tokens(model, 6)
    session = lw.Session(model, pairs, metric=pairs.metric)
    session.interventions.toggle("L1H4")
    expected = session.current
    script = session.interventions.to_code(self_contained=True)
    assert f"model = lw.load_demo({name!r})" in script
    found = numbers(run_here(script))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_checkpoint_is_loaded_from_its_file(tmp_path: Path) -> None:
    config = {
        "n_layers": 1, "n_heads": 2, "d_model": 16, "d_head": 8, "n_ctx": 12, "d_vocab": 20,
        "attn_only": True, "act_fn": "gelu", "normalization_type": "LN",
    }  # fmt: skip
    model = boot_native(config)
    randomise(model)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    loaded = lw.load_checkpoint(tmp_path / "weights.pt", config)
    session = lw.Session(loaded, torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]))
    expected = session.baseline
    script = session.interventions.to_code(self_contained=True)
    found = numbers(run_here(script))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_cannot_be_written_out_has_a_line_of_its_own() -> None:
    session = edited("gpt2", metric=lambda logits: logits[:, 0, 3])
    script = session.interventions.to_code(self_contained=True)
    assert "model = ...  # your model: tiny GPT2Config" in script
    assert "metric = ...  # your <lambda>" in script
    given = script.replace("model = ...", "").replace("metric = ...", "")
    scope: dict[str, Any] = {"model": session.model, "metric": session.requested_metric}
    exec(given, scope)
    torch.testing.assert_close(scope["values"], session.current, atol=2e-5, rtol=0)


@pytest.mark.parametrize("prepend_bos", [None, True, False])
@pytest.mark.parametrize("prompts", [PROMPTS, PROMPTS[:1], torch.tensor([[0, 5, 7], [0, 9, 8]])])
@pytest.mark.parametrize("name", ["gpt2", "llama", "attn_only"])
def test_tokens_are_the_sessions_however_they_came(
    name: str, prompts: Any, prepend_bos: bool | None
) -> None:
    session = lw.Session(tiny(name), prompts, answers=(4, 5), prepend_bos=prepend_bos)
    script = session.interventions.to_code(self_contained=True)
    scope: dict[str, Any] = {"model": session.model}
    exec(script.split("fwd_hooks = []")[0].replace("model = ...", ""), scope)
    assert torch.equal(scope["tokens"], session.tokens)


def test_ids_are_written_where_text_would_give_others() -> None:
    # One with BOS and one without: no one way to tokenize their texts gives both.
    odd = torch.tensor([[0, 9, 3, 5], [9, 3, 0, 5]])
    session = lw.Session(tiny("gpt2"), odd)
    script = session.interventions.to_code(self_contained=True)
    assert "[9, 3, 0, 5],  # " in script
    assert "to_tokens" not in script


def test_only_scripts_are_taken() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    with pytest.raises(InputError, match="body does not begin"):
        self_contained(session, "print(1)")
