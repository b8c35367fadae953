"""Small trained models that ship with the package, so that everything can be tried offline."""

from __future__ import annotations

from lens_widgets.models.demo.loading import demo_names, load_demo

__all__ = ["demo_names", "load_demo"]
