"""What each stage of the stream would predict."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import lens_widgets as lw
from tests.unit.right.case import Case, ask, check
from tests.unit.right.direct import stream_at
from tests.unit.right.plain import ANSWER, PlainRun, near

A = lw.analysis


def _logits(case: Case, run: PlainRun, stages: list[str]) -> Tensor:
    """[stage, pos, d_vocab]: Hugging Face's forward in which the last layer leaves each stage."""
    return torch.stack(
        [case.twin.logits_after(stream_at(run, stage), run.tokens) for stage in stages]
    )


@check(
    "logit lens",
    "Hugging Face's forward in which its last layer leaves each stage's stream behind",
)
def lens(case: Case) -> None:
    table = A.logit_lens(case.session, k=3)
    stages = [str(name) for name in table["stage"].values]
    for prompt in case.prompts[-1:]:
        run, clean = case.run(prompt), case.run(prompt, now=False)
        n = len(run.ids)
        names = [*(f"blocks.{layer}.hook_in" for layer in case.layers), "ln_final.hook_in"]
        for name, own in zip(names, case.twin.streams(clean.tokens), strict=True):
            near(clean.read(name), own, f"Hugging Face's stream at {name}")
        logits = _logits(case, run, stages)
        near(logits[-1], run.logits(), "the last stage")
        logp = logits.log_softmax(-1)
        here = table.sel(prompt=prompt).isel(pos=slice(n))
        near(here["probs"], logp.exp().topk(3).values, "probs")
        asked = torch.as_tensor(here["tokens"].values)
        near(logp.exp().gather(-1, asked), here["probs"], "tokens")
        near(here["target_prob"], logp[..., ANSWER[0]].exp(), "target_prob")
        rank = (logits > logits[..., ANSWER[0], None]).sum(-1)
        assert here["rank"].values.tolist() == rank.tolist()
        kl = (logp[-1].exp() * (logp[-1] - logp)).sum(-1)
        near(here["kl"], kl, "kl")
        options = {"prompt": prompt, "lens_target": "answer", "incl_mid": True}
        grid = ask(case, lw.LogitLensView, "grid", show="difference", count=None, **options)
        before = _logits(case, clean, stages).log_softmax(-1)
        change = logp[..., ANSWER[0]].exp() - before[..., ANSWER[0]].exp()
        near(grid["target_prob"], change, "logit_lens/grid")
        cell = ask(case, lw.LogitLensView, "cell", stage=stages[0], query_pos=1, **options)
        ids = torch.as_tensor(cell["token_id"].values)
        near(cell["current"], logp[0, 1].exp()[ids], "logit_lens/cell")
        near(cell["baseline"], before[0, 1].exp()[ids], "logit_lens/cell")
        near(cell.attrs["current_kl"], kl[0, 1], "logit_lens/cell")


@check("tokens through the lens", "the same")
def paths(case: Case) -> None:
    tokens = [*ANSWER, 7]
    table = A.lens_path(case.session, tokens, prompt=0)
    stages = [str(name) for name in table["stage"].values]
    run, clean = case.run(0), case.run(0, now=False)
    logits = _logits(case, run, stages)[:, -1]
    near(table["logit"], logits[:, tokens], "lens_path")
    near(table["prob"], logits.softmax(-1)[:, tokens], "lens_path")
    rank = (logits[:, None] > logits[:, tokens][..., None]).sum(-1)
    assert table["rank"].values.tolist() == rank.tolist()
    view = ask(case, lw.LogitLensView, "path", prompt=0, query_pos=None, pins=tokens, incl_mid=True)
    near(view["current_prob"], logits.softmax(-1)[:, tokens].T, "logit_lens/path")
    before = _logits(case, clean, stages)[:, -1].softmax(-1)
    near(view["baseline_prob"], before[:, tokens].T, "logit_lens/path")
    assert np.asarray(view["current_rank"].values).tolist() == rank.T.tolist()
