"""The data view in a real JupyterLab: a row opens its prompt everywhere, a button takes it back."""

from __future__ import annotations

import pytest

from tests.frontends.conftest import Show

STORED = """
import tempfile
from pathlib import Path
from tests.stores import dataset, sentences, write
found = dataset(40, model.cfg.n_layers, model.cfg.n_heads, 6, sentences(40))
path = write(Path(tempfile.mkdtemp()) / "run", found)
texts, _, pairs = sentences(40)
first = ("When John and Mary went to the shops, John gave the bag to", (" Mary", " John"))
session = lw.Session(model, [first[0]], answers=[first[1]])
def direct(text, pair):
    '''The logit difference of a plain forward.'''
    with torch.no_grad():
        last = model(model.to_tokens(text))[0, -1]
    right, wrong = (model.to_single_token(answer) for answer in pair)
    return float(last[right] - last[wrong])
"""
VIEWS = """
view = lw.DataView(session, path=path, sort_by="record", descending=False)
from IPython.display import display
display(view, lw.AttributionTable(session))
"""


def test_a_row_opens_its_prompt_everywhere_and_undo_takes_it_back(show: Show) -> None:
    screen = show(STORED, VIEWS)
    kernel, data = screen.kernel, screen.view("data")
    before = kernel.value("direct(*first)")
    assert screen.metric()["current"] == pytest.approx(before, abs=1e-4)
    data.locator('[data-record="6"] [data-column="value"]').click()
    screen.wait_idle(1)
    data.locator('[data-record="6"][aria-selected="true"]').wait_for()
    opened = kernel.value("direct(texts[3], pairs[3])")
    assert opened != pytest.approx(before, abs=1e-3)
    metrics = screen.scope.locator("[data-lw-metric]")
    for at in range(metrics.count()):
        assert float(metrics.nth(at).get_attribute("data-current") or "nan") == pytest.approx(
            opened, abs=1e-4
        )
    assert kernel.value("session.interventions.undoes") == "the opening of record 6"
    data.locator('button[aria-label="former prompts"]').click()
    screen.wait_idle(2)
    assert screen.metric()["current"] == pytest.approx(before, abs=1e-4)
    assert data.locator('[aria-selected="true"][data-record]').count() == 0
    assert kernel.value("session.prompt_set.texts[0] == first[0]")
    assert data.locator('button[aria-label="former prompts"]').count() == 0


def test_it_follows_a_head_that_the_kernel_selects(show: Show) -> None:
    screen = show(STORED, VIEWS)
    screen.kernel.run("session.selection.update(layer=1, head=2)")
    data = screen.view("data")
    data.get_by_role("searchbox", name="cell").and_(
        data.locator("input.lw-data-cell-name")
    ).wait_for()
    screen.page.wait_for_function(
        "() => document.querySelector('input.lw-data-cell-name').value === 'L1H2'"
    )
    screen.wait_idle()
    shown = data.locator("[data-record]").evaluate_all(
        "rows => rows.map(row => Number(row.querySelector('[data-column=value]').dataset.value))"
    )
    expected = screen.kernel.value("found['ablation'][:20, 1, 2].values.tolist()")
    assert shown == pytest.approx(expected, rel=1e-6)
    assert screen.kernel.value("view.data().attrs['cell']") == "L1H2"
