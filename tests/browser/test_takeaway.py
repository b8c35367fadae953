"""Every view can be taken away: its picture, and its numbers where it has some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]


def save(lab: Lab, entry: str) -> bytes:
    lab.find('button[aria-label="copy or save"]').first.click()
    with lab.page.expect_download() as waiting:
        lab.find(f'[role="menuitem"]:text-is("{entry}")').click()
    return Path(waiting.value.path()).read_bytes()


def copied(lab: Lab, entry: str) -> str:
    lab.js(
        """window.copied = [];
           navigator.clipboard.writeText = async (text) => void window.copied.push(text);"""
    )
    lab.find('button[aria-label="copy or save"]').first.click()
    lab.find(f'[role="menuitem"]:text-is("{entry}")').click()
    lab.wait("window.copied.length === 1")
    text: str = lab.js("return window.copied[0]")
    return text


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["token", "attention", "attribution", "ablation"])
def test_a_picture_has_two_pixels_for_one_and_all_of_the_view(
    mount: Mount, view: str, theme: str
) -> None:
    lab = mount(view, theme=theme, width=900)
    box: Any = lab.root.bounding_box()
    png = save(lab, "save PNG")
    width, height = size(png)
    assert abs(width - 2 * box["width"]) <= 2
    assert abs(height - 2 * box["height"]) <= 2
    colors = lab.page.evaluate(
        """async (bytes) => {
            const blob = new Blob([new Uint8Array(bytes)], { type: "image/png" });
            const image = await createImageBitmap(blob);
            const canvas = new OffscreenCanvas(image.width, image.height);
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const { data } = context.getImageData(0, 0, image.width, image.height);
            const seen = new Set(new Uint32Array(data.buffer));
            return { corner: [...data.slice(0, 3)], seen: seen.size };
        }""",
        list(png),
    )
    assert colors["seen"] > 100
    assert (sum(colors["corner"]) > 600) == (theme == "light")
    lab.idle()


def test_the_menu_is_worked_by_keys_alone(mount: Mount) -> None:
    lab = mount("attribution")
    button = lab.find('button[aria-label="copy or save"]')
    button.focus()
    lab.page.keyboard.press("Enter")
    lab.wait("root.querySelectorAll('[role=menuitem]').length === 4")
    focused = "document.activeElement.textContent"
    assert lab.page.evaluate(focused) == "copy CSV"
    lab.page.keyboard.press("ArrowDown")
    assert lab.page.evaluate(focused) == "save CSV"
    lab.page.keyboard.press("Escape")
    lab.wait("root.querySelector('[role=menu]') === null")
    assert button.evaluate("(element) => element === document.activeElement")


def test_saved_numbers_are_those_of_the_rows(mount: Mount) -> None:
    lab = mount("attribution")
    table = save(lab, "save CSV").decode()
    header, *rows = table.strip().splitlines()
    told = lab.answer("attribution/rows", by="head", prompt=None, pos=None)
    columns = {
        name: [row.split(",")[i] for row in rows] for i, name in enumerate(header.split(","))
    }
    assert columns["component"] == [str(name) for name in told["component"].values]
    for name in ("baseline", "current", "current_sem", "change_sem"):
        assert [float(field) for field in columns[name]] == told[name].values.tolist()


def test_views_with_several_prompts_page_through_them(mount: Mount) -> None:
    for view in ("attention", "attribution", "ablation"):
        lab = mount(view, n_prompts=3)
        assert "prompt 1 of 3" in lab.find(".lw-pager").inner_text()
        lab.find('button[aria-label="next prompt"]').click()
        lab.wait("root.querySelector('.lw-pager').textContent.includes('prompt 2 of 3')")
        lab.idle()
    alone = mount("attention", n_prompts=1)
    assert alone.find(".lw-pager").count() == 0
