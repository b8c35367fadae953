"""The packages of the extra ``data``, imported where they are used."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from lens_widgets.errors import InputError

INSTALL = 'pip install "lens_widgets[data]"'


class MissingExtraError(InputError, ImportError):
    """A package of the extra is not installed; the hint is the command that installs it."""


def extra(module: str, use: str) -> Any:
    """A module of an extra package; MissingExtraError that says what it is for and how to get it.

    ``module`` may be one inside of the package; ``use`` ends the sentence "... is needed to ...".
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != package:
            raise
        old = " in Python 3.11 or newer" if sys.version_info < (3, 11) else ""
        raise MissingExtraError(
            f"The package {package} is needed to {use}, and it is not installed.",
            f"Install it{old}: {INSTALL}",
        ) from error
