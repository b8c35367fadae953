"""The card in JupyterLab: every matrix on screen is the model's own."""

from __future__ import annotations

from .conftest import IOI, SESSION, Show

COUNT = "type(model.original_model)(model.original_model.config).num_parameters()"
"""Of a new model of the same configuration, before TransformerLens wraps it."""


def test_every_matrix_on_screen_has_the_shape_its_code_reads(show: Show) -> None:
    screen = show(IOI, SESSION, "lw.ModelCard(session)")
    card = screen.view("model_card")
    rows = card.locator('[role="row"][data-group]').evaluate_all(
        """rows => rows.map(row => [
            row.querySelector('[data-column="shape"]').dataset.value,
            row.querySelector('span[title^="model"]').title,
            Number(row.querySelector('[data-column="parameters"]').dataset.value),
        ])"""
    )
    assert len(rows) > 10
    for shape, code, _count in rows:
        assert screen.kernel.value(f'" x ".join(map(str, {code}.shape))') == shape
    total = card.locator('[data-component="total"] [data-column="parameters"]')
    told = int(total.get_attribute("data-value") or -1)
    assert sum(count for _shape, _code, count in rows) == told == screen.kernel.value(COUNT)
    layers = card.locator('[data-fact="layers"] dd')
    assert layers.get_attribute("data-value") == str(screen.kernel.value("model.cfg.n_layers"))
