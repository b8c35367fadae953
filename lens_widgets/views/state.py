"""The small synced state of every view: what its page knows of the session without asking."""

# Annotations must be real here: of strings, TypedDict cannot tell what is NotRequired.

from typing import Any

from typing_extensions import NotRequired, TypedDict

from lens_widgets.analysis.patching.patch_cells import PatchCell, kept_cell
from lens_widgets.errors import InputError
from lens_widgets.interventions.cut import Cut
from lens_widgets.interventions.history import Entry
from lens_widgets.session.selection import ScoreKind
from lens_widgets.session.session import Session
from lens_widgets.session.settings import AblationKind, PromptScope
from lens_widgets.wire.messages import ErrorInfo


class Selection(TypedDict):
    """What every linked view has in focus. Positions are None when nothing is locked. The writer is
    the earlier head of a chosen pair, None when a single head is chosen; the stripe is the kind of
    score whose cells are outlined over patterns."""

    layer: int
    head: int
    query_pos: int | None
    key_pos: int | None
    prompt: int
    writer_layer: NotRequired[int | None]
    writer_head: NotRequired[int | None]
    stripe: NotRequired[ScoreKind | None]


class Settings(TypedDict):
    """What all views of a session agree on; ``skip_bos`` leaves the first token out of the colours
    of attention patterns."""

    ablation_kind: AblationKind
    prompt_scope: PromptScope
    skip_bos: bool


class EdgeEnds(TypedDict):
    """An edge of the residual stream: ``"L0H1"`` writes, ``"L1H4.k"`` reads."""

    writer: str
    reader: str


class InterventionInfo(TypedDict):
    """One line of the list of interventions. ``key`` names it in requests; ``cell`` is the cell of
    a patching map that it keeps, if it is one; ``edge`` what it cuts, if it is a cut."""

    key: str
    label: str
    component: str
    kind: str
    detail: str
    enabled: bool
    cell: PatchCell | None
    edge: NotRequired[EdgeEnds]


class SessionState(TypedDict):
    """``revision`` grows with every change that can move a number, ``prompts_revision`` with the
    prompts or the metric only. ``undoes`` and ``redoes``: what a step back or forth would change,
    as in "ablate L1H4"; None without one. ``outdated``: what was done to the model since the
    numbers were computed, None while they stand."""

    revision: int
    prompts_revision: int
    n_prompts: int
    interventions: list[InterventionInfo]
    undoes: str | None
    redoes: str | None
    closed: bool
    outdated: ErrorInfo | None


class SessionInfo(TypedDict):
    """What does not change while a session lives. ``notes`` are limits the view should show."""

    model_name: str
    n_layers: int
    n_heads: int
    n_ctx: int
    mlp_layers: list[int]
    device: str
    dtype: str
    weights: str
    notes: list[str]


def session_info(session: Session) -> dict[str, Any]:
    """``SessionInfo`` as the trait holds it."""
    facts = session.facts
    return dict(
        SessionInfo(
            model_name=facts.name,
            n_layers=facts.n_layers,
            n_heads=facts.n_heads,
            n_ctx=facts.n_ctx,
            mlp_layers=list(facts.mlp_layers),
            device=facts.device,
            dtype=facts.dtype,
            weights=facts.weights,
            notes=session.notes,
        )
    )


def _error(error: InputError | None) -> ErrorInfo | None:
    if error is None:
        return None
    return {"type": type(error).__name__, "message": error.message, "hint": error.hint}


def _intervention(entry: Entry) -> InterventionInfo:
    item = entry.intervention
    info = InterventionInfo(
        key=entry.key,
        label=item.label,
        component=item.label,
        kind=item.kind,
        detail=item.detail,
        enabled=entry.enabled,
        cell=kept_cell(item),
    )
    if isinstance(item, Cut):
        writer, reader = item.edge
        info["edge"] = {"writer": writer, "reader": reader}
    return info


def session_state(session: Session) -> dict[str, Any]:
    """``SessionState`` as the trait holds it."""
    interventions = session.interventions
    return dict(
        SessionState(
            revision=session.revision,
            prompts_revision=session.prompts_revision,
            n_prompts=session.prompt_set.n_prompts,
            interventions=[_intervention(entry) for entry in interventions.entries],
            undoes=interventions.undoes,
            redoes=interventions.redoes,
            closed=session.closed,
            outdated=_error(session.outdated),
        )
    )
