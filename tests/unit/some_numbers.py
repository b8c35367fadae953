"""One number of each kind, of a tiny session: for tests that compare two ways to the same."""

from __future__ import annotations

from typing import Any

import numpy as np

import lens_widgets as lw

A = lw.analysis
_EDGES = [("L0H1", "L1H2.q"), ("embed", "L1.mlp"), ("L1H2", "logits")]


def small_session(model: Any) -> lw.Session:
    """Two prompts of different lengths, with answers and corrupted prompts."""
    prompts = ["w5 w6 w7 w8", "w9 w6 w7"]
    corrupted = ["w5 w6 w10 w8", "w9 w6 w11"]
    return lw.Session(model, prompts, answers=(20, 21), corrupted=corrupted)


def some_numbers(session: lw.Session, *, of_weights: bool = True) -> dict[str, Any]:
    """By name. ``of_weights``: with what weights say by themselves."""
    ones = [1.0] * session.model.cfg.d_model
    steered = session.run([lw.Steer("blocks.0.hook_resid_pre", ones)])
    found: dict[str, Any] = {
        "baseline": session.baseline.tolist(),
        "zero": A.ablation_sweep(session).values,
        "resample": A.ablation_sweep(session, "resample").values,
        "mean": A.ablation_sweep(session, "mean", "mlp").values,
        "previous": A.head_scores(session, "previous").values,
        "first": A.head_scores(session, "first").values,
        "patched": A.patch_sweep(session, "z").values,
        "estimated": A.estimate_sweep(session, "resid_pre").values,
        "edge scores": A.edge_scores(session).values,
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
        "repeated": np.asarray(lw.prompts.repeated_tokens(session.model, 4).prompts.tolist()),
    }
    if of_weights:
        found["composition"] = A.composition_scores(session.model, "K").values
        found["OV"] = A.ov_circuit(session, "L0H1").tile(range(4), range(4)).values
    if of_weights and session.facts.has_pos_embed:
        found["positions"] = A.pos_circuit(session, "L0H1").tile(range(4), range(4)).values
    return found
