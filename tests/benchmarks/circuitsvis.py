"""CircuitsVis on the same patterns: fetched when the benchmark runs, no dependency of anything."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Error, Page

VERSION = "1.43.3"
FOLDER = Path(__file__).parent / ".cache" / f"circuitsvis-{VERSION}"
LIMIT_S = 60
ELEMENTS = ("AttentionPatterns", "AttentionHeads")

# As circuitsvis.utils.render.render_local writes it, with a clock. It is done when every canvas has
# something on it: they are drawn some time after the elements are there.
PAGE = """<!DOCTYPE html><meta charset="utf-8"><div id="shown"></div>
<script>%(code)s</script>
<script>
const probe = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
const drawn = canvas => {
  probe.clearRect(0, 0, 8, 8);
  if (canvas.width && canvas.height) probe.drawImage(canvas, 0, 0, 8, 8);
  return probe.getImageData(0, 0, 8, 8).data.some(byte => byte > 0);
};
const begun = performance.now();
CircuitsVis.render("shown", CircuitsVis.%(element)s, %(props)s);
const look = () => {
  const all = [...document.querySelectorAll("#shown canvas")];
  if (all.length > %(heads)d && all.every(drawn)) window.took = performance.now() - begun;
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
</script>"""


def rows(context: BrowserContext, n_pos: int, heads: Sequence[Any]) -> list[tuple[str, ...]]:
    """One row an element: how long it takes to draw ``heads`` [head, query, key]."""
    return [_row(context, element, n_pos, heads) for element in ELEMENTS]


def _row(
    context: BrowserContext, element: str, n_pos: int, heads: Sequence[Any]
) -> tuple[str, ...]:
    try:
        script = code()
    except subprocess.CalledProcessError:
        return f"CircuitsVis {element}", "not measured here: no package", "", "", ""
    props = json.dumps({"attention": heads, "tokens": [f"t{pos}" for pos in range(n_pos)]})
    text = PAGE % {"code": script, "element": element, "props": props, "heads": len(heads)}
    page = context.new_page()
    try:
        took = f"{_paint_ms(page, text):,.0f} ms"
    except Error:
        took = f"> {LIMIT_S} s"
    finally:
        page.close()
    what = f"CircuitsVis {element}, {len(heads)} heads x {n_pos} tokens: first paint"
    return f"{what} ({len(text) / 1e6:.1f} MB sent)", took, "", "", ""


def _paint_ms(page: Page, text: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(text, encoding="utf-8")
        page.goto(path.as_uri(), wait_until="commit")
        found = page.wait_for_function("window.took", timeout=1000 * LIMIT_S)
        return float(found.json_value())


def code() -> str:
    """The browser code of the package as published; raises when it cannot be fetched."""
    path = FOLDER / "circuitsvis" / "dist" / "cdn" / "iife.js"
    if not path.is_file():
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--target", str(FOLDER)),
                f"circuitsvis=={VERSION}",
            ],
            check=True,
        )
    return path.read_text(encoding="utf-8").replace("</script>", "")
