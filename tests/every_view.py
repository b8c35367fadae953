"""The public names of all views of the package."""

from lens_widgets.views.registry import package_views

EVERY_VIEW = sorted(view.__name__ for view in package_views().values())
