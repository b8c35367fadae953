"""Numbers and times of the engine on a GPU: what ``gpu.sh`` runs.

    python -m tests.benchmarks.gpu [--dry]

First every function of ``lw.analysis`` is asked of a model on the CPU and of the same model on the
device, and the answers are compared. Then come the engine's benchmark at GPT-2 small's shape and
the same sweeps at SmolLM2's. Weights are random, as the script has to travel without any. With
``--dry`` the device is the CPU and the shapes are small: that shows that the script runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.benchmarks import engine
from tests.benchmarks.flops import seconds
from tests.benchmarks.table import Table
from tests.models import fresh, hugging_face, word_tokenizer
from tests.unit.every_question import of_analysis, session_of

MODELS = ("gpt2", "llama", "gemma2", "neox")
TOLERANCE = 1e-3
"""Of the largest entry of an answer: float32 sums in other orders, through whole models."""

SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
SMALL = SMOLLM2 | {"num_hidden_layers": 2, "vocab_size": 500}
N_PROMPTS, N_POS = 8, 16


def arrays(answer: Any) -> Iterator[tuple[str, Any]]:
    """The numbers of an answer, by name."""
    if isinstance(answer, xr.Dataset):
        for name, variable in answer.data_vars.items():
            yield str(name), variable.values
    elif isinstance(answer, xr.DataArray):
        yield "", answer.values
    elif isinstance(answer, torch.Tensor):
        yield "", answer.detach().cpu().numpy()


def difference(here: Any, there: Any) -> float:
    """The largest difference of two answers, as a share of the largest entry."""
    worst = 0.0
    for (_, mine), (_, its) in zip(arrays(here), arrays(there), strict=True):
        if mine.dtype.kind != "f" or not mine.size:
            continue
        size = np.nanmax(np.abs(mine), initial=1e-6)
        worst = max(worst, float(np.nanmax(np.abs(mine - its), initial=0.0) / size))
        assert np.array_equal(np.isnan(mine), np.isnan(its))
    return worst


def compare(name: str, device: torch.device) -> list[str]:
    """What differs between the CPU and the device, of all that a model can be asked."""
    here, there = session_of(fresh(name)), session_of(fresh(name).to(device))
    wrong, asked = [], 0
    others = dict(of_analysis(there))
    for what, ask in of_analysis(here):
        try:
            expected = ask()
        except InputError:
            continue
        found = difference(expected, others[what]())
        asked += 1
        if not found <= TOLERANCE:
            wrong.append(f"{name}, {what}: {found:.1e}")
    print(f"{name}: {asked} answers of {device} beside the CPU, {len(wrong)} differ", flush=True)
    return wrong


def sweeps(shape: dict[str, Any], device: torch.device) -> Table:
    """Sweeps at SmolLM2's shape beside one hooked forward a head."""
    torch.manual_seed(0)
    model = hugging_face("LlamaConfig", word_tokenizer(), **shape).to(device)
    numbers, words = torch.Generator().manual_seed(1), shape["vocab_size"]
    clean = torch.randint(2, words, (N_PROMPTS, N_POS), generator=numbers)
    corrupted = clean.clone()
    corrupted[:, 5] = torch.randint(2, words, (N_PROMPTS,), generator=numbers)
    answers = [(int(a), int(b)) for a, b in torch.randint(2, words, (N_PROMPTS, 2))]
    tokens, n_heads = clean.to(device), shape["num_attention_heads"]
    layers = range(shape["num_hidden_layers"])

    def loop() -> None:
        def ablate(z: torch.Tensor, hook: object, head: int) -> torch.Tensor:
            z[:, :, head] = 0.0
            return z

        with torch.no_grad():
            for layer, head in product(layers, range(n_heads)):
                hook = (f"blocks.{layer}.attn.hook_z", partial(ablate, head=head))
                model.run_with_hooks(tokens, fwd_hooks=[hook])

    def row(name: str, work: Callable[[lw.Session], object], without: str = "") -> tuple[str, ...]:
        taken = 0.0
        # The first of a kind also loads its kernels, and a session keeps what it knows.
        for _ in range(2):
            session = lw.Session(model, clean, answers=answers, corrupted=corrupted)
            session.run()
            taken = seconds(partial(work, session))
        return (name, without, f"{taken:.3f}")

    def toggled(session: lw.Session) -> None:
        session.metric_with((lw.Ablate(f"L{len(layers) // 2}H0"),))

    def opened(_: lw.Session) -> None:
        lw.Session(model, clean, answers=answers).run()

    loop()
    rows = (
        row("all heads", lw.analysis.ablation_sweep, f"{seconds(loop):.3f}"),
        row("resid_pre by position", lambda own: lw.analysis.patch_sweep(own, "resid_pre")),
        row("one toggled head", toggled),
        row("opening a session", opened),
        row("plain forward", lambda _: model(tokens)),
    )
    columns = (f"{len(layers)} x {n_heads} heads, {N_PROMPTS} x {N_POS}", "without (s)", "s")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "the CPU"
    notes = f"Random weights, float32, on {name}. Without: one hooked forward a head."
    return Table("Sweeps at SmolLM2's shape", columns, rows, notes)


def main(dry: bool) -> None:
    """Prints everything; ends with 1 where a number differs."""
    if not dry and not torch.cuda.is_available():
        sys.exit("torch finds no GPU here. --dry tries the script on the CPU.")
    device = torch.device("cpu" if dry else "cuda")
    # TF32 would round what is compared.
    torch.backends.cuda.matmul.allow_tf32 = False
    start = time.perf_counter()
    wrong = [line for name in MODELS[: 1 if dry else None] for line in compare(name, device)]
    print(*wrong, sep="\n", flush=True)
    print(sweeps(SMALL if dry else SMOLLM2, device).markdown(), flush=True)
    if not dry:
        print(engine.measure().markdown(), flush=True)
    print(f"{time.perf_counter() - start:.0f} s in all")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main("--dry" in sys.argv[1:])
