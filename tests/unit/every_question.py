"""Asks one session everything: every question and figure of every view, every function of
``lw.analysis``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import lens_widgets as lw
from lens_widgets.engine.hooks import nodes
from lens_widgets.errors import InputError
from lens_widgets.views.question import Question, questions_of
from lens_widgets.views.registry import METHODS, package_views
from tests.unit.asking import ACTIVATION, OPTIONS, arguments

A = lw.analysis
ANSWERS = ("w30", "w31")
TEXTS = ["w5 w6 w7 w5 w6 w7", "w11 w12 w13 w14"]
CORRUPTED = ["w15 w6 w17 w15 w6 w17", "w11 w22 w13 w24"]


OF_ARRAYS = ("edge_stability", "rank_correlation")
"""Asked of arrays, whatever they are of."""


def session_of(model: Any) -> lw.Session:
    """Prompts of two lengths, or of one length where the model bears no padding."""
    lengths = [None, 4]
    for length in lengths:
        texts, corrupted = (
            [" ".join(t.split()[:length]) for t in each] for each in (TEXTS, CORRUPTED)
        )
        try:
            return lw.Session(model, texts, answers=ANSWERS, corrupted=corrupted)
        except InputError:
            if length == lengths[-1]:
                raise
    raise AssertionError


def ask_everything(session: lw.Session) -> tuple[list[str], dict[str, str]]:
    """What was answered, and the hints of what was refused; any other exception is passed on."""
    answered, refused = answers_of(session)
    return list(answered), {name: error.hint for name, error in refused.items()}


def answers_of(session: lw.Session) -> tuple[dict[str, Any], dict[str, InputError]]:
    """The answers by what was asked, and what was refused; any other exception is passed on.

    Something is ablated, where the model has anything to ablate, and a place is selected.
    """
    facts = session.facts
    for layer in range(facts.n_layers):
        try:
            session.interventions.add(lw.Ablate(f"L{layer}H{min(1, facts.n_heads - 1)}"))
        except InputError:
            continue
        break
    last = facts.n_heads - 1
    session.selection.update(
        layer=facts.n_layers - 1,
        head=min(2, last),
        query_pos=3,
        key_pos=1,
        writer_layer=0,
        writer_head=min(1, last),
        stripe="induction",
    )
    answered: dict[str, Any] = {}
    refused: dict[str, InputError] = {}
    for name, ask in (*of_views(session), *of_analysis(session)):
        try:
            answered[name] = ask()
        except InputError as error:
            refused[name] = error
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
    return answered, refused


def of_views(session: lw.Session) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every question and figure of every view."""
    for name, made in package_views().items():
        try:
            view = made(session, **OPTIONS.get(name, {}))
        except InputError:
            # Its option names an activation that this model does not have.
            view = made(session)
        yield f"{name} figure", view.figure
        if name == "explorer":
            # Its questions are those of other views.
            for method, asked in view.opening().values():
                yield f"{name} opens with {method}", partial(METHODS[method].answer, session, asked)
            continue
        for question in questions_of(made).values():
            if question.answer_type is not None:
                yield f"{name}/{question.name}", partial(_ask, view, question)


def _ask(view: Any, question: Question) -> Any:
    return view.ask(question.name, **arguments(view, question))


def of_analysis(session: lw.Session) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every function, the ways in which it can be asked told apart by ``: way``."""
    facts = session.facts
    first, last = (f"L{layer}H{facts.n_heads - 1}" for layer in (0, facts.n_layers - 1))
    both = {"writer": first, "reader": last}
    ways: dict[str, list[dict[str, Any]]] = {
        "ablation_sweep": [{"over": over} for over in ("head", "mlp", "attn")],
        "activation": [{"name": ACTIVATION}],
        "attention_patterns": [{"mode": mode} for mode in ("pattern", "value", "scores")],
        "attribution": [{"by": by} for by in ("head", "layer", "component", "neuron")],
        "attribution_by_source": [{"head": last}],
        "circuit_curve": [{"scores": {("embed", "logits"): 1.0}}],
        "composition_scores": [{"kind": kind} for kind in "KQV"],
        "copy_accuracy": [{"head": last}],
        "decompose_scores": [{"head": head} for head in (first, last)],
        "edge_scores": [{"method": method} for method in ("eap", "eap-ig", "relp")],
        "estimate_sweep": [{"node": node} for node in nodes()],
        "head_scores": [{"kind": "previous"}],
        "k_composition_circuit": [both],
        "lens_path": [{"tokens": [30]}],
        "neuron_activations": [{}],
        "ov_circuit": [{"head": last}],
        "path_patch": [{"senders": ["embed"], "receivers": ["logits"]}],
        "patch_sweep": [{"node": node} for node in nodes()],
        "pos_circuit": [{"head": last}],
        "q_composition_circuit": [both],
        "qk_circuit": [{"head": last}],
        "top_tokens": [{"layer": facts.n_layers - 1, "neuron": 0}],
        "v_composition_circuit": [both],
    }
    for name in A.__all__:
        if name in OF_ARRAYS:
            continue
        function = getattr(A, name)
        known = ways.get(name, [{}])
        for asked in known:
            way = "" if len(known) == 1 else f": {next(iter(asked.values()))}"
            yield name + way, partial(function, session, **asked)
