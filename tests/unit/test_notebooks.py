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
assert bool((session.baseline > 0).all())

mover = divmod(int(direct.values.argmax()), direct.sizes["head"])
for prompt, (tokens, (receiver, _)) in enumerate(zip(session.tokens, session.answer_tokens)):
    row = session.run(()).pattern(mover[0])[prompt, mover[1], -1]
    assert int(tokens[row.argmax()]) == int(receiver), "the name mover looks at the receiver"

assert abs(float(direct[layer, head])) < 0.1 * abs(float(effect.min()))
off = session.with_interventions([lw.Ablate(crucial)])
assert bool((off.current < 0).any()), "the model goes wrong without it"
for other in range(model.cfg.n_layers):
    moved = (off.run().pattern(other) - off.run(()).pattern(other)).abs().max()
    assert (float(moved) > 0.1) == (other > layer), other

scope = {"model": model, "tokens": session.tokens}
exec(code, scope)
torch.testing.assert_close(scope["logits"], off.run().logits)
assert "lens_widgets" not in code
assert len(session.interventions) == 0
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(path, as_version=4)
    if path.stem == "01_quickstart":
        notebook.cells.append(nbformat.v4.new_code_cell(QUICKSTART_IS_TRUE))
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
