"""Interventions: frozen values that say what is done to the model; the list of them, their code.

Every file of this folder is imported with it, so that each kind of intervention is known by name
before a session's file is read.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
