"""Nothing of ours follows ``torch.set_default_device``: a meta device stands in for another GPU."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from tests.models import fresh

A = lw.analysis
PACKAGE = Path(lw.__file__).parent
_EDGES = [("L0H1", "L1H2.k"), ("embed", "L1.mlp"), ("L1H2", "logits")]
MAKERS = "tensor as_tensor zeros ones full empty arange linspace eye rand randn randint randperm"


@pytest.fixture
def elsewhere() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def _session(model: Any) -> lw.Session:
    prompts = ["w5 w6 w7 w8", "w9 w6 w7"]
    corrupted = ["w5 w6 w10 w8", "w9 w6 w11"]
    return lw.Session(model, prompts, answers=(20, 21), corrupted=corrupted)


def _numbers(session: lw.Session) -> dict[str, Any]:
    steered = session.run([lw.Steer("blocks.0.hook_resid_pre", [1.0] * 32)])
    return {
        "baseline": session.baseline.tolist(),
        "zero": A.ablation_sweep(session).values,
        "resample": A.ablation_sweep(session, "resample").values,
        "mean": A.ablation_sweep(session, "mean", "mlp").values,
        "previous": A.head_scores(session, "previous").values,
        "first": A.head_scores(session, "first").values,
        "patched": A.patch_sweep(session, "z").values,
        "estimated": A.estimate_sweep(session, "resid_pre").values,
        "steered": steered.metric.tolist(),
        "edges": A.edge_sweep(session, _EDGES).values,
        "paths": A.path_patch(session, through_mlps=True).values,
        "circuit": lw.Circuit(session, _EDGES).effects().values,
        "curve": A.circuit_curve(session, dict.fromkeys(_EDGES, 1.0), [0.0, 1.0]).values,
        "cut": session.run([lw.Cut(*_EDGES[0], "zero", -1), lw.Cut(*_EDGES[1])]).metric.tolist(),
        "bos": A.compare_bos(session)["loss"].values,
        "attribution": A.attribution(session, by="component").values,
        "by source": A.attribution_by_source(session, "L1H2").values,
        "neurons": A.attribution(session, by="neuron").values,
        "stages": A.accumulated_attribution(session).values,
        "lens": A.logit_lens(session)["probs"].values,
        "loss": A.token_loss(session).values,
        "patterns": A.attention_patterns(session, mode="scores").values,
        "scores": A.decompose_scores(session, "L1H1").values,
        "composition": A.composition_scores(session.model, "K").values,
        "OV": A.ov_circuit(session, "L0H1").tile(range(4), range(4)).values,
        "positions": A.pos_circuit(session, "L0H1").tile(range(4), range(4)).values,
        "repeated": np.asarray(lw.prompts.repeated_tokens(session.model, 4).prompts),
    }


def test_every_number_is_the_same_under_another_default_device(elsewhere: None) -> None:
    torch.set_default_device(None)
    model = fresh("gpt2")
    expected = _numbers(_session(model))
    torch.set_default_device("meta")
    got = _numbers(_session(model))
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, atol=1e-6, err_msg=name)


def test_a_session_that_was_there_before_keeps_its_numbers(elsewhere: None) -> None:
    torch.set_default_device(None)
    session = _session(fresh("gpt2"))
    before = session.baseline.tolist()
    torch.set_default_device("meta")
    session.edit_prompt(0, "w9 w8 w7 w6", answers=(20, 21), corrupted="w9 w8 w6 w6")
    session.set_prompts(["w5 w6 w7 w8", "w9 w6 w7"], answers=(20, 21))
    np.testing.assert_allclose(session.baseline.tolist(), before, atol=1e-6)
    session.refresh()
    np.testing.assert_allclose(session.current.tolist(), before, atol=1e-6)


def test_every_tensor_is_made_on_a_device_that_is_named() -> None:
    unnamed = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)[:60]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        # Training the demo models is a script of its own.
        if not path.name.startswith("train")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in {("torch", name) for name in MAKERS.split()}
        and not any(keyword.arg == "device" for keyword in node.keywords)
    ]
    assert unnamed == []
