"""Every number that a session gives, held against plain runs: written once for all architectures.

Nothing here asks what architecture it is. A number is compared with Hugging Face's own model of the
same weights (``Twin``), with TransformerLens's own forward under hooks (``PlainRun``), or with
algebra over what these give. Scripts are held against numbers that are held against these.
"""

from lens_widgets.views.registry import package_views
from tests.unit.right import (
    attention,
    changes,
    direct,
    lens,
    parts,
    scripts,
    tokens,
    weights,
)
from tests.unit.right.case import LISTED, Case, Check

# Makes all questions known.
package_views()

SUBJECTS = (tokens, attention, lens, direct, changes, parts, weights, scripts)

CHECKS: dict[str, Check] = {
    name: found
    for subject in SUBJECTS
    for name, found in LISTED.items()
    if found.function.__module__ == subject.__name__
}
"""By name, in the order in which they are told."""

__all__ = ["CHECKS", "Case"]
