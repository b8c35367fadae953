"""What every view promises, whatever it shows (the DOM contract of design.md, section 6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

VIEWS = [
    "token",
    "attention",
    "attribution",
    "ablation",
    "composition",
    "weight_circuit",
    "neuron",
    "score_decomposition",
    "explorer",
    "logit_lens",
    "circuit",
    "patching",
    "head_scores",
    "loss",
    "model_card",
    "activation_browser",
    "data",
]
METHOD = {
    "token": "token/stats",
    "attention": "attention/patterns",
    "attribution": "attribution/rows",
    "ablation": "ablation/grid",
    "composition": "composition/scores",
    "weight_circuit": "weight_circuit/tile",
    "neuron": "neuron/activations",
    "score_decomposition": "score_decomposition/sources",
    "circuit": "circuit/edges",
    "patching": "patching/heads",
    "explorer": "attribution/rows",
    "logit_lens": "logit_lens/grid",
    "head_scores": "head_scores/scores",
    "loss": "loss/losses",
    "model_card": "model_card/card",
    "activation_browser": "activation_browser/plane",
    # What is stored is not asked for again with each change.
    "data": "session/metric",
}
HOSTILE = [
    "<bos>",
    "<script>window.hit=1</script>",
    "·<img/src=x/onerror=window.hit=1>",
    "·&amp;",
    "\\xC3",
]

Mount = Callable[..., Lab]
each_view = pytest.mark.parametrize("view", VIEWS)


@each_view
def test_root_says_what_is_painted(mount: Mount, view: str) -> None:
    lab = mount(view)
    assert int(lab.attribute("data-lw-seq")) > 0
    assert lab.attribute("data-lw-revision") == "1"
    assert lab.find('[role="alert"]').count() == 0


WITHOUT_METRIC = {"composition", "weight_circuit", "model_card"}
"""No number of theirs depends on the prompts."""


@each_view
def test_header_qualifies_the_numbers(mount: Mount, view: str) -> None:
    lab = mount(view)
    text = lab.find(".lw-head").first.inner_text()
    if view == "explorer":
        # One line: what else is known of the model is told on hover.
        assert "ioi demo · 4 × 8" in text
        text = lab.find(".lw-chip").first.get_attribute("title") or ""
        text = text.replace("4 layers", "ioi demo · 4 layers")
    assert "ioi demo · 4 layers × 8 heads" in text
    assert "cpu · float32 · raw weights" in text
    if view in WITHOUT_METRIC:
        assert lab.find("[data-lw-metric]").count() == 0
        return
    told = lab.answer("session/metric").attrs
    metric = lab.find("[data-lw-metric]").first
    assert metric.get_attribute("data-lw-metric") == "logit difference"
    assert float(metric.get_attribute("data-baseline") or "nan") == told["baseline"]
    assert float(metric.get_attribute("data-current") or "nan") == told["current"]
    assert metric.get_attribute("data-change") == "0"


@each_view
def test_hostile_tokens_are_text(mount: Mount, view: str) -> None:
    lab = mount(view, tokens=HOSTILE)
    assert lab.js("return window.hit ?? null") is None
    assert lab.js("return root.querySelectorAll('script, img').length") == 0
    if view in ("token", "attention", "explorer"):
        for token in HOSTILE[1:3]:
            assert token in lab.js("return root.textContent")


@each_view
def test_an_error_is_shown_and_the_view_recovers(mount: Mount, view: str) -> None:
    failures = {METHOD[view]: "the kernel said <b>no</b>"}
    lab = mount(view, rest="error", failures=failures)
    alert = lab.find('[role="alert"]').first
    assert "the kernel said <b>no</b>" in alert.inner_text()
    assert "This is what to do about it." in alert.inner_text()
    lab.js("kernel.failures = {}")
    alert.get_by_role("button", name="try again").click()
    lab.idle()
    assert lab.find('[role="alert"]').count() == 0


@each_view
def test_an_error_can_be_dismissed_and_the_last_numbers_stay(mount: Mount, view: str) -> None:
    lab = mount(view)
    # The explorer's table gives rows to what is said above it.
    numbers = """return [...root.querySelectorAll('[data-value], [data-token-id]')]
                   .filter((one) => !one.closest('.lw-explorer .lw-attr-table')).length"""
    before = lab.js(numbers)
    lab.js(f"kernel.failures = {{ '{METHOD[view]}': 'out of memory' }}")
    lab.js("kernel.ablate('L0H1')")
    lab.wait_status("error")
    assert lab.js(numbers) >= before
    lab.find('[role="alert"]').first.get_by_role("button", name="dismiss").click()
    lab.idle()
    assert lab.find('[role="alert"]').count() == 0


@each_view
def test_theme_follows_the_host_live(mount: Mount, view: str) -> None:
    lab = mount(view, theme="light")
    read = "return getComputedStyle(root.querySelector('.lw-card')).backgroundColor"
    assert lab.js("return root.closest('.lw-root').dataset.lwTheme") == "light"
    light = lab.js(read)
    lab.js("window.lab.setTheme('dark')")
    lab.wait("root.closest('.lw-root').dataset.lwTheme === 'dark'")
    assert lab.js(read) != light
    lab.js("window.lab.setTheme('light')")
    lab.wait("root.closest('.lw-root').dataset.lwTheme === 'light'")
    assert lab.js(read) == light


@each_view
def test_theme_follows_the_system_without_a_host(mount: Mount, view: str) -> None:
    lab = mount(view, theme=None)
    lab.page.emulate_media(color_scheme="dark")
    lab.wait("root.closest('.lw-root').dataset.lwTheme === 'dark'")
    lab.page.emulate_media(color_scheme="light")
    lab.wait("root.closest('.lw-root').dataset.lwTheme === 'light'")


@each_view
def test_abort_leaves_nothing_behind(mount: Mount, view: str) -> None:
    lab = mount(view)
    assert lab.js("return mounts[0].model.listenerCount") > 0
    lab.js("mounts[0].abort.abort()")
    assert lab.js("return mounts[0].model.listenerCount") == 0
    assert lab.js("return mounts[0].el.childElementCount") == 0
    lab.js("window.lab.setTheme('dark'); kernel.select({ layer: 1 });")
    assert lab.js("return mounts[0].el.childElementCount") == 0


@each_view
def test_the_returned_cleanup_does_the_same_for_older_hosts(mount: Mount, view: str) -> None:
    lab = mount(view)
    lab.js("mounts[0].cleanup(); mounts[0].cleanup();")
    assert lab.js("return mounts[0].model.listenerCount") == 0
    assert lab.js("return mounts[0].el.childElementCount") == 0


@each_view
def test_buffers_as_arrays_of_numbers(mount: Mount, view: str) -> None:
    """VS Code turns binary buffers into arrays of numbers."""
    lab = mount(view, plain_buffers=True)
    assert int(lab.attribute("data-lw-seq")) > 0


@each_view
def test_inside_a_shadow_root(mount: Mount, view: str) -> None:
    """marimo mounts widgets in one."""
    lab = mount(view, shadow=True)
    assert lab.js("return root.getRootNode() instanceof ShadowRoot")
    assert lab.js("return root.getBoundingClientRect().height") > 60


@each_view
def test_says_it_waits_when_the_kernel_is_silent(mount: Mount, view: str) -> None:
    lab = mount(view, rest="waiting", silent=True)
    assert lab.find('[role="status"]').first.inner_text().startswith("waiting")


@each_view
def test_progress_and_stop(mount: Mount, view: str) -> None:
    lab = mount(view, rest="busy", delay_ms=60_000, progress=600)
    lab.wait("root.querySelector('[role=progressbar][data-active=true]') !== null")
    # The small pills of an explorer's cards have theirs too, hidden while they are busy.
    lab.find('button[aria-label="stop"]:visible').first.click()
    lab.wait("root.dataset.lwStatus !== 'busy'")
    assert lab.js("return kernel.cancelled.length") > 0


@each_view
def test_a_snapshot_is_shown_without_a_kernel(mount: Mount, view: str) -> None:
    first = mount(view)
    first.wait("'slots' in window.lab.mounts[0].model.traits.snapshot")
    snapshot = first.js("return mounts[0].model.traits.snapshot")
    assert first.js("return JSON.stringify(mounts[0].model.traits.snapshot).length") <= 48_100
    requests = first.js("return kernel.requests.length")
    # Whatever the write sets off is asked for within the next two frames.
    first.page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    assert first.js("return kernel.requests.length") == requests

    second = mount(view, rest="snapshot", silent=True, snapshot=snapshot)
    assert second.js("return root.querySelectorAll('[data-value], [data-token-id]').length") > 0


@each_view
@pytest.mark.parametrize("width", [480, 800, 1600])
def test_nothing_is_cut_off(mount: Mount, view: str, width: int) -> None:
    lab = mount(view, width=width, interventions=["L2H5", "L3H1"])
    assert lab.js("return document.documentElement.scrollWidth") <= width
    cut = lab.js(
        """const boxes = '.lw-head, .lw-card-head, .lw-toolbar, .lw-body, button, .lw-heads';
           const name = (el) => el.className || el.getAttribute('aria-label');
           return [...root.querySelectorAll(boxes)]
             .filter((el) => el.offsetParent && el.scrollWidth > el.clientWidth + 1)
             .filter((el) => getComputedStyle(el).textOverflow !== 'ellipsis')
             .map((el) => `${name(el)}: ${el.scrollWidth} > ${el.clientWidth}`)"""
    )
    assert cut == []


@each_view
def test_z_undoes_and_shift_z_redoes(mount: Mount, view: str) -> None:
    lab = mount(view)
    lab.js("kernel.ablate('L1H3')")
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    lab.find("button:not([disabled])").first.focus()
    lab.page.keyboard.press("z")
    lab.wait("window.lab.kernel.ablated.length === 0 && root.dataset.lwStatus === 'idle'")
    lab.page.keyboard.press("Shift+Z")
    lab.wait("window.lab.kernel.ablated.length === 1 && root.dataset.lwStatus === 'idle'")
