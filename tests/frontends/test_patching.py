"""Patching maps on screen are hooked forwards, and a kept patch is what every other view shows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontends.conftest import Dashboard, Show

CELLS = """
pairs = lw.prompts.IOI
session = lw.Session(model, pairs)


def patched(base, source, hook_name, where):
    # Everything a hooked forward of one prompt gives when a part of another's is put in its place.
    kept, base, source = {}, model.to_tokens(base), model.to_tokens(source)
    watched = ["blocks.2.attn.hook_pattern", "blocks.3.hook_in", "ln_final.hook_in"]
    watched += ["blocks.2.hook_mlp_out"]

    def keep(name):
        def hook_fn(x, hook):
            kept[name] = x.detach().clone()
        return hook_fn

    with torch.no_grad():
        model.run_with_hooks(source, fwd_hooks=[(hook_name, keep("value"))])

        def put(x, hook):
            x = x.clone()
            x[where] = kept["value"][where]
            return x

        hooks = [(hook_name, put), *((name, keep(name)) for name in watched)]
        kept["logits"] = model.run_with_hooks(base, fwd_hooks=hooks)[0, -1]
    return kept


def difference(kept, prompt):
    correct, wrong = (model.to_single_token(answer) for answer in pairs.answers[prompt])
    return float(kept["logits"][correct] - kept["logits"][wrong])


def direct(kept, prompt):
    # What the MLP of layer 2 adds to the logit difference, through the final LayerNorm.
    correct, wrong = (model.to_single_token(answer) for answer in pairs.answers[prompt])
    stream, written = (kept[n][0, -1] for n in ("ln_final.hook_in", "blocks.2.hook_mlp_out"))
    scale = (stream.var(unbiased=False) + model.cfg.eps).sqrt()
    read = model.ln_final.weight * (model.W_U[:, correct] - model.W_U[:, wrong])
    return float((written - written.mean()) / scale @ read)


def lens(kept):
    # The likeliest token's probability, if the model ended where layer 3 begins.
    swap = ("ln_final.hook_in", lambda x, hook: kept["blocks.3.hook_in"])
    with torch.no_grad():
        out = model.run_with_hooks(model.to_tokens(pairs.prompts[0]), fwd_hooks=[swap])
    return float(out[0, -1].softmax(-1).max())
"""
VIEWS = (
    "lw.PatchingView(session, normalize=False)",
    "lw.AttentionView(session)",
    'lw.AttributionTable(session, by="component")',
    "lw.LogitLensView(session)",
)
HEADS = {
    "z": "(slice(None), slice(None), {head})",
    "q": "(slice(None), slice(None), {head})",
    "k": "(slice(None), slice(None), {head})",
    "v": "(slice(None), slice(None), {head})",
    "pattern": "(slice(None), {head})",
}


def _cell(screen: Dashboard, node: str, place: str) -> Any:
    return screen.view("patching").locator(f'[role="gridcell"][data-node="{node}"]{place}')


def _expected(kernel: Any, base: str, source: str, hook: str, where: str) -> float:
    """The mean logit difference over the prompts after one patch in each."""
    value: float = kernel.value(
        f"sum(difference(patched(pairs.{base}[i], pairs.{source}[i], {hook!r}, {where}), i)"
        " for i in range(len(pairs))) / len(pairs)"
    )
    return value


def _click(screen: Dashboard, cell: Any) -> None:
    before = screen.revision()
    cell.click()
    screen.wait_idle(before + 1)


def test_maps_on_screen_are_hooked_forwards_either_way(show: Show) -> None:
    screen = show(CELLS, VIEWS[0])
    for layer, head in ((1, 4), (2, 6)):
        for node, place in HEADS.items():
            cell = _cell(screen, node, f'[data-head="L{layer}H{head}"]')
            assert cell.get_attribute("data-exact") == "true"
            hook = f"blocks.{layer}.attn.hook_{node}"
            truth = _expected(screen.kernel, "corrupted", "prompts", hook, place.format(head=head))
            assert float(cell.get_attribute("data-value")) == pytest.approx(truth, abs=1e-4)

    screen.choose("patching", "maps", "blocks")
    screen.choose("patching", "direction", "clean")
    for node, layer, pos in (("resid_pre", 1, 10), ("attn_out", 1, 14), ("mlp_out", 2, 14)):
        cell = _cell(screen, node, f'[data-layer="{layer}"][data-pos="{pos}"]')
        truth = _expected(
            screen.kernel,
            "prompts",
            "corrupted",
            f"blocks.{layer}.hook_{node}",
            f"(slice(None), {pos})",
        )
        assert float(cell.get_attribute("data-value")) == pytest.approx(truth, abs=1e-4)


def test_a_click_on_a_cell_changes_the_other_views_to_what_a_hooked_forward_says(
    show: Show,
) -> None:
    screen = show(CELLS, *VIEWS)
    screen.click_head("L2H6")
    before = screen.metric()
    _click(screen, _cell(screen, "z", '[data-head="L1H4"]'))
    assert screen.kernel.value("list(session.interventions) == [lw.Patch('L1H4')]")
    hook, where = "'blocks.1.attn.hook_z'", "(slice(None), slice(None), 4)"
    runs = f"[patched(*both, {hook}, {where}) for both in zip(pairs.prompts, pairs.corrupted)]"
    screen.kernel.run(f"kept = {runs}")

    metric = screen.metric()
    truth = screen.kernel.value("sum(map(difference, kept, range(8))) / 8")
    assert metric["current"] == pytest.approx(truth, abs=1e-4)
    assert metric["baseline"] == before["baseline"]
    assert metric["change"] < -5, "the other name wins"

    screen.wait_pattern("L2H6")
    rows = screen.kernel.value("kept[0]['blocks.2.attn.hook_pattern'][0, 6].tolist()")
    for (q, k), weight in screen.whole_pattern(every=7).items():
        assert weight == pytest.approx(rows[q][k], abs=2e-6), (q, k)

    truth = screen.kernel.value("sum(map(direct, kept, range(8))) / 8")
    assert screen.rows()["L2.mlp"]["current"] == pytest.approx(truth, abs=1e-4)

    cell = screen.view("logit_lens").locator('[data-stage="3_pre"][data-pos="14"]').first
    truth = screen.kernel.value("lens(kept[0])")
    assert float(cell.get_attribute("data-prob") or "nan") == pytest.approx(truth, abs=1e-4)

    # A second click takes the patch away, and one undo brings it back.
    _click(screen, _cell(screen, "z", '[data-head="L1H4"]'))
    assert screen.metric()["current"] == before["baseline"]
    assert screen.kernel.value("len(session.interventions) == 0")
    screen.kernel.run("session.interventions.undo()")
    screen.wait_idle(screen.kernel.value("session.revision"))
    assert _cell(screen, "z", '[data-head="L1H4"]').get_attribute("data-kept") == "true"
    assert screen.metric()["current"] == pytest.approx(metric["current"], abs=1e-6)


def test_what_maps_need_is_said_in_the_view(show: Show) -> None:
    screen = show(
        'plain = lw.Session(model, "When John and Mary went home", answers=(" Mary", " John"))\n'
        "lw.PatchingView(plain)",
        rest="error",
    )
    alert = screen.view("patching").get_by_role("alert").first
    alert.wait_for()
    assert "corrupted" in (alert.text_content() or "")
    screen = show(
        'text = "When John and Mary went home"\n'
        'same = lw.Session(model, text, answers=(" Mary", " John"), corrupted=text)\n'
        "lw.PatchingView(same)",
        rest="error",
    )
    alert = screen.view("patching").get_by_role("alert").first
    alert.wait_for()
    assert "nothing to restore" in (alert.text_content() or "")
    screen.choose("patching", "values", "metric")
    screen.wait_idle()
    assert alert.count() == 0
