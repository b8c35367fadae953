"""The example notebooks run, say what is true, and carry nothing of the machine that made them."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "example_notebooks").glob("*.ipynb"))

# What the quickstart's sentences say of the demo model, asked of the model once more.
QUICKSTART_IS_TRUE = """
assert (layer, head) == (1, 4)
assert abs(float(direct[1, 4])) < 0.15 * abs(float(effect[1, 4]))
assert bool((session.baseline > 0).all())

clean, off = session.run(()), session.run([lw.Ablate("L1H4")])
for prompt, tokens in enumerate(session.tokens.tolist()):
    receiver, giver = session.answer_tokens[prompt].tolist()
    first, second = (i for i, token in enumerate(tokens) if token == giver)
    row = clean.pattern(1)[prompt, 4, -1]
    assert int(row.argmax()) == second and float(row[second]) > 0.9
    moved = (off.pattern(2) - clean.pattern(2))[prompt, 6, -1]
    assert float(moved[first]) > 0.1 and float(moved[tokens.index(receiver)]) < -0.04
assert float(off.metric.mean()) < 0

before = lw.analysis.attribution(session, by="component")
assert 0.4 < float(before.sel(component="L2.mlp")) / before.attrs["total"] < 0.6
assert float(lw.analysis.attribution(without, by="component").sel(component="L2.mlp")) < 0

scope = {"model": model, "tokens": session.tokens}
exec(code, scope)
torch.testing.assert_close(scope["logits"], off.logits)
assert "lens_widgets" not in code
assert (session.selection.layer, session.selection.head) == (1, 4)
assert (without.selection.layer, without.selection.head) == (2, 6)
"""

# What the notebook on attribution says of the demo model.
ATTRIBUTION_IS_TRUE = """
stages = [str(stage) for stage in ranks["stage"].values]
assert bool((ranks.sel(stage="final_post") == 0).all())
assert int((ranks.sel(stage="3_pre") == 0).sum()) >= 7
assert int((ranks.sel(stage=stages[:6]) == 0).sum()) == 0
tops = table["text"].isel(k=0, pos=0).sel(stage=["0_pre", "0_mid", "1_pre", "1_mid", "2_pre"])
assert set(tops.values.ravel()) == {"·to", "·them"}
assert abs(accumulated.attrs["total"] - float(session.baseline.mean())) < 1e-4
assert 0.4 < share < 0.6
assert (layer, head) == (1, 4)
assert 0.08 < float(by_head[1, 4]) / accumulated.attrs["total"] < 0.17

ranks_then = lw.analysis.logit_lens(without, k=1, positions=[last])["rank"].isel(pos=0)
later = stages[stages.index("2_pre"):]
assert bool((ranks_then.mean("prompt") > ranks.mean("prompt")).sel(stage=later).all())
assert fallen.attrs["total"] < 0
assert steps.to_series().idxmin() == "3_pre"
"""

# What the notebook on induction says of the demo model.
INDUCTION_IS_TRUE = """
assert (writer, reader) == ((0, 4), (1, 5))
assert float(previous[writer]) > 0.95 and float(induction[reader]) > 0.85
assert first > 6.5 and second < 0.5
with torch.no_grad():
    nats = model.loss_fn(model(session.tokens), session.tokens, per_token=True)
assert abs(float(nats[:, :50].mean()) - first) < 1e-3
assert abs(float(nats[:, 50:].mean()) - second) < 1e-3
named = {(l, h) for l in (0, 1) for h in range(8) if float(induction[l, h]) >= 0.4}
assert named == {(1, 2), (1, 5)}
assert {(l, h) for l in (0, 1) for h in range(8) if float(previous[l, h]) >= 0.4} == {(0, 4)}
assert float(effect[writer]) > 2.5 and float(effect[reader]) > 0.8
largest = sorted(effect.values.ravel())[-3:]
assert min(largest) == min(float(effect[0, 4]), float(effect[1, 2]), float(effect[1, 5]))
assert float(blinded[reader]) < 0.1 and float(blinded[1, 2]) < 0.1
assert int(keys.values.argmax()) == writer[1]
assert float(keys.max()) > 4 * float(keys.drop_sel(src_head=writer[1]).max())
assert int(session.tokens[0, query]) == int(session.tokens[0, key - 1])
assert match > 0.7 * float(pair.sum()) > 0
each = [lw.analysis.copy_accuracy(session, f"L{layer}H{head}") for layer, head in (reader, writer)]
assert copied == each[0] == 1 and each[1] < 0.01
"""

# What the notebook on patching says of both demo models.
PATCHING_IS_TRUE = """
at = stream.sel(pos=10)
assert abs(corrupted + clean) < 1e-4 and clean > 0
assert float(at[0]) > 0.99 and float(at[1]) > 0.9 and abs(float(at[2])) < 0.1
end = stream.sel(pos=last)
assert bool((end[2:] > 0.95).all()) and bool((end[:2] < 0.05).all())
assert moved.argmax(...)["layer"] == 1 and moved.argmax(...)["pos"] == last
assert (layer, head) == (1, 4)
assert float(maps["z"][1, 4]) > 0.95 and float(maps["v"][1, 4]) > 0.95
assert all(abs(float(maps[node][1, 4])) < 0.02 for node in ("q", "k", "pattern"))
assert float(maps["q"][2, 6]) > 0.15 and float(maps["pattern"][2, 6]) > 0.15
assert float(maps["v"][2, 6]) < 0
for prompt, tokens in enumerate(session.tokens.tolist()):
    giver = session.answer_tokens[prompt, 1]
    assert tokens[10] == int(giver)
    for run in (session.run(()), session.corrupted_run()):
        assert int(run.pattern(1)[prompt, 4, -1].argmax()) == 10
after = session.run([lw.Patch("L1H4")]).metric
assert float(after.mean()) == float(patched_in.current.mean()) < -0.9 * clean

chance = float(sessions["BC"].corrupted_run().metric.mean())
assert -7 < chance < -6.5
works = {"AB": {"z", "q", "pattern"}, "BB": {"z", "v"}, "BA": {"z"}, "BC": {"z"}}
for halves, of in patched.items():
    low = max(chance, of["z"].attrs["corrupted"])
    assert -0.6 < of["z"].attrs["clean"] < -0.4
    best = {node: float(x.sel(layer=1).max()) for node, x in of.items()}
    assert {node for node, value in best.items() if value > low + 1} == works[halves]
    assert all(float(x.max()) < low + 0.1 for node, x in of.items() if node not in works[halves])
"""

# What the notebook on a real model says, beside what its own cells assert.
REAL_MODEL_IS_TRUE = """
held = float(change[29, 0]) + float(change[24, 4])
assert 0.9 < held < 1.2 and 0.4 < held / float(direct[23, 3]) < 0.5
assert lost < -float(direct[23, 3]) and float(change[29, 1]) < -0.5
assert all(float(receiver_logit[23, h]) > float(giver_logit[23, h]) > 0 for h in (0, 1, 2, 7))
assert float(direct.sel(layer=[29, 24]).min()) == float(direct[29, 0])
against = session.run().pattern(24)[:, 4, last]
assert sum(float(row[at]) for row, at in zip(against, receivers)) / 8 > 0.5
assert float(giver_logit[24, 4]) < 0 and float(receiver_logit[24, 4]) < -0.5
assert (session.selection.layer, session.selection.head) == (23, 3)
assert (feeders.selection.layer, feeders.selection.head) == (17, 4)
looks = [int(row.argmax()) for row in session.run().pattern(17)[:, 4, 10]]
after_first = [words.index(words[10]) + 1 for words in session.str_tokens]
assert sum(a == b for a, b in zip(looks, after_first)) == 7

import contextlib, io, json
with contextlib.redirect_stdout(io.StringIO()) as printed:
    exec(script, {})
values = json.loads(printed.getvalue().removeprefix("logit difference (logits) "))
torch = __import__("torch")
torch.testing.assert_close(torch.tensor(values), without.current, atol=1e-3, rtol=1e-4)
"""

# What the notebook on circuits says, beside what its own cells assert.
CIRCUITS_ARE_TRUE = """
assert 0.92 < float(kept) < 0.945 and len(circuit) == 7
assert session.stream.graph.n_edges == 257 and ioi.stream.graph.n_edges == 70_651
assert set(strongest(slope, 2)) == {"L1H2 -> logits", "L1H5 -> logits"}
pattern = session.run(cuts).pattern(1)[:, [2, 5], 26:]
found = session.run(()).pattern(1)[:, [2, 5], 26:]
assert float(pattern.max(-1).values.mean()) < float(found.max(-1).values.mean())

scope = {"model": smollm2, "tokens": ioi.tokens}
exec(script, scope)
torch = __import__("torch")
torch.testing.assert_close(scope["logits"], ioi.run(told).logits, atol=1e-3, rtol=1e-3)
"""

SAID = {
    "01_quickstart": QUICKSTART_IS_TRUE,
    "02_ioi_attribution": ATTRIBUTION_IS_TRUE,
    "03_activation_patching": PATCHING_IS_TRUE,
    "04_induction_circuits": INDUCTION_IS_TRUE,
    "05_real_model": REAL_MODEL_IS_TRUE,
    "06_circuits": CIRCUITS_ARE_TRUE,
}


# Before the first cell: what every view was about when its cell ended, which is when its text was
# written for it.
WATCHED = """
from lens_widgets.views.base import View as _View

_shown = []


def _state(view):
    session = view._session
    return (
        session.prompts_revision,
        [(entry.key, entry.enabled) for entry in session.interventions.entries],
        session.settings.as_dict(),
        {name: getattr(view, name) for name in type(view).option_names()},
    )


def _after(result):
    if isinstance(result.result, _View):
        _shown.append((result.info.raw_cell, result.result, _state(result.result)))


get_ipython().events.register("post_run_cell", _after)
"""

# After the last: the view on screen is still about that, so what is said beside it is true of it.
STILL_TRUE = """
assert _shown
for _cell, _view, _then in _shown:
    assert _state(_view) == _then, _cell
"""


# The one on a real model takes two minutes on two cores of its own.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(path, as_version=4)
    code = nbformat.v4.new_code_cell
    notebook.cells.insert(0, code(WATCHED))
    notebook.cells += [code(STILL_TRUE), code(SAID[path.stem])]
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    complaints = [o.text for o in outputs if o.get("name") == "stderr"]
    assert complaints == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert "widgets" not in notebook.metadata
