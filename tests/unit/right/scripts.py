"""What the code on screen leaves, run as its reader runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit import reference
from tests.unit.right.case import Case, ask, check
from tests.unit.right.plain import near

A = lw.analysis
Left = dict[str, Any]


@check("code", "what each script leaves, beside the numbers above")
def code(case: Case) -> None:
    answered = 0
    for name, view, asked, compare in _scripts(case):
        try:
            question = asked.pop("question", "code")
            text = (
                case.session.interventions.to_code()
                if view is None
                else ask(case, view, question, **asked).attrs["code"]
            )
        except InputError:
            continue
        answered += 1
        scope: Left = {"model": case.model, "tokens": case.session.tokens}
        try:
            exec(compile(text, name, "exec"), scope)
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        try:
            compare(scope)
        except InputError as error:
            raise AssertionError(f"{name}: there is code for what is refused: {error}") from error
    assert answered > 3


def _scripts(
    case: Case,
) -> Iterator[tuple[str, type | None, dict[str, Any], Callable[[Left], None]]]:
    layer = (case.facts.layers.attention or case.layers)[-1]
    head = min(2, case.facts.n_heads - 1)
    of_head = {"layer": layer, "head": head, "prompt": 0}
    session, n = case.session, len(case.run(0).ids)

    def logits(left: Left) -> None:
        for prompt in case.prompts:
            run = case.run(prompt)
            near(left["logits"][prompt, : len(run.ids)], run.logits(), "to_code")

    def losses(left: Left) -> None:
        run = case.run(0)
        expected = reference.losses(run.logits(), run.tokens)
        near(left["loss"][: n - 1], expected, "token/code")

    def means(left: Left) -> None:
        run = case.run(0)
        near(left["losses"], reference.losses(run.logits(), run.tokens), "loss/code")

    def attention(left: Left) -> None:
        near(left["attention"], A.attention_patterns(session)[layer, head], "attention/code")

    def components(left: Left) -> None:
        got = A.attribution(session, by="component", per_prompt=True)[0]
        assert left["components"] == [str(name) for name in got["component"].values]
        near(left["effects"], got, "attribution/code")

    def heads(left: Left) -> None:
        near(left["effects"], A.attribution(session, per_prompt=True)[0], "attribution/code heads")

    def lens(left: Left) -> None:
        got = A.logit_lens(session)["probs"].sel(stage=left["stages"])
        for prompt in case.prompts:
            length = len(case.run(prompt).ids)
            here = got.sel(prompt=prompt).isel(pos=slice(length))
            near(left["probs"][:, prompt, :length], here, "logit_lens/code")

    def ablations(left: Left) -> None:
        for name, over in (("effects", "head"), ("mlp_effects", "mlp")):
            if name not in left:
                continue
            try:
                got = A.ablation_sweep(session, over=over, per_prompt=True)[0]  # type: ignore[arg-type]
            except InputError:
                # The panel is empty, and so is what the script leaves.
                assert bool(left[name].isnan().all())
            else:
                near(left[name], got, "ablation/code")

    def scores(left: Left) -> None:
        for kind in ("previous", "induction"):
            got = A.head_scores(session, kind, per_prompt=True)[0]
            near(left["scores"][kind], got, "head_scores/code")

    def neurons(left: Left) -> None:
        got = A.neuron_activations(session, layer=case.layers[-1], neuron=3)
        near(left["activations"][0, :n], got.values[:, 0, 0], "neuron/code")

    def sources(left: Left) -> None:
        got = A.decompose_scores(session, f"L{layer}H{head}")
        near(left["parts"], got.sel(query_pos=3, key_pos=1), "score_decomposition/code")

    def composed(left: Left) -> None:
        got = A.composition_scores(session, "K", baseline=False)
        near(left["scores"], got, "composition/code")

    def circuit(left: Left) -> None:
        got = A.ov_circuit(session, f"L{layer}H{head}").tile(
            left["rows"] if "rows" in left else range(len(left["tile"])),
            left["columns"] if "columns" in left else range(left["tile"].shape[1]),
        )
        near(left["tile"], got, "weight_circuit/code")

    def activation(left: Left) -> None:
        for prompt in case.prompts:
            run = case.run(prompt)
            expected = run.read("blocks.0.hook_resid_post")
            near(left["activation"][prompt, : len(run.ids)], expected, "activation_browser/code")

    shown = {"show": "current"}
    pattern = {"attention_mode": "pattern", "head_average": "none"}
    choice: dict[str, Any] = {"circuit": "OV", "layer": layer, "head": head}
    choice |= {"writer_layer": None, "writer_head": None}
    neuron = f"L{case.layers[-1]}N3"
    yield "session", None, {}, logits
    yield "tokens", lw.TokenView, {"prompt": 0}, losses
    yield "losses", lw.LossView, {"prompt": 0}, means
    yield "attention", lw.AttentionView, {**of_head, **shown, **pattern}, attention
    by = {"prompt": 0, "pos": None}
    yield "components", lw.AttributionTable, {"by": "component", **by}, components
    yield "heads", lw.AttributionTable, {"by": "head", **by}, heads
    for incl_mid in (True, False):
        yield "lens", lw.LogitLensView, {**shown, "incl_mid": incl_mid}, lens
    yield "ablations", lw.AblationPanel, {"ablation_kind": "zero", "prompt": 0}, ablations
    yield "scores", lw.HeadScoresView, {"prompt": 0}, scores
    yield "neurons", lw.NeuronView, {"neuron": neuron, **shown, "top_k": 3}, neurons
    at = {"sources_by": "head", "query_pos": 3, "key_pos": 1}
    yield "sources", lw.ScoreDecompositionView, {**of_head, **shown, **at}, sources
    composition = {"composition": "K", "subtract_random": False}
    yield "composition", lw.CompositionView, composition, composed
    yield "circuit", lw.WeightCircuitView, {"choice": choice}, circuit
    named = {"activation": "blocks.0.hook_resid_post", **shown}
    yield "activation", lw.ActivationBrowser, named, activation
