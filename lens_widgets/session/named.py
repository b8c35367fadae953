"""A session whose positions have names, and whose changes are counted."""

from __future__ import annotations

import traitlets

from lens_widgets.engine.locks import StateLock
from lens_widgets.errors import InputError
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.measured import MeasuredModel
from lens_widgets.session.spans import Spans


class NamedPositions(MeasuredModel):
    """``spans`` are part of the prompts: they come and go with them, in files and undone edits."""

    revision = traitlets.Int(0, read_only=True)
    prompts_revision = traitlets.Int(0, read_only=True)
    history_revision = traitlets.Int(0, read_only=True)
    lock: StateLock

    @property
    def spans(self) -> Spans:
        """Names that positions of the prompts have. Set ``session.spans = lw.Spans(session, ...)``,
        or to None for none: views mark them on the tokens.

        ``edit_prompt`` takes them along, ``undo`` back, and a name whose tokens went is nowhere in
        that prompt, as ``notes`` say; ``set_prompts`` leaves none.
        """
        return Spans.of(self.prompt_set)

    @spans.setter
    def spans(self, named: Spans | None) -> None:
        self.check_open()
        if named is not None and not isinstance(named, Spans):
            raise InputError(
                f"spans is a {type(named).__name__}, and no lw.Spans.",
                'For example session.spans = lw.Spans(session, IO=" Mary", end=-1).',
            )
        spans = tuple(() if named is None else named.values())
        for span in spans:
            self.prompt_set.check_span(span)
        with self.lock:
            self._runs = self._runs.with_spans(spans)
            self.set_trait("prompts_revision", self.prompts_revision + 1)
            self.count_change()

    def count_change(self) -> None:
        """Tells that numbers may have moved; called with ``lock`` held, by whoever moved them."""
        self.set_trait("revision", self.revision + 1)

    def tell(self) -> None:
        """Tells that undo or redo would do something else; called with ``lock`` held."""
        self.set_trait("history_revision", self.history_revision + 1)

    def check_named(self, prompts: PromptSet) -> None:
        """Raises InputError when a listed intervention acts at a span that edited prompts have
        elsewhere."""
        if prompts.n_prompts != self.prompt_set.n_prompts:
            # Other prompts, not edited ones: what acts on them is checked as they are taken.
            return
        pairs = zip(self.prompt_set.rows(), prompts.rows(), strict=True)
        for row, (before, after) in enumerate(pairs):
            if before != after:
                self.interventions.check_edit(row, before, after)
