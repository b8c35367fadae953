"""One model, its prompts, a metric, interventions and a selection; runs of it; files of it."""

from lens_widgets.session.session import Session

__all__ = ["Session"]
