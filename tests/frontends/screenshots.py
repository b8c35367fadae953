"""Makes the pictures in the README anew: python -m tests.frontends.screenshots"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.browser.pages import ROOT
from tests.frontends import pictures
from tests.frontends.conftest import EXPLORER, MODEL
from tests.frontends.jupyterlab import open_lab
from tests.frontends.screen import Screen

IMAGES = ROOT / "example_notebooks" / "images"
WIDTH = 1360


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_lab(scale=1.5) as lab:
        for name, cells, pose in (
            ("explorer", (MODEL, EXPLORER), pictures.pose),
            ("real", (pictures.REAL, pictures.REAL_EXPLORER), pictures.pose_real),
        ):
            notebook = lab.run(*cells)
            Screen(notebook.page).wait_idle()
            pose(notebook)
            for theme in ("light", "dark"):
                taken = pictures.take(notebook, theme, WIDTH, Path(folder))
                path = IMAGES / f"{name}-{theme}.png"
                path.write_bytes(taken.read_bytes())
                print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1000} kB")
            notebook.close()


if __name__ == "__main__":
    main()
