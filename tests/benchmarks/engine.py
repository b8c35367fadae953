"""The engine's sweeps beside TransformerLens's own functions and hand-written hooked loops.

On a random model of GPT-2 small's shape: 8 prompts x 16 tokens, which is what the numbers in
activation-patching notebooks are made of. Each row is measured in the same run: first the engine,
then what a user would write otherwise; the floor is the sweep's own arithmetic over the machine's
measured matrix rate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformer_lens import ActivationCache, patching

import lens_widgets as lw
from lens_widgets.engine import current
from lens_widgets.engine.access import access_for
from lens_widgets.engine.cancel import Cancelled, CancelToken
from lens_widgets.engine.trace import Tracer
from tests.benchmarks.flops import (
    KEY_VALUE,
    N_HEAD,
    N_LAYER,
    QUERY,
    beginnings,
    matrix_rate,
    seconds,
    sweep_flops,
)
from tests.benchmarks.memory import peak_extra_mb, resident_mb
from tests.benchmarks.table import Table
from tests.models import hugging_face, word_tokenizer

N_PROMPTS, N_POS, D_VOCAB = 8, 16, 50257
CONFIG = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": D_VOCAB}
CHANGED = 5
"""The position at which the corrupted prompts have another token."""
SAMPLED = 144
"""Of the 2,304 cells of a map by head and position, how many TransformerLens is measured on."""
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Setting:
    """The model, a session on it, and what TransformerLens's functions need."""

    model: Any
    session: lw.Session
    metric: Callable[[Tensor], Tensor]


def make_model() -> Any:
    """A random model of GPT-2 small's shape."""
    torch.manual_seed(0)
    return hugging_face("GPT2Config", word_tokenizer(), **CONFIG).to(DEVICE)


def make_setting(model: Any, clean: Tensor, corrupted: Tensor) -> Setting:
    """A session with random answers, and the metric as activation-patching notebooks write it."""
    ids = torch.randint(2, D_VOCAB, (len(clean), 2), generator=torch.Generator().manual_seed(2))
    answers = [(int(a), int(b)) for a, b in ids]
    session = lw.Session(model, clean, answers=answers, corrupted=corrupted)
    ids = ids.to(DEVICE)

    def metric(logits: Tensor) -> Tensor:
        pair = logits[:, -1].gather(1, ids)
        return (pair[:, 0] - pair[:, 1]).mean()

    return Setting(model, session, metric)


def unrelated() -> tuple[Tensor, Tensor]:
    """Prompts with nothing in common; the corrupted ones differ in one token."""
    numbers = torch.Generator().manual_seed(1)
    clean = torch.randint(2, D_VOCAB, (N_PROMPTS, N_POS), generator=numbers)
    corrupted = clean.clone()
    corrupted[:, CHANGED] = torch.randint(2, D_VOCAB, (N_PROMPTS,), generator=numbers)
    return clean, corrupted


def indirect_objects() -> tuple[Tensor, Tensor]:
    """The eight prompts of the activation-patching demo, a number a word; neighbours swapped."""
    texts = [prompt.replace(",", " ,").split() for prompt in lw.prompts.IOI_PROMPTS]
    words = {word: number for number, word in enumerate(sorted({w for t in texts for w in t}), 1)}
    clean = torch.tensor([[0, *(100 * words[word] for word in text)] for text in texts])
    return clean, clean[[i ^ 1 for i in range(len(clean))]]


def hooked_ablation_loop(setting: Setting) -> None:
    """What a user writes: one hooked forward for every head."""
    model, tokens = setting.model, setting.session.tokens
    with torch.no_grad():
        for layer, head in product(range(N_LAYER), range(N_HEAD)):

            def ablate(z: Tensor, hook: object, head: int = head) -> Tensor:
                z[:, :, head] = 0.0
                return z

            hooks = [(f"blocks.{layer}.attn.hook_z", ablate)]
            setting.metric(model.run_with_hooks(tokens, fwd_hooks=hooks))


def patching_loop(setting: Setting, function: Callable[..., Any]) -> None:
    """One of TransformerLens's patching functions, as its demos call it."""
    model, prompts = setting.model, setting.session.prompt_set
    with torch.no_grad():
        _, cache = model.run_with_cache(prompts.tokens)
        function(model, prompts.corrupted_tokens, cache, setting.metric)


def some_cells_by_position(
    model: Any, tokens: Tensor, cache: ActivationCache, metric: Callable[[Tensor], Tensor]
) -> None:
    """``get_act_patch_attn_head_out_by_pos`` for a random sample of its cells."""
    cells = list(product(range(N_LAYER), range(N_POS), range(N_HEAD)))
    chosen = torch.randperm(len(cells), generator=torch.Generator().manual_seed(3))[:SAMPLED]
    frame = pd.DataFrame([cells[i] for i in chosen.tolist()], columns=["layer", "pos", "head"])
    patching.generic_activation_patch(
        model,
        tokens,
        cache,
        metric,
        patch_setter=patching.layer_pos_head_vector_patch_setter,
        activation_name="z",
        index_df=frame,
    )


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and the memory in MB that ``work`` takes, measured in one run of it."""
    taken: list[float] = []
    extra = peak_extra_mb(lambda: taken.append(seconds(work)))
    return taken[0], extra


def _always(count: int, _position: int) -> int:
    return count


def measure() -> Table:
    """All rows, on the GPU where there is one."""
    model, rate = make_model(), matrix_rate(DEVICE)
    plain = make_setting(model, *unrelated())
    ioi = make_setting(model, *indirect_objects())
    rows: list[tuple[str, ...]] = []

    def row(
        name: str, ours: Callable[[], object], flops: int, theirs: float | Callable[[], object]
    ) -> float:
        mine, extra = timed(ours)
        without = seconds(theirs) if callable(theirs) else theirs
        numbers = (without, mine, without / mine, flops / rate)
        rows.append((name, *(f"{value:.2f}" for value in numbers), f"{extra:.0f}"))
        return without

    heads = [(layer, 0, 0) for layer, _ in product(range(N_LAYER), range(N_HEAD))]
    theirs: float | Callable[[], object] = lambda: hooked_ablation_loop(plain)  # noqa: E731
    for setting, name in ((plain, "head ablation, 144 heads"), (ioi, "the same, IOI prompts")):
        tokens = setting.session.tokens.cpu()
        everywhere = beginnings(tokens)
        theirs = row(
            name,
            partial(lw.analysis.ablation_sweep, setting.session),
            sweep_flops(tokens, heads, partial(_always, everywhere)),
            theirs,
        )
    theirs = lambda: patching_loop(plain, patching.get_act_patch_resid_pre)  # noqa: E731
    for setting, name in (
        (plain, "resid_pre by position, 192 cells"),
        (ioi, "the same, IOI prompts"),
    ):
        tokens, first = _joint(setting), _first_change(setting)
        inside = (QUERY + KEY_VALUE) * N_PROMPTS
        cells = [(la, p, inside) for la in range(N_LAYER) for p in range(first, tokens.shape[1])]
        theirs = row(
            name,
            partial(lw.analysis.patch_sweep, setting.session, "resid_pre"),
            sweep_flops(tokens, cells, partial(beginnings, tokens)),
            theirs,
        )
    by_position = [(la, p, 0) for la, p in product(range(N_LAYER), range(CHANGED, N_POS))]
    last_block = [cell for cell in by_position if cell[0] < N_LAYER - 1 or cell[1] == N_POS - 1]
    sampled = seconds(lambda: patching_loop(plain, some_cells_by_position))
    row(
        "head output by position, 2,304 cells",
        lambda: lw.analysis.patch_sweep(plain.session, "z", by_pos=True),
        sweep_flops(_joint(plain), last_block * N_HEAD, lambda _: N_PROMPTS),
        sampled * N_LAYER * N_POS * N_HEAD / SAMPLED,
    )
    rows += _single_runs(plain)
    rows += _long_prompt(model)
    rows += _stops(plain)
    return Table(
        "Sweeps and toggles beside TransformerLens",
        ("GPT-2 small, 8 x 16", "without (s)", "lens_widgets (s)", "ratio", "floor (s)", "MB"),
        tuple(rows),
        notes=_notes(rate),
    )


def _notes(rate: float) -> str:
    where = "on the CPU; GPU: not measured"
    if DEVICE.type == "cuda":
        where = f"on {torch.cuda.get_device_name()}"
    return (
        f"Random weights, float32, {where}. Without: one hooked forward a head for ablation, "
        "TransformerLens's `patching` for the rest (by head and position measured on "
        f"{SAMPLED} of the 2,304 cells and scaled). Floor: the sweep's own arithmetic over this "
        f"run's matrix rate, {rate / 1e9:,.0f} GFLOP/s. MB: growth of memory at most. The "
        f"corrupted prompts differ from position {CHANGED} on, and the prompts have nothing in "
        "common; IOI prompts are the eight of TransformerLens's demo, neighbours swapped, of which "
        "many begin alike (the loops beside them cost the same, and were run once). What cannot "
        "differ, or begins alike, is not computed twice. What is above the floor, by torch's "
        "profiler on one core: 90 % of head ablation's time is in matrix products (IOI prompts "
        "83 %, resid_pre 81 and 77 %), which do not reach the best rate of one large product; the "
        "rest is activation functions, picking out and filling in what is computed, and the base "
        "and the corrupted run that a sweep starts from."
    )


def _joint(setting: Setting) -> Tensor:
    """Clean and corrupted tokens as one number each, which tell prompts apart together."""
    prompts = setting.session.prompt_set
    assert prompts.corrupted_tokens is not None
    return (prompts.tokens * (D_VOCAB + 1) + prompts.corrupted_tokens).cpu()


def _first_change(setting: Setting) -> int:
    prompts = setting.session.prompt_set
    assert prompts.corrupted_tokens is not None
    differs = (prompts.tokens != prompts.corrupted_tokens).any(dim=0)
    return int(differs.nonzero()[0, 0])


def _single_runs(setting: Setting) -> list[tuple[str, ...]]:
    """One toggle, averaged over all heads, and opening a session, beside a plain forward."""
    model, session = setting.model, setting.session
    with torch.no_grad():
        plain = seconds(lambda: model(session.tokens), 15)
        hugging_face = seconds(lambda: model.original_model(session.tokens), 15)
    heads = [lw.Ablate(f"L{layer}H{layer}") for layer in range(N_LAYER)]

    def toggle_each() -> None:
        for head in heads:
            session.metric_with((head,))

    toggle = seconds(toggle_each, 3) / len(heads)
    access = access_for(model)
    opening = seconds(lambda: Tracer(access, session.tokens, None, (), resumable=True), 15)

    def line(name: str, without: float, ours: float) -> tuple[str, ...]:
        return (name, f"{without:.3f}", f"{ours:.3f}", f"{without / ours:.2f}", "", "")

    return [
        line("one toggled head, mean of 12 layers, metric only; plain forward", plain, toggle),
        line("first run of a session; plain Hugging Face forward", hugging_face, opening),
    ]


def _long_prompt(model: Any) -> list[tuple[str, ...]]:
    """One prompt of 1,024 tokens within a memory budget, where all layers at once would not fit."""
    tokens = torch.randint(2, D_VOCAB, (1, 1024), generator=torch.Generator().manual_seed(4))
    session = lw.Session(model, tokens, answers=[(3, 4)])
    took, extra = timed(lambda: lw.analysis.ablation_sweep(session, over="attn", max_memory_gb=1.0))
    name = "attention ablation, 12 layers, at 1 x 1,024 tokens, budget 1 GB"
    return [(name, "", f"{took:.1f}", "", "", f"{extra:.0f}")]


def _stops(setting: Setting) -> list[tuple[str, ...]]:
    """From a stop, at five moments of the longest sweep, until the model is free again."""
    waits, before = [], resident_mb()
    for after_s in (0.3, 0.8, 1.5, 2.5, 4.0):
        token, stopped = CancelToken(), threading.Event()

        def work(token: CancelToken = token, stopped: threading.Event = stopped) -> None:
            try:
                with current.working(token, waits_for_cells=False):
                    lw.analysis.patch_sweep(setting.session, "v", by_pos=True)
            except Cancelled:
                stopped.set()

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(after_s)
        start = time.perf_counter()
        token.cancel()
        thread.join()
        waits.append(time.perf_counter() - start)
        assert stopped.is_set()
    grown = resident_mb() - before
    return [
        (
            "stop in mid-sweep until the model is free, worst of 5",
            "",
            f"{max(waits):.3f}",
            "",
            "",
            f"{grown:.0f}",
        )
    ]
