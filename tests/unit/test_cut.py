"""A cut edge in a session is a plain forward in which one reader reads something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import D_MODEL, tiny
from tests.unit import edge_reference as plain
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, corrupted_rows, rows, state
from tests.unit.test_to_code import check as check_code

GROUPED = ("llama", "gemma2", "olmo2", "granite")


def _session(name: str) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


def _edges(name: str) -> list[tuple[str, str]]:
    """Two into one key, and one into every other kind of reader."""
    key, value = ("L1KV1.k", "L1KV0.v") if name in GROUPED else ("L1H3.k", "L1H0.v")
    pairs = [("L0H1", key), ("embed", key), ("L0H2", "L1H2.q"), ("L0.mlp", value)]
    mlp = ("embed", "L1.mlp") if name in ("neox", "phi") else ("L1H1", "L1.mlp")
    return [*pairs, mlp, ("L1H3", "logits"), ("L1.mlp", "logits")]


def _off(z: torch.Tensor, hook: Any) -> torch.Tensor:
    z[:, :, 2] *= 0.5
    return z


@pytest.mark.parametrize("name", ["gpt2", *GROUPED, "neox"])
def test_cuts_add_up_and_take_what_is_written_in_this_run(name: str) -> None:
    session, model = _session(name), plain.forked(name)
    for index, edge in enumerate(_edges(name)):
        session.interventions.add(lw.Cut(*edge, "zero" if index == 2 else "resample"))
    # What a writer gives is the run's own, whatever is done to it, before or after in the list.
    session.interventions.add(lw.Steer("L0H2", torch.ones(8)))
    for row, (clean, corrupted) in enumerate(
        zip(rows(session), corrupted_rows(session), strict=True)
    ):
        source = plain.run(model, corrupted)[1]
        cuts = [(*e, None if i == 2 else source) for i, e in enumerate(_edges(name))]

        def steer(z: torch.Tensor, hook: Any) -> torch.Tensor:
            z = z.clone()
            z[:, :, 2] += 1.0
            return z

        expected = plain.run(model, clean, cuts, [("blocks.0.attn.hook_z", steer)])[0][0]
        got = session.run().logits[row, : clean.shape[1]]
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
    check_code(session)


@pytest.mark.parametrize("name", ["phi", "native", "gpt2_folded"])
def test_the_code_of_cuts_gives_the_sessions_logits(name: str) -> None:
    session = _session(name)
    key = "L1KV1.k" if name == "native" else "L1H3.k"
    for item in (
        lw.Cut("L0H1", key, "mean"),
        lw.Cut("embed", "L1.mlp", "resample", positions=(1, -1)),
        lw.Cut("L0.mlp", "logits"),
        lw.Ablate("L0.attn", "mean", positions=2),
        lw.Cut("L0H1", "L1H2.q", "zero", positions=-1),
    ):
        session.interventions.add(item)
        before = session.with_interventions(list(session.interventions)[:-1]).run().logits
        assert not torch.allclose(session.run().logits, before, atol=1e-4)
    check_code(session)


def test_of_one_edge_the_last_cut_counts_where_it_acts() -> None:
    session = _session("gpt2")
    edge = ("L0H1", "L1H2.k")
    zero = session.run([lw.Cut(*edge, "zero")]).logits
    both = session.run([lw.Cut(*edge), lw.Cut(*edge, "zero")]).logits
    assert torch.equal(both, zero)
    here = session.run([lw.Cut(*edge, "zero"), lw.Cut(*edge, positions=(1, 2))]).logits
    parts = [lw.Cut(*edge, "zero", positions=(0, 3, 4, 5, 6)), lw.Cut(*edge, positions=(1, 2))]
    torch.testing.assert_close(here, session.run(parts).logits, atol=1e-5, rtol=0)
    assert not torch.allclose(here, zero, atol=1e-4)


def test_the_mean_is_over_prompts_and_their_own_positions() -> None:
    session, model = _session("olmo2"), plain.forked("olmo2")
    clean = [plain.run(model, tokens)[1] for tokens in rows(session)]
    shares = [plain.written(model, found, "L0H1")[0] for found in clean]
    mean = torch.cat(shares).mean(dim=0)
    cut = session.run([lw.Cut("L0H1", "logits", "mean")])
    final = session.run(()).activation("ln_final.hook_in")
    for row, share in enumerate(shares):
        moved = final[row, : len(share)] + mean - share
        expected = model.unembed(model.ln_final(moved[None]))[0]
        got = cut.logits[row, : len(share)]
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_where_attention_is_replaced_its_heads_give_nothing() -> None:
    session = _session("gemma2")
    off = lw.Ablate("L0.attn", positions=(1, 2))
    cut = lw.Cut("L0H1", "L1H2.q", "zero")
    q = "blocks.1.attn.hook_q"
    before, after = (session.run(items).activation(q) for items in ([off], [off, cut]))
    differs = (before - after).abs().amax(dim=(2, 3))[0] > 1e-5
    assert differs.tolist() == [True, False, False, True, True, True, True]


def test_other_sweeps_start_from_the_run_with_the_cut() -> None:
    session = _session("neox")
    session.interventions.add(lw.Cut("embed", "L1H2.v"))
    session.interventions.add(lw.Cut("L0H3", "logits", positions=-1))
    active = list(session.interventions)
    sweep = lw.analysis.ablation_sweep(session, per_prompt=True)
    for layer, head in ((0, 3), (0, 1), (1, 2)):
        after = session.run([*active, lw.Ablate(f"L{layer}H{head}")]).metric
        got = sweep.sel(layer=layer, head=head).values
        np.testing.assert_allclose(got, (after - session.current).numpy(), atol=2e-5)
    # The gradient of what is cut is none: the estimate of a change there is no change.
    estimate = lw.analysis.estimate_sweep(session, "z", into="clean")
    session.interventions.clear()
    plainly = lw.analysis.estimate_sweep(session, "z", into="clean")
    assert abs(estimate - plainly).max() > 1e-3
    nothing = [lw.Cut("L0H3", reader) for reader in session.stream.graph.reader_names[13:]]
    session.interventions.set_all([cut for cut in nothing if cut.edge[1] != "L0.mlp"])
    without = lw.analysis.estimate_sweep(session, "z", into="clean", per_prompt=True)
    np.testing.assert_allclose(without[:, 0, 3], session.current.numpy(), atol=1e-5)


def test_it_is_listed_undone_saved_and_opened_again(session: lw.Session, tmp_path: Path) -> None:
    cut = lw.Cut("L0H1", "L1H2.k", "mean", positions=(1, -1))
    assert (cut.label, cut.kind, cut.detail) == ("L0H1 → L1H2.k", "mean", "positions 1, -1")
    session.interventions.add(cut)
    after = session.current
    assert session.interventions.undo()
    assert torch.equal(session.current, session.baseline)
    session.interventions.redo()
    session.save(tmp_path / "cut.lens")
    again = lw.Session.open(tmp_path / "cut.lens", session.model)
    assert list(again.interventions) == [cut]
    torch.testing.assert_close(again.current, after, atol=1e-5, rtol=0)
    again.interventions.remove("L0H1 → L1H2.k")
    assert len(again.interventions) == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: lw.Cut("L0H9", "logits"), "writer='L0H9' is no writer"),
        (lambda: lw.Cut("pos_embed", "logits"), "writer='pos_embed' is no writer"),
        (lambda: lw.Cut("L0H1", "L1KV0.k"), "have keys of their own"),
        (lambda: lw.Cut("L1H1", "L0H1.q"), "reads the stream before"),
        (lambda: lw.Cut("L0H1", "L1H1"), "is no input that reads"),
        (lambda: lw.Cut("L0H1", "logits", "patch"), "kind='patch' is not known"),  # type: ignore[arg-type]
        (lambda: lw.Cut("L0H1", "logits", positions=99), "positions has 99"),
    ],
)
def test_bad_cuts_are_refused_and_nothing_changes(
    session: lw.Session, make: Any, said: str
) -> None:
    before = state(session)
    with pytest.raises(InputError, match=said):
        session.interventions.add(make())
    assert state(session) == before


def test_resampling_needs_corrupted_prompts() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    with pytest.raises(InputError, match="kind='resample' needs corrupted prompts"):
        session.interventions.add(lw.Cut("L0H1", "logits"))
    session.interventions.add(lw.Cut("L0H1", "logits", "zero"))
    vector = torch.zeros(D_MODEL)
    session.interventions.add(lw.Steer("blocks.1.hook_resid_pre", vector))
    check_code(session)
