"""Faults that need no browser: a changed model, a full memory, many views, very many clicks."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.errors import InputError
from lens_widgets.views.registry import package_views
from tests.models import fresh, tensor_bytes, tiny, traces
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, ROWS
from tests.unit.page import Page
from tests.unit.waiting import wait_until

ROOT = Path(__file__).parents[2]


def _session(model: Any) -> lw.Session:
    return lw.Session(model, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


CHANGES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], str, str]] = {
    "cast": (
        lambda model: model.to(torch.float64),
        lambda model: model.to(torch.float32),
        "dtype went from float32 to float64",
        "ModelChangedError",
    ),
    "trained": (
        lambda model: model.train(),
        lambda model: model.eval(),
        "training mode",
        "TrainingModeError",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_is_refused_by_every_view_and_welcome_when_it_is_back(name: str) -> None:
    change, back, said, kind = CHANGES[name]
    model = fresh("gpt2")
    session = _session(model)
    page, before = Page(session), session.baseline.tolist()
    pristine = traces(model)
    _cell(lambda: change(model))
    page.ablate("L0H1")
    error = page.error("attribution/rows", **ROWS)
    assert error["type"] == kind
    assert said in error["message"]
    assert error["hint"]
    with pytest.raises(InputError, match=said):
        _ = session.current
    with pytest.raises(InputError, match=said):
        session.set_prompts(PROMPTS, answers=ANSWERS)
    assert session.baseline.tolist() == before, "what was computed before stays true"
    assert traces(model) == pristine
    _cell(lambda: back(model))
    plain = _session(fresh("gpt2"))
    plain.interventions.toggle("L0H1")
    torch.testing.assert_close(session.current, plain.current)
    assert page.dataset("attribution/rows", **ROWS)


def test_a_new_session_on_a_cast_model_has_its_numbers() -> None:
    model = fresh("gpt2")
    old = _session(model)
    model.to(torch.float64)
    new = _session(model)
    assert new.facts.dtype == "float64"
    torch.testing.assert_close(new.baseline.float(), old.baseline)
    with pytest.raises(InputError, match="dtype"):
        old.run([lw.Ablate("L1H1")])
    new.run([lw.Ablate("L1H1")])


def test_a_moved_model_is_refused() -> None:
    model = fresh("gpt2")
    session = _session(model)
    model.to("meta")
    with pytest.raises(InputError, match="device went from cpu to meta"):
        session.run([lw.Ablate("L1H1")])


def _scaled(model: Any) -> None:
    with torch.no_grad():
        model.blocks[1].attn.o.weight.mul_(1.5)


def _scaled_unseen(model: Any) -> None:
    # torch does not count what is written through .data.
    model.blocks[1].attn.o.weight.data.mul_(1.5)


def _rounded(model: Any) -> None:
    model.to(torch.bfloat16)
    model.to(torch.float32)


def _cell(work: Callable[[], Any]) -> None:
    CELL_PAUSE.begin()
    work()
    CELL_PAUSE.end()


@pytest.mark.parametrize("write", [_scaled, _scaled_unseen, _rounded])
@pytest.mark.parametrize("name", ["gpt2", "attn_only"])
def test_written_weights_are_noticed_and_refresh_computes_with_them(name: str, write: Any) -> None:
    model = fresh(name)
    session = _session(model)
    session.interventions.toggle("L0H1")
    page, before = Page(session), session.current.tolist()
    page.dataset("attribution/rows", **ROWS)
    _cell(lambda: write(model))
    error = page.error("attribution/rows", **ROWS)
    assert "weights were changed" in error["message"]
    assert "session.refresh()" in error["hint"]
    with pytest.raises(InputError, match="weights were changed"):
        _ = session.baseline
    revision = session.revision
    session.refresh()
    assert session.revision == revision + 1
    new = _session(model).run([lw.Ablate("L0H1")]).metric
    torch.testing.assert_close(session.current, new)
    assert session.current.tolist() != before
    assert page.dataset("attribution/rows", **ROWS)


def test_refresh_takes_a_cast_model_over_and_tells_the_views() -> None:
    model = fresh("gpt2")
    session = _session(model)
    view, before = lw.AttentionView(session), session.baseline.float()
    model.to(torch.float64)
    session.refresh()
    assert session.run().logits.dtype == torch.float64
    torch.testing.assert_close(session.baseline.float(), before)
    assert view.info["dtype"] == "float64"
    model.train()
    with pytest.raises(InputError, match="training mode"):
        session.refresh()
    assert session.facts.dtype == "float64"


def test_a_model_that_was_deleted_lives_as_long_as_its_session_and_no_longer() -> None:
    model = fresh("gpt2")
    session = _session(model)
    views: list[Any] = [view(session) for view in package_views().values()]
    gone = weakref.ref(model)
    del model
    gc.collect()
    session.interventions.toggle("L0H1")
    assert session.current.isfinite().all(), "the session keeps its model"
    for view in views:
        view.close()
    session.close()
    del session, view, views
    gc.collect()
    assert gone() is None, "nothing of ours keeps a model"


OUT_OF_MEMORY = """
import gc
import resource
import torch
torch.set_num_threads(1)
import lens_widgets as lw
from tests.models import hugging_face, traces, word_tokenizer
from tests.unit.cases import ROWS
from tests.unit.page import Page
from tests.unit.waiting import wait_until

model = hugging_face(
    "GPT2Config", word_tokenizer(), n_layer=4, n_head=4, n_embd=256, n_positions=512
)
tokens = torch.randint(4, 60, (2, 400), generator=torch.Generator().manual_seed(0))
session = lw.Session(model, tokens, answers=[(30, 31)])
page, pristine = Page(session), traces(model)

def size():
    return int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()

def limit(room):
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.getrlimit(resource.RLIMIT_AS)[1]))

errors = 0
for number in range(3):
    # The worker's thread and its arenas are there before the memory is taken away, and it holds
    # nothing of the request before.
    page.dataset("session/tokens", prompt=0)
    gc.collect()
    limit(size() + 1_000_000)
    page.ablate(f"L0H{number}")
    sent = page.send("attribution/rows", **ROWS)
    answer = page.answer(sent)
    limit(resource.RLIM_INFINITY)
    assert answer["kind"] == "error", (number, answer["kind"])
    assert "memory" in answer["error"]["message"].lower(), answer
    assert answer["error"]["hint"], answer
    assert traces(model) == pristine
    errors += 1
    # With memory again everything is as if nothing had been.
    page.dataset("attribution/rows", **ROWS)
    metric = page.dataset("session/metric").attrs
    twin = session.with_interventions(list(session.interventions))
    assert abs(metric["current"] - float(twin.current.mean())) < 1e-5
    assert traces(model) == pristine
print("errors", errors)
"""


def test_a_full_memory_is_an_error_that_says_what_to_do_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY],
        cwd=ROOT,
        # What a tensor took is given back as it goes, and no thread has room in reserve.
        env={
            **os.environ,
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "MALLOC_ARENA_MAX": "1",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("errors 3")


def test_closed_views_and_sessions_leave_the_memory_that_the_model_takes() -> None:
    model = fresh("gpt2")
    before, own = tensor_bytes(), sum(4 * p.numel() for p in model.parameters())
    session = _session(model)
    page = Page(session)
    page.dataset("attribution/rows", **ROWS)
    lw.analysis.ablation_sweep(session)
    page.ablate("L0H1")
    page.dataset("ablation/predictions", prompt=0)
    assert tensor_bytes() > before + 0.05 * own
    page.dispatcher.close()
    session.close()
    del page, session
    # The worker lets go of its last job a moment after it has answered.
    wait_until(lambda: tensor_bytes() <= before)


def test_fifty_views_follow_one_session_and_leave_no_trace(session: lw.Session) -> None:
    def watched() -> int:
        told = [session, session.selection]
        return sum(len(group) for owner in told for group in _notifiers(owner))

    before = watched()
    kinds: list[Any] = list(package_views().values())
    views = [kinds[i % len(kinds)](session) for i in range(50)]
    session.interventions.toggle("L0H1")
    session.selection.update(layer=1, head=2)
    for view in views:
        assert view.state["interventions"][0]["label"] == "L0H1"
        assert (view.selection["layer"], view.selection["head"]) == (1, 2)
        view.close()
    assert watched() == before


def _notifiers(owner: Any) -> list[Any]:
    return [
        handlers for by_type in owner._trait_notifiers.values() for handlers in by_type.values()
    ]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_ten_thousand_changes_leave_memory_as_it_was() -> None:
    session = _session(tiny("gpt2"))
    page = Page(session)
    parts = [f"L{layer}H{head}" for layer in range(2) for head in range(4)]

    def click(count: int) -> None:
        for number in range(count):
            page.ablate(parts[number % len(parts)], on=number // len(parts) % 2 == 0)
            if number % 100 == 99:
                page.dataset("attribution/rows", **ROWS)
            page.messages.clear()
            page.buffers.clear()
        gc.collect()

    click(2_000)
    before = _resident_bytes()
    click(10_000)
    assert _resident_bytes() < 1.05 * before
    assert session.revision == 12_000
    assert len(session.interventions) == 0
