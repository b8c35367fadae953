"""The reply that says what the model is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lens_widgets.analysis.model.model_card import findings, model_facts
from lens_widgets.analysis.model.parameters import Parameters, layers_text, parameters
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import summary


def model_card(session: Session, _args: dict[str, Any]) -> dict[str, Any]:
    """Facts, findings and matrices; the model is not run."""
    clean = session.run(())
    if "parameters" not in clean.derived:
        clean.derived["parameters"] = parameters(session)
    found: Parameters = clean.derived["parameters"]
    return {
        "summary": summary(session),
        "facts": [asdict(fact) for fact in model_facts(session, found)],
        "findings": [asdict(finding) for finding in findings(session)],
        "matrices": [
            {
                "name": matrix.name,
                "group": matrix.group,
                "shape": list(matrix.shape),
                "axes": list(matrix.axes),
                "layers": layers_text(matrix.layers),
                "n_layers": len(matrix.layers),
                "count": matrix.count,
                "megabytes": matrix.bytes / 1e6,
                "shared": list(matrix.shared),
                "code": matrix.code,
            }
            for matrix in found.matrices
        ],
        "count": found.count,
        "megabytes": found.bytes / 1e6,
    }
