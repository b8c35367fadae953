"""Renders a view over the mock kernel to a PNG.

    python -m tests.browser.shot VIEW out.png --layers 12 --heads 12 --tokens 15 --theme dark

The view is built from its sources first, apart from the package's bundles (``--built`` takes
those). ``--js`` runs a script in the page after it came to rest, for example a click.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from . import real_sessions
from .pages import ROOT, STATIC, browser, serve, start

WAIT_MS = 120_000
"""Exact patches of every head of a model of 12 x 12 are some hundred runs."""


def build(view: str, outdir: Path) -> None:
    """Builds one view and the style sheet; ``parts`` are the shared components by themselves."""
    js = ROOT / "js"
    source = "tests/parts.tsx" if view == "parts" else f"src/views/{view}/index.tsx"
    command = [
        str(js / "node_modules" / ".bin" / "esbuild"),
        f"{view}={source}",
        "style=src/style.css",
        "--bundle",
        "--format=esm",
        "--charset=utf8",
        f"--outdir={outdir}",
        "--log-level=warning",
    ]
    subprocess.run(command, cwd=js, check=True)


def plain(text: str) -> Any:
    """``3``, ``true`` or ``[1]`` as what it says; anything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("view")
    parser.add_argument("out", type=Path)
    parser.add_argument("--real", help="a real session by name, in place of one made of sizes")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=15)
    parser.add_argument("--texts", nargs="*", help="the tokens themselves, instead of --tokens")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--ablate", nargs="*", default=[], help="components, as in L1H4")
    parser.add_argument("--select", default="2,5", help="layer,head")
    parser.add_argument("--theme", choices=["light", "dark"], default="light")
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--scale", type=float, default=1, help="device pixels per CSS pixel")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--progress", type=int, default=0)
    parser.add_argument("--fail", nargs="*", default=[], help="methods that answer with an error")
    parser.add_argument("--option", nargs="*", default=[], help="traits, as in show=difference")
    parser.add_argument("--model-name", default="ioi demo", help="for parts, what to show")
    parser.add_argument("--js", default="")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until the view rests")
    parser.add_argument("--built", action="store_true", help="use lens_widgets/static as it is")
    args = parser.parse_args()

    layer, head = (int(part) for part in args.select.split(","))
    options = {
        "model_name": args.model_name,
        "n_layers": args.layers,
        "n_heads": args.heads,
        "n_tokens": args.tokens,
        "n_prompts": args.prompts,
        "interventions": args.ablate,
        "theme": args.theme,
        "delay_ms": args.delay_ms,
        "progress": args.progress,
        "failures": {method: f"{method} failed on purpose" for method in args.fail},
        "options": {name: plain(value) for name, value in (o.split("=", 1) for o in args.option)},
        "selection": {"layer": min(layer, args.layers - 1), "head": min(head, args.heads - 1)},
    }
    if args.texts:
        options["tokens"] = args.texts
    if args.real:
        options["real"] = {"name": args.real, "traits": real_sessions.traits(args.real)}
        options["options"] = real_sessions.options(args.real, args.view) | options["options"]

    with tempfile.TemporaryDirectory() as folder:
        static = STATIC if args.built else Path(folder)
        if not args.built:
            build(args.view, static)
        with serve(static) as url, browser(args.width, 900, args.scale) as context:
            page = context.new_page()
            page.on("console", lambda message: print(f"[{message.type}] {message.text}"))
            page.on("pageerror", lambda error: print(f"[pageerror] {error}"))
            start(page, url, args.view, **options)
            rest = f'[data-lw-view="{args.view}"]:is([data-lw-status=idle], [data-lw-status=error])'
            if not args.no_wait:
                page.wait_for_selector(rest, timeout=WAIT_MS)
            if args.js:
                print(page.evaluate(args.js))
                if not args.no_wait:
                    page.wait_for_selector(rest, timeout=WAIT_MS)
            args.out.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=args.out, full_page=True)


if __name__ == "__main__":
    main()
