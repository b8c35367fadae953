"""Names for positions: "IO", "S1", "end", wherever each prompt has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from lens_widgets.errors import InputError, near, shown
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span
from lens_widgets.session.measured import MeasuredModel

_REST = "rest"


@dataclass(frozen=True)
class _Occurrence:
    """Text or a regular expression, and which of its matches is meant; None for the only one."""

    what: str | re.Pattern[str]
    which: int | None = None


class Spans(Mapping[str, Span]):
    """Positions of a session's prompts under names of yours, in prompts of any lengths.

    ``spans["IO"]`` goes wherever ``positions`` are asked for, of every intervention. Each name is
    a keyword argument, and its value one of these, or a list of them, one for each prompt:

    - a position (negative ones count from each prompt's end), or a list of positions
    - the text of a token, with or without the space in front
    - a regular expression (``re.compile(...)``): the tokens that it, or its first group, matches
    - ``(text or expression, n)``: of several matches the n-th from 0, or with -1 the last

    ``session.spans = lw.Spans(session, ...)`` makes them the session's own: views mark them on the
    tokens, its file keeps them, and an edit of a prompt takes them along.

    Args:
        session: whose prompts.

    Raises:
        InputError: a span that matches nothing, or several places, in a prompt; a position that a
            prompt does not have; a list of another length than there are prompts.

    Examples:
        >>> import re
        >>> spans = lw.Spans(session, S2=re.compile(r", (\\w+)"), end=-1)
        >>> spans["S2"].places[:2]
        ((10,), (10,))
        >>> silenced = session.run([lw.Ablate("L1H4", positions=spans["end"])])
        >>> bool(silenced.metric.mean() < session.baseline.mean())
        True
    """

    def __init__(self, session: MeasuredModel, **named: Any) -> None:
        tokens = session.str_tokens
        if not named:
            raise InputError(
                "Spans has no names.",
                'Name positions, as in lw.Spans(session, IO=" Mary", end=-1).',
            )
        if _REST in named:
            raise InputError(f"span {_REST!r}: so the other positions are called.", "Rename it.")
        self._spans = {
            name: Span(name, tuple(_found(name, given, tokens))) for name, given in named.items()
        }
        self._n_pos = max(map(len, tokens))

    @classmethod
    def of(cls, prompts: PromptSet) -> Spans:
        """Those that prompts have; none in most."""
        spans: Spans = cls.__new__(cls)
        spans._spans = {span.name: span for span in prompts.spans}
        spans._n_pos = int(prompts.tokens.shape[1])
        return spans

    def __getitem__(self, name: str) -> Span:
        if name not in self._spans:
            there = ", ".join(self._spans) or "none: set session.spans"
            hint = f"{near(name, self._spans)} There are {there}.".strip()
            raise InputError(f"span {shown(name)} is not known.", hint)
        return self._spans[name]

    def __contains__(self, name: object) -> bool:
        return name in self._spans

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def __repr__(self) -> str:
        return f"Spans({', '.join(self._spans)})"

    def sum(self, scores: xr.DataArray) -> xr.DataArray:
        """Scores by position as scores by span.

        Args:
            scores: an array with a dim pos whose values add up, such as
                ``edge_scores(session, per_position=True)`` or ``attribution(session, "head",
                per_position=True)``. Where spans lie at other positions in each prompt, by prompt.

        Returns:
            The same dims, with span in the place of pos: the sum over each span's positions, and
            ``"rest"``, that over all others. In the units of ``scores``; without ``sem``.

        Raises:
            InputError: an array without a dim pos, of other prompts or of values that do not add
                up (metrics after patches); spans that need ``per_prompt=True``; a position that
                two spans share.
        """
        rows = self._rows(scores)
        masks = np.zeros((len(rows), len(self) + 1, self._n_pos))
        for row, places in enumerate(rows):
            for number, own in enumerate(places):
                masks[row, number, list(own)] = 1.0
        shared = masks.sum(axis=1) > 1
        if shared.any():
            raise InputError(
                f"position {int(np.argwhere(shared)[0, 1])} belongs to two spans.",
                "Sum over spans that do not overlap.",
            )
        masks[:, -1] = 1.0 - masks[:, :-1].sum(axis=1)
        each = "prompt" in scores.dims
        weights = xr.DataArray(
            masks if each else masks[0],
            dims=("prompt", "span", "pos") if each else ("span", "pos"),
            coords={"span": [*self, _REST]},
        )
        plain = scores.drop_vars([n for n in ("sem", "token") if n in scores.coords])
        summed = (plain.fillna(0.0) * weights.drop_vars("pos", errors="ignore")).sum("pos")
        # What is NaN everywhere has no scores, as where there is no edge.
        summed = summed.where(plain.notnull().any("pos"))
        dims = ["span" if dim == "pos" else dim for dim in scores.dims]
        found = summed.transpose(*dims)
        found.attrs = dict(scores.attrs)
        return found

    def _rows(self, scores: Any) -> list[list[tuple[int, ...]]]:
        """The positions of each span, by prompt, or once for all prompts together."""
        if not self._spans:
            raise InputError("There are no spans.", "Set session.spans = lw.Spans(session, ...).")
        if not isinstance(scores, xr.DataArray) or "pos" not in scores.dims:
            raise InputError(
                "scores has no dim pos.", "Pass edge_scores(session, per_position=True)."
            )
        if "into" in scores.attrs:
            raise InputError(
                "scores holds metrics after patches, which do not add up.",
                'Sum edges: edge_scores(session, per_position=True).sum("reader").',
            )
        n_prompts = len(next(iter(self.values())).places)
        if scores.sizes["pos"] != self._n_pos or scores.sizes.get("prompt", n_prompts) != n_prompts:
            raise InputError(
                f"scores is of other prompts: {dict(scores.sizes)}; the spans are of {n_prompts} "
                f"prompts of up to {self._n_pos} positions.",
                "Score the prompts that the spans were made of.",
            )
        rows = [[span.places[row] for span in self.values()] for row in range(n_prompts)]
        if "prompt" in scores.dims:
            return rows
        for name, span in self.items():
            if len(set(span.places)) > 1:
                raise InputError(
                    f"span {name} lies elsewhere in each prompt, and scores is a mean over them.",
                    "Score with per_prompt=True, sum, and take the mean after that.",
                )
        return rows[:1]


def _found(name: str, given: Any, tokens: list[list[str]]) -> Iterator[tuple[int, ...]]:
    """The positions of one span, prompt by prompt."""
    if isinstance(given, list) and not all(type(item) is int for item in given):
        if len(given) != len(tokens):
            raise InputError(
                f"span {name} has {len(given)} entries for {len(tokens)} prompts.",
                "Give one for each prompt, or one for all.",
            )
        each = given
    else:
        each = [given] * len(tokens)
    for row, (wanted, words) in enumerate(zip(each, tokens, strict=True)):
        yield _in_prompt(name, wanted, row, words)


def _in_prompt(name: str, wanted: Any, row: int, words: list[str]) -> tuple[int, ...]:
    places = [wanted] if type(wanted) is int else wanted
    if isinstance(places, (list, range)) and places and all(type(p) is int for p in places):
        for place in places:
            if not -len(words) <= place < len(words):
                raise InputError(
                    f"span {name}: prompt {row} has {len(words)} tokens, and no position {place}.",
                    f"Positions run from 0 to {len(words) - 1}, or back from -1.",
                )
        return tuple(sorted({place % len(words) for place in places}))
    sought = _occurrence(name, wanted)
    matches = _matches(sought.what, words)
    text = sought.what if isinstance(sought.what, str) else sought.what.pattern
    if not matches or (sought.which is not None and not _has(matches, sought.which)):
        many = f"has {len(matches)} matches" if matches else "matches nothing"
        raise InputError(
            f"span {name}: {text!r} {many} in prompt {row}, {shown(''.join(words))}.",
            f"{near(text, words)} Tokens are matched as session.str_tokens has them.".strip(),
        )
    if sought.which is None and len(matches) > 1:
        where = " and ".join(", ".join(map(str, match)) for match in matches)
        raise InputError(
            f"span {name}: {text!r} matches {len(matches)} places in prompt {row}, at {where}.",
            f"Say which: ({text!r}, 0) is the first, ({text!r}, -1) the last.",
        )
    return matches[sought.which or 0]


def _occurrence(name: str, wanted: Any) -> _Occurrence:
    if isinstance(wanted, (str, re.Pattern)):
        return _Occurrence(wanted)
    if (
        isinstance(wanted, tuple)
        and len(wanted) == 2
        and isinstance(wanted[0], (str, re.Pattern))
        and type(wanted[1]) is int
    ):
        return _Occurrence(*wanted)
    raise InputError(
        f"span {name}: {shown(wanted)} names no positions.",
        "Give a position, a token's text, re.compile(...), or (text, which match).",
    )


def _has(matches: list[tuple[int, ...]], which: int) -> bool:
    return -len(matches) <= which < len(matches)


def _matches(what: str | re.Pattern[str], words: list[str]) -> list[tuple[int, ...]]:
    """The tokens of each match."""
    if isinstance(what, str):
        return [(i,) for i, word in enumerate(words) if what in (word, word.strip())]
    ends = np.cumsum([len(word) for word in words])
    found = []
    for match in what.finditer("".join(words)):
        start, end = match.span(1 if what.groups else 0)
        matched = match.string[start:end]
        # The space in front of a token is part of it: one at an end of a match is not meant.
        start += len(matched) - len(matched.lstrip())
        end -= len(matched) - len(matched.rstrip())
        first = int(np.searchsorted(ends, start, side="right"))
        last = int(np.searchsorted(ends, end - 1, side="right")) if end > start else first
        if end > start:
            found.append(tuple(range(first, last + 1)))
    return found
