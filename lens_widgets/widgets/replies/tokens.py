"""Replies about the prompts' tokens and what is predicted at them."""

from __future__ import annotations

from typing import Any

import torch

from lens_widgets.analysis.tokens import bos
from lens_widgets.analysis.tokens import tokens as analysis
from lens_widgets.analysis.tokens.bos import has_bos
from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, summary
from lens_widgets.wire.arrays import exact, integers


def token_info(session: Session, token: int) -> dict[str, Any]:
    return {"id": token, "text": token_text(session.model.tokenizer, token)}


def tokens(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The tokens of one prompt, and what the editor starts from."""
    prompts = session.prompt_set
    prompt = check_prompt(session, args["prompt"])
    ids = prompts.tokens[prompt, : int(prompts.lengths[prompt])].tolist()
    pair = None if prompts.answer_tokens is None else prompts.answer_tokens[prompt].tolist()
    corrupted = prompts.corrupted_texts
    return {
        "summary": summary(session),
        "prompt": prompt,
        "n_prompts": prompts.n_prompts,
        "text": prompts.texts[prompt],
        "correct": "" if pair is None else _verbatim(session, pair[0]),
        "wrong": "" if pair is None else _verbatim(session, pair[1]),
        "corrupted": None if corrupted is None else corrupted[prompt],
        "tokens": [token_info(session, i) for i in ids],
        "answer": None
        if pair is None
        else {"correct": token_info(session, pair[0]), "wrong": token_info(session, pair[1])},
        "bos": has_bos(session, prompt),
    }


def _verbatim(session: Session, token: int) -> str:
    tokenizer = session.model.tokenizer
    return str(token) if tokenizer is None else str(tokenizer.decode([token]))


def token_stats(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Loss, probability, rank and top predictions at every token of one prompt."""
    shown = tokens(session, args)
    prompt, length = shown["prompt"], len(shown["tokens"])
    run, clean = session.run(), session.run(())
    stats = analysis.token_stats(session, run, prompt)
    before = analysis.token_stats(session, clean, prompt)
    hits, baseline_hits = (analysis.first_ranked(session, each).sum() for each in (run, clean))
    return {
        "summary": shown["summary"],
        "prompt": prompt,
        "tokens": shown,
        "loss": exact(run.loss_per_token[prompt, :length]),
        "baseline_loss": exact(clean.loss_per_token[prompt, :length]),
        "prob": exact(stats.prob),
        "rank": integers(stats.rank),
        "baseline_rank": integers(before.rank),
        "accuracy": {
            "hits": int(hits),
            "baseline_hits": int(baseline_hits),
            "tokens": int(session.positions.sum()),
        },
        "top_probs": exact(stats.top_probs),
        "top_tokens": [[token_info(session, i) for i in row] for row in stats.top_tokens.tolist()],
    }


def compare_bos(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """One prompt tokenized with and without BOS, and what is predicted in each."""
    prompt = check_prompt(session, args["prompt"])
    table = bos.compare_bos(session, prompt)
    return {
        "summary": summary(session),
        "prompt": prompt,
        "tokens": [token_info(session, int(i)) for i in table["token_id"].values[0]],
        "own": table.attrs["session"],
        "loss": exact(torch.from_numpy(table["loss"].values)),
        "rank": integers(torch.from_numpy(table["rank"].values)),
    }
