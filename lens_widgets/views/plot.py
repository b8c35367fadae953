"""What the figures of several views have in common."""

from __future__ import annotations

from typing import Any

import xarray as xr

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.session.session import Session

SIGNED: dict[str, Any] = {"colorscale": "RdBu", "zmid": 0}
SEQUENTIAL: dict[str, Any] = {"colorscale": "Blues", "zmin": 0}


def with_tokens(session: Session, table: xr.Dataset, **prompts: int) -> xr.Dataset:
    """The dataset with a prompt's tokens beside each of its dimensions ``pos``, ``query_pos`` or
    ``key_pos``: coordinates ``token``, ``query_token``, ``key_token``, as in "·Mary 4".

    An answer leaves them out, since pages know the tokens already.
    """
    coords = {}
    for dim, prompt in prompts.items():
        labels = [f"{text} {pos}" for pos, text in enumerate(token_texts(session, prompt))]
        coords[dim.replace("pos", "token")] = (dim, labels)
    return table.assign_coords(coords)
