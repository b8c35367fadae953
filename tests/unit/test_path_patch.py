"""A patched path is two plain forwards: receivers' inputs are recorded, then put in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import edge_reference as plain
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows, state


def _session(name: str) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


def _put(name: str, value: Tensor, head: int | None = None) -> Any:
    def put_fn(activation: Tensor, hook: Any) -> Tensor:
        activation = activation.clone()
        if head is None:
            return value
        activation[:, :, head] = value[:, :, head]
        return activation

    return name, put_fn


def _record(model: Any, tokens: Tensor, names: list[str], hooks: Any = ()) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: Any) -> None:
        found[hook.name] = value.clone()

    with torch.no_grad():
        kept = [(name, keep) for name in names]
        model.run_with_hooks(tokens, fwd_hooks=[*hooks, *kept], use_cache=False)
    return {name: found[model.hook_dict[name].name] for name in names}


def _expected(
    name: str, base: Tensor, other: Tensor, sender: str, receivers: list[str], through_mlps: bool
) -> Tensor:
    """Logits at the last position."""
    model = plain.forked(name)
    layers = range(model.cfg.n_layers)
    ends = {f"blocks.{la}.hook_attn_out": None for la in layers}
    mlps = {f"blocks.{la}.hook_mlp_out": None for la in layers}
    here = _record(model, base, [*ends, *mlps])
    one, two = (plain.run(model, tokens)[1] for tokens in (base, other))
    change = plain.written(model, two, sender) - plain.written(model, one, sender)
    # All attention, and without ``through_mlps`` all MLPs, write what they did; the sender that
    # and the change.
    layer = sender[1:].split("H")[0].split(".")[0]
    if sender == "embed":
        place, source = "blocks.0.hook_in", one["blocks.0.hook_in"]
    else:
        kind = "mlp" if sender.endswith("mlp") else "attn"
        place = f"blocks.{layer}.hook_{kind}_out"
        source = here[place]
    frozen = [*ends, *([] if through_mlps else mlps)]
    hooks = [_put(n, here[n]) for n in frozen if n != place] + [_put(place, source + change)]
    inputs = [plain._input(model, reader) for reader in receivers]
    new = _record(model, base, inputs, hooks)
    heads = [None if n.endswith(("hook_out", "mlp_in")) else plain._head(r)
             for n, r in zip(inputs, receivers, strict=True)]  # fmt: skip
    puts = [_put(n, new[n], head) for n, head in zip(inputs, heads, strict=True)]
    with torch.no_grad():
        return model.run_with_hooks(base, fwd_hooks=puts, use_cache=False)[0, -1]


@pytest.mark.parametrize("through_mlps", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "gemma2", "neox"])
def test_paths_are_two_hooked_forwards(name: str, through_mlps: bool) -> None:
    session = _session(name)
    key = "L1KV1.k" if name == "gemma2" else "L1H3.k"
    for receivers in (["logits"], ["L1H2.q", key, "L1.mlp"]):
        senders = ["embed", "L0H1", "L0.mlp"]
        found = lw.analysis.path_patch(
            session, senders, receivers, through_mlps=through_mlps, per_prompt=True
        )
        prompts = zip(rows(session), corrupted_rows(session), ANSWER_IDS, strict=True)
        for row, (clean, corrupted, (right, wrong)) in enumerate(prompts):
            for index, sender in enumerate(senders):
                last = _expected(name, corrupted, clean, sender, receivers, through_mlps)
                expected = float(last[right] - last[wrong])
                assert float(found[row, index]) == pytest.approx(expected, abs=1e-4), sender


def test_a_direct_path_to_one_receiver_is_an_edge() -> None:
    session = _session("olmo2")
    session.interventions.add(lw.Ablate("L0H0"))
    session.interventions.add(lw.Cut("embed", "L1H2.q", "zero"))
    found = lw.analysis.path_patch(session, None, "L1H2.q", into="clean")
    edges = [(sender, "L1H2.q") for sender in found.sender.values.tolist() if sender != "embed"]
    sweep = lw.analysis.edge_sweep(session, edges, "clean")
    np.testing.assert_allclose(found[1:], sweep, atol=1e-5)
    assert found.sender.values[0] == "embed"
    both = lw.analysis.path_patch(session, [("L0H1", "L0H2")], "L1H2.q", into="clean")
    assert both.sender.values.tolist() == ["L0H1+L0H2"]
    share = lw.analysis.path_patch(session, ["L0H1"], "L1H2.q", into="clean", normalize=True)
    assert share.attrs["units"] == "fraction broken"


def test_bad_senders_and_receivers_are_refused(session: lw.Session) -> None:
    before = state(session)
    refused: list[tuple[Any, str]] = [
        ((["L9H1"], "logits"), "writer='L9H1'"),
        ((["L0H1"], "L9H1.q"), "reader='L9H1.q'"),
        ((["L1H1"], ["L1H0.q"]), "sender 'L1H1': all receivers read the stream before"),
        (("L0H1", "logits"), "senders='L0H1' is not a list"),
        ((None, []), "receivers is empty"),
    ]
    for arguments, said in refused:
        with pytest.raises(InputError, match=said):
            lw.analysis.path_patch(session, *arguments)
    assert state(session) == before


def test_one_edge_into_the_clean_run_is_written_out_as_a_cut() -> None:
    session = _session("llama")
    for sender, receiver in (("L0H1", "L1KV0.k"), ("L0.mlp", "L1H2.q"), ("embed", "logits")):
        alone = session.with_interventions([lw.Cut(sender, receiver)])
        scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
        exec(alone.interventions.to_code(), scope)
        last = scope["logits"][range(len(PROMPTS)), session.positions]
        pairs = last.gather(1, torch.tensor(ANSWER_IDS))
        metric = float((pairs[:, 0] - pairs[:, 1]).mean())
        edge = lw.analysis.edge_sweep(session, [(sender, receiver)], into="clean")
        path = lw.analysis.path_patch(session, [sender], receiver, into="clean")
        assert [float(edge[0]), float(path[0])] == pytest.approx([metric, metric], abs=2e-5)
