"""Recipes on their way to other processes and machines, lambdas included."""

from __future__ import annotations

import pickle

from lens_widgets.data.extras import extra
from lens_widgets.data.tasks import Failed, Recipe
from lens_widgets.errors import InputError


def packed(recipe: Recipe) -> bytes:
    """The recipe as bytes; InputError where it holds what only this process can have."""
    cloudpickle = extra("cloudpickle", "send functions to other processes")
    try:
        return bytes(cloudpickle.dumps(recipe))
    except Exception as error:
        raise InputError(
            f"make_model or a quantity cannot be sent to workers: {type(error).__name__}: {error}.",
            "They must not hold open files, locks or the like: make these within the function. "
            'workers=1 with engine="local" sends nothing.',
        ) from error


def unpacked(sent: bytes) -> Recipe | Failed:
    """What was packed; a failure that says so in a worker that lacks what it is made of."""
    try:
        recipe: Recipe = pickle.loads(sent)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        return Failed(
            "recipe",
            f"make_model or a quantity cannot be read in a worker: {why}.",
            "Workers must be able to import what these use: install it where they run, or define "
            "the functions in the notebook or script that starts the run.",
        )
    return recipe
