"""What a notebook keeps of a widget stays small, whatever the length of the prompt."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .conftest import Lab
from .pages import STATIC

MAX_BYTES = 300_000
VIEWS = sorted(path.stem for path in STATIC.glob("*.js"))


@pytest.mark.parametrize("view", VIEWS)
def test_saved_state_is_small_and_holds_the_view(mount: Callable[..., Lab], view: str) -> None:
    code = {
        "_esm": (STATIC / f"{view}.js").read_text(encoding="utf-8"),
        "_css": (STATIC / "style.css").read_text(encoding="utf-8"),
    }
    # Patching maps take a forward a cell, circuits one each; both hold the same numbers however
    # long the prompt is.
    length, n_prompts = (64, 1) if view in ("patching", "circuit") else (512, 8)
    tokens = [f"·word{number}" for number in range(length)]
    lab = mount(view, tokens=tokens, n_prompts=n_prompts, options=code)
    # Written a while after the views came to rest.
    lab.wait("Object.keys(window.lab.mounts[0].model.get('snapshot')?.slots ?? {}).length > 0")
    saved = lab.js("return mounts[0].model.get('snapshot');")
    size = len(json.dumps({**code, "snapshot": saved}, ensure_ascii=False).encode())
    assert size <= MAX_BYTES, f"{size} bytes"
