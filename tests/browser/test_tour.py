"""The explorer's tour: what it says is what the kernel answers, and it leaves all as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]


def signed(value: float) -> str:
    """As numbers are written on screen."""
    return f"{'+' if value > 0 else '−'}{abs(value):.2f}"


@pytest.mark.parametrize("width", [1000, 700])
def test_the_tour_tells_true_numbers_by_keyboard_alone_and_leaves_nothing_off(
    mount: Mount, width: int
) -> None:
    lab = mount("explorer", width=width)
    told = lab.answer("attribution/rows", by="head", prompt=None, pos=None)
    heads = {
        str(name): float(value)
        for name, value in zip(told["component"].values, told["baseline"].values, strict=True)
        if "H" in str(name)
    }
    best = max(heads, key=lambda name: heads[name])

    lab.find("[data-tour-begins]").focus()
    lab.page.keyboard.press("Enter")
    tour = lab.find(".lw-tour")
    tour.wait_for()
    metric = lab.find("[data-lw-metric]")
    assert f"{float(metric.get_attribute('data-baseline') or 'nan'):.2f}".replace("-", "−") in (
        tour.inner_text()
    )
    lab.page.keyboard.press("ArrowRight")
    assert f"{best}, which by itself adds most" in tour.inner_text()
    assert signed(heads[best]) in tour.inner_text()
    assert lab.js("return kernel.selection.layer") == int(best[1 : best.index("H")])
    assert lab.find(".lw-heads-card.lw-toured").count() == 1

    for _ in range(3):
        lab.page.keyboard.press("Enter")
    lab.wait("window.lab.kernel.ablated.includes(arg)", best)
    lab.idle()
    lab.wait("!root.querySelector('.lw-tour [aria-busy=true]')")
    text = tour.inner_text()
    for which in ("baseline", "current"):
        assert f"{float(metric.get_attribute(f'data-{which}') or 'nan'):.2f}".replace("-", "−") in (
            text
        )

    lab.page.keyboard.press("ArrowRight")
    now = lab.answer("attribution/rows", by="head", prompt=None, pos=None)
    changes = dict(
        zip(now["component"].values, (now["current"] - now["baseline"]).values, strict=True)
    )
    changes.pop(best)
    backup = max(changes, key=lambda name: changes[name])
    assert f"{backup} adds" in tour.inner_text()
    assert signed(float(changes[backup])) in tour.inner_text()

    lab.page.keyboard.press("Escape")
    lab.wait("window.lab.kernel.ablated.length === 0")
    assert lab.find(".lw-tour").count() == 0
    assert lab.find(".lw-toured").count() == 0
    assert lab.js("return document.activeElement.dataset.tourBegins") == ""
