"""The engine's sweeps beside TransformerLens's own functions and hand-written hooked loops.

On a random model of GPT-2 small's shape: 8 prompts x 16 tokens, which is what the numbers in
activation-patching notebooks are made of. Each row is measured in the same run: first what a user
would write otherwise, then the engine; the floating-point floor is the sweep's own arithmetic over
the machine's measured matrix rate.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformer_lens import patching

import lens_widgets as lw
from lens_widgets.engine.execution import Execution
from lens_widgets.engine.handle import handle_for
from tests.benchmarks.table import Table
from tests.models import hugging_face, word_tokenizer

N_PROMPTS, N_POS = 8, 16
CONFIG = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257}


@dataclass(frozen=True)
class Setting:
    """The model, a session on it, and what TransformerLens's functions need."""

    model: object
    session: lw.Session
    metric: Callable[[Tensor], Tensor]


def make_setting() -> Setting:
    """A random GPT-2-small shape and random prompts, fixed by a seed."""
    torch.manual_seed(0)
    model = hugging_face("GPT2Config", word_tokenizer(), **CONFIG)
    clean = torch.randint(2, 50257, (N_PROMPTS, N_POS))
    corrupted = clean.clone()
    corrupted[:, 5] = torch.randint(2, 50257, (N_PROMPTS,))
    answers = [(int(a), int(b)) for a, b in torch.randint(2, 50257, (N_PROMPTS, 2))]
    session = lw.Session(model, clean, answers=answers, corrupted=corrupted)
    ids = torch.tensor(answers)

    def metric(logits: Tensor) -> Tensor:
        pair = logits[:, -1].gather(1, ids)
        return (pair[:, 0] - pair[:, 1]).mean()

    return Setting(model, session, metric)


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """The median of ``times`` runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def sgemm_flops() -> float:
    """Floating-point operations a second of a large float32 matrix product, best of several."""
    a, b = torch.randn(2048, 768), torch.randn(768, 3072)
    work = 2 * 2048 * 768 * 3072
    return max(work / seconds(lambda: a @ b) for _ in range(20))


def block_flops(n_layers: float, tokens: float) -> float:
    """Arithmetic of so many whole blocks over so many tokens: 24 d_model^2 a token."""
    return 24 * CONFIG["n_embd"] ** 2 * n_layers * tokens


def head_floor() -> float:
    """What a head ablation sweep must compute, in floating-point operations.

    Per variant: the output projection and the MLP of its own block (18 of 24 d^2), whole blocks
    after it, of the last one only queries, keys and values everywhere (6 of 24) and the rest at the
    position that is read; and one row of the unembedding a prompt.
    """
    tokens, d = N_PROMPTS * N_POS, CONFIG["n_embd"]
    total = 0.0
    for layer in range(CONFIG["n_layer"]):
        if layer == CONFIG["n_layer"] - 1:
            per_variant = block_flops(18 / 24, N_PROMPTS)
        else:
            between = CONFIG["n_layer"] - 2 - layer
            per_variant = block_flops(18 / 24 + between + 6 / 24, tokens)
            per_variant += block_flops(18 / 24, N_PROMPTS)
        per_variant += 2 * d * CONFIG["vocab_size"] * N_PROMPTS
        total += CONFIG["n_head"] * per_variant
    return total


def position_floor(n_cells: int, first: float) -> float:
    """The same for sweeps by position: a variant at position p computes positions from p on.

    ``n_cells`` variants a layer and position; ``first`` is the share of a block's work at its own
    block, at the changed positions.
    """
    d, n_layer = CONFIG["n_embd"], CONFIG["n_layer"]
    total = 0.0
    for layer in range(n_layer):
        for pos in range(N_POS):
            onward = N_PROMPTS * (N_POS - pos)
            if layer == n_layer - 1:
                cost = block_flops(18 / 24, N_PROMPTS) + block_flops(6 / 24, N_PROMPTS)
            else:
                cost = block_flops(first, onward)
                cost += block_flops(n_layer - 2 - layer + 6 / 24, onward)
                cost += block_flops(18 / 24, N_PROMPTS)
            total += n_cells * (cost + 2 * d * CONFIG["vocab_size"] * N_PROMPTS)
    return total


def hooked_ablation_loop(setting: Setting) -> None:
    """What a user writes: one hooked forward for every head."""
    model, tokens = setting.model, setting.session.tokens
    with torch.no_grad():
        for layer in range(CONFIG["n_layer"]):
            for head in range(CONFIG["n_head"]):

                def ablate(z: Tensor, hook: object, head: int = head) -> Tensor:
                    z[:, :, head] = 0.0
                    return z

                hooks = [(f"blocks.{layer}.attn.hook_z", ablate)]
                setting.metric(model.run_with_hooks(tokens, fwd_hooks=hooks))


def patching_loop(setting: Setting, function: Callable[..., Tensor]) -> None:
    """One of TransformerLens's patching functions, as its demos call it."""
    model, prompts = setting.model, setting.session.prompt_set
    with torch.no_grad():
        _, cache = model.run_with_cache(prompts.tokens)
        function(model, prompts.corrupted_tokens, cache, setting.metric)


def peak_extra_mb(work: Callable[[], object]) -> float:
    """Growth of the process's largest size while ``work`` runs, in MB."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measure() -> Table:
    """All rows, on this machine's CPU."""
    setting = make_setting()
    session, rate = setting.session, sgemm_flops()
    rows: list[tuple[str, ...]] = []

    def row(
        name: str,
        other: Callable[[], object],
        ours: Callable[[], object],
        flops: float,
    ) -> None:
        begun = time.perf_counter()
        extra = peak_extra_mb(ours)
        mine = time.perf_counter() - begun
        theirs = seconds(other)
        numbers = (theirs, mine, theirs / mine, flops / rate)
        rows.append((name, *(f"{value:.2f}" for value in numbers), f"{extra:.0f}"))

    sweep = lw.analysis.patch_sweep
    row(
        "head ablation, 144 heads",
        lambda: hooked_ablation_loop(setting),
        lambda: lw.analysis.ablation_sweep(session),
        head_floor(),
    )
    row(
        "resid_pre by position, 192 cells",
        lambda: patching_loop(setting, patching.get_act_patch_resid_pre),
        lambda: sweep(session, "resid_pre"),
        position_floor(1, 1.0),
    )
    rows += _single_runs(setting)
    return Table(
        "Sweeps and toggles beside TransformerLens",
        ("GPT-2 small, 8 x 16", "without (s)", "lens_widgets (s)", "ratio", "floor (s)", "MB"),
        tuple(rows),
        notes=(
            "Random weights. Without: one hooked forward a head for ablation, TransformerLens's "
            "`patching` for the rest. Floor: the sweep's own floating-point work over this run's "
            f"matrix rate, {rate / 1e9:.0f} GFLOP/s. MB: growth of the process's peak size. "
            "GPU: not measured."
        ),
    )


def _single_runs(setting: Setting) -> list[tuple[str, ...]]:
    """One toggle, averaged over all heads, and opening a session, beside a plain forward."""
    model, session = setting.model, setting.session
    with torch.no_grad():
        plain = seconds(lambda: model(session.tokens), 15)
        hugging_face = seconds(lambda: model.original_model(session.tokens), 15)
    heads = [lw.Ablate(f"L{layer}H{layer}") for layer in range(CONFIG["n_layer"])]

    def toggle_each() -> None:
        for head in heads:
            session.metric_with((head,))

    toggle = seconds(toggle_each, 3) / len(heads)
    handle = handle_for(model)
    opening = seconds(lambda: Execution(handle, session.tokens, None, ()), 15)

    def line(name: str, without: float, ours: float) -> tuple[str, ...]:
        return (name, f"{without:.3f}", f"{ours:.3f}", f"{without / ours:.1f}", "", "")

    return [
        line("one toggled head, mean of 12 layers, metric only; plain forward", plain, toggle),
        line("first run of a session; plain Hugging Face forward", hugging_face, opening),
    ]
