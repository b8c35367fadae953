"""What a page is told: every reply fits the protocol, and its numbers are the session's."""

from __future__ import annotations

from typing import Any

import pytest

import lens_widgets as lw
from lens_widgets.widgets.replies import METHODS
from lens_widgets.wire import protocol
from tests.models import ARCHITECTURES, D_MODEL, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS
from tests.unit.page import Page

ARGS: dict[str, list[dict[str, Any]]] = {
    "tokens": [{"prompt": 0}, {"prompt": 1}],
    "token_stats": [{"prompt": 0}, {"prompt": 1}],
    "patterns": [
        *({"prompt": 1, "which": w} for w in ("baseline", "current", "difference")),
        {"prompt": 0, "which": "difference", "attention_mode": "value"},
    ],
    "pattern": [
        {"prompt": 0, "which": w, "layer": 1, "head": 2}
        for w in ("baseline", "current", "difference")
    ]
    + [
        {
            "prompt": 1,
            "which": w,
            "layer": 1,
            "head": 2,
            "attention_mode": "value",
            "head_average": a,
        }
        for w, a in (("current", "layer"), ("difference", "all"))
    ],
    "pattern_lines": [
        {"prompt": 1, "which": "current", "layer": 0, "head": 1, "query_pos": 3, "key_pos": 1}
    ],
    "attribution": [
        {"by": by, "scope": scope, "prompt": 1}
        for by in ("head", "layer", "component")
        for scope in ("mean", "selected")
    ]
    + [{"by": "head", "scope": "mean", "prompt": 0, "pos": 2}],
    "head_sources": [
        {"prompt": 1, "layer": 1, "head": 2},
        {"prompt": 0, "layer": 0, "head": 1, "pos": 2},
    ],
    "mlp_neurons": [
        {"layer": 1, "scope": "mean", "prompt": 0, "k": 10},
        {"layer": 0, "scope": "selected", "prompt": 1, "k": 3, "pos": 1},
    ],
    "compare_bos": [{"prompt": 0}, {"prompt": 1}],
    "ablation_grid": [
        {"kind": kind, "values": values, "scope": scope, "prompt": 1}
        for kind, values, scope in (
            ("zero", "attribution", "mean"),
            ("zero", "attribution", "selected"),
            ("mean", "effect", "mean"),
            ("resample", "effect", "selected"),
        )
    ],
    "effects": [{"prompt": 0}, {"prompt": 1}],
    "lens": [
        {"prompt": 1, "which": w, "lens_target": "auto", "incl_mid": True}
        for w in ("baseline", "current", "difference")
    ]
    + [
        {
            "prompt": 0,
            "which": "current",
            "lens_target": "next",
            "incl_mid": False,
            "start": 1,
            "count": 3,
        }
    ],
    "lens_cell": [
        {"prompt": 0, "lens_target": "next", "incl_mid": True, "stage": s, "pos": 3, "k": 8}
        for s in ("0_pre", "final_post")
    ],
    "lens_path": [
        {"prompt": 1, "query_pos": pos, "pins": pins, "incl_mid": True}
        for pos, pins in ((None, []), (2, [7, 8]))
    ],
    "lens_lines": [
        {"scope": scope, "prompt": 1, "incl_mid": True} for scope in ("mean", "selected")
    ],
    "lens_token": [{"text": "w7"}],
    "lens_code": [{"incl_mid": True}],
    "composition": [
        {"composition": "K", "subtract_random": True},
        {"composition": "V", "subtract_random": False, "from_layer": 1},
    ],
    "neuron": [{"neuron": "L1N3", "prompt": 1, "top_k": 5}],
    "top_neurons": [{"prompt": 0, "query_pos": 2, "top_k": 4, "which": "current"}],
    "stripe": [{"prompt": 0, "stripe": kind} for kind in ("previous", "induction")],
    "losses_code": [{"scope": s, "prompt": 1} for s in ("mean", "selected")],
    "losses": [{"scope": "mean", "prompt": 0}, {"scope": "selected", "prompt": 1}],
    "model_card": [{}],
    "activations": [{}],
    "activation": [
        {"activation": name, "prompt": 1, "which": which, "slice_rows": rows, **at}
        for name, which, rows, at in (
            ("blocks.0.attn.hook_pattern", "current", "pos", {"head": 2}),
            ("blocks.1.attn.hook_v", "difference", "head", {"query_pos": 3}),
            ("ln_final.hook_scale", "baseline", "pos", {"row_from": 1, "column_from": 0}),
        )
    ],
    "activation_code": [
        {"activation": "blocks.0.hook_resid_post", "which": w} for w in ("current", "difference")
    ],
    "toggle": [{"component": "L1H2", "kind": "mean"}],
    "set_enabled": [{"key": "i1", "enabled": False}],
    "remove": [{"key": "i1"}],
    "undo": [{}],
    "redo": [{}],
    "clear": [{}],
    "code": [{}],
    "edit_prompt": [
        {"prompt": 0, "text": PROMPTS[0], "correct": "w7", "wrong": "w8"},
        {"prompt": 1, "text": PROMPTS[1], "correct": "w7", "wrong": "w8", "corrupted": None},
        {"prompt": 1, "text": PROMPTS[1], "correct": "w7", "wrong": "w8", "corrupted": "w1 " * 4},
    ],
}
CASES = [(method, args) for method, choices in ARGS.items() for args in choices]


def test_every_method_that_is_answered_is_of_the_protocol_and_tried_here() -> None:
    assert set(METHODS) <= set(protocol.METHODS)
    assert set(METHODS) == set(ARGS)


@pytest.mark.parametrize(("method", "args"), CASES, ids=str)
def test_replies_fit_the_protocol_with_answers(
    session: lw.Session, method: str, args: dict[str, Any]
) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    assert page.size(page.ask(method, **args)) <= protocol.MAX_REPLY_BYTES


def _cannot(name: str, method: str) -> bool:
    """Quantities that a model does not have; that they are refused is tested with each."""
    return name == "attn_only" and method in ("mlp_neurons", "neuron", "top_neurons")


@pytest.mark.parametrize("name", ["attn_only", "llama", "bloom", "gemma2"])
def test_replies_fit_the_protocol_on_other_models_without_answers(name: str) -> None:
    for method, args in CASES:
        if _cannot(name, method):
            continue
        # New for each method: some of them change the session.
        session = lw.Session(tiny(name), PROMPTS, corrupted=CORRUPTED)
        session.interventions.toggle("L0H1")
        given = {**args, "correct": "", "wrong": ""} if method == "edit_prompt" else args
        Page(session).ask(method, **given)


def test_a_summary_tells_the_metric_before_and_after(session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    for method in ("tokens", "token_stats"):
        summary = page.ask(method, prompt=0)["summary"]
        assert summary["baseline"] == pytest.approx(float(session.baseline.mean()), abs=1e-6)
        assert summary["current"] == pytest.approx(float(session.current.mean()), abs=1e-6)
        assert (summary["metric"], summary["units"]) == ("logit difference", "logits")
        assert (summary["n_prompts"], summary["revision"]) == (2, 1)


def test_tokens_are_told_with_what_the_editor_starts_from(session: lw.Session) -> None:
    result = Page(session).ask("tokens", prompt=1)
    assert [t["text"] for t in result["tokens"]] == ["<bos>", "w11", "w12", "w13", "w14"]
    assert [t["id"] for t in result["tokens"]] == [0, 11, 12, 13, 14]
    assert (result["text"], result["corrupted"]) == (PROMPTS[1], CORRUPTED[1])
    assert (result["correct"], result["wrong"]) == ANSWERS[1]
    assert result["answer"]["correct"] == {"id": 32, "text": "w32"}
    assert result["n_prompts"] == 2


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("by", ["head", "layer", "component"])
def test_attribution_rows_add_up_to_the_total_which_is_the_metric(name: str, by: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", [0.1, -0.3] * (D_MODEL // 2)))
    page = Page(session)
    for scope, before, after in (
        ("mean", session.baseline.mean(), session.current.mean()),
        ("selected", session.baseline[1], session.current[1]),
    ):
        result = page.ask("attribution", by=by, scope=scope, prompt=1)
        for column, metric in (("baseline", before), ("current", after)):
            rows = sum(row[column] for row in result["rows"])
            assert rows == pytest.approx(float(metric), abs=1e-4)
            assert result["total"][column] == pytest.approx(float(metric), abs=1e-4)


def test_attribution_rows_are_those_of_the_analysis(session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    for by in ("head", "layer", "component"):
        table = lw.analysis.attribution(session, by=by, per_prompt=True)
        result = page.ask("attribution", by=by, scope="selected", prompt=1)
        rows = {row["component"]: row for row in result["rows"]}
        for row in rows.values():
            place = {"layer": row["layer"], "head": row["head"]} if by == "head" else {}
            if by == "component":
                place = {"component": row["component"]}
            elif by == "layer" and row["component"].startswith("L"):
                place = {"layer": int(row["component"][1:])}
            if None not in place.values() and place:
                expected = float(table.sel(prompt=1, **place))
                assert row["current"] == pytest.approx(expected, abs=1e-6)
        assert result["definition"].startswith("Direct effect on the logit of the correct answer")
    heads = page.ask("attribution", by="head", scope="mean", prompt=0)["rows"]
    assert [r["component"] for r in heads[:5]] == ["L0H0", "L0H1", "L0H2", "L0H3", "L0.mlp"]
    assert {r["component"] for r in heads if not r["ablatable"]} == {"bias"}
