"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.browser.pages import find_browser

PACKAGES = ("torch", "transformer_lens", "jupyterlab", "ipykernel", "ipywidgets", "anywidget")


def describe() -> str:
    """Processor, cores, system and versions, in two lines."""
    cores = os.cpu_count()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()};"
        f" Python {platform.python_version()}, {_browser()}, headless, 60 Hz.\n{versions}."
    )


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _browser() -> str:
    done = subprocess.run([find_browser(), "--version"], capture_output=True, text=True)
    return " ".join(done.stdout.split()[:2]) or "a browser of unknown version"
