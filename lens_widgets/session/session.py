"""The session: one model, its prompts, a metric, interventions and a selection; views observe
it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lens_widgets.engine.access import access_for
from lens_widgets.engine.locks import StateLock
from lens_widgets.engine.model import TransformerModel, on_its_device
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import check_keywords
from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.history import Entry
from lens_widgets.interventions.list import Interventions
from lens_widgets.jupyter.cells import install_cell_pause
from lens_widgets.prompts.prompt_set import Edit, PromptSet, edited_prompt_set, make_prompt_set
from lens_widgets.session.file import (
    SavedMetric,
    SavedSession,
    check_values,
    metric_to_use,
    read_session,
    write_session,
)
from lens_widgets.session.fitness import ask_about_spaces, check_model
from lens_widgets.session.in_parts import InParts
from lens_widgets.session.measured import checked_interventions
from lens_widgets.session.metrics import resolve_metric
from lens_widgets.session.named import NamedPositions
from lens_widgets.session.parts import PartedRuns, make_runs
from lens_widgets.session.runs import PromptRuns
from lens_widgets.session.selection import Selection
from lens_widgets.session.self_contained import measuring_script
from lens_widgets.session.settings import Settings

if TYPE_CHECKING:
    import os

    import xarray as xr

    import lens_widgets

_OPTIONS = ("messages", "answers", "corrupted", "metric", "prepend_bos", "attention_mask")


class Session(NamedPositions, InParts):
    """A model under study. Every view of it shows the same prompts, interventions and selection.

    Observe ``revision`` to be told of every change that can move a number.

    Args:
        model: a TransformerLens ``TransformerBridge``, in eval mode.
        prompts: a string, a list of strings, token ids [prompt, pos], lists of token ids, or a set
            from ``lw.prompts``, which brings its answers and corrupted prompts.
        messages: instead of prompts, a conversation (a list of ``{"role": ..., "content": ...}``)
            or a list of them: the tokenizer's chat template is written around each, up to where
            the assistant begins to answer.
        answers: one ``(correct, wrong)`` pair per prompt, or one for all; strings that are one
            token, or ids. Either can be a list of several; ``(correct,)`` has no wrong one.
        corrupted: prompts (or conversations) of the same token lengths, for resampling and
            patching.
        metric: ``"logit_diff"`` (logits; of several answers the means; the default with wrong
            answers), ``"log_prob"`` (nats, mean of the correct answers; the default with these
            alone), ``"loss"`` (nats; the default without answers), ``"prob"`` (of any correct
            answer), ``"kl"`` (nats, from the clean run), or a function from logits [prompt, pos,
            d_vocab] to one value per prompt, shown with its name and ``units``. One that counts
            from the end gets each prompt's last position at -1.
        prepend_bos: whether text gets BOS, unless it begins with it; None leaves it to the model,
            and to a chat template where there is one.
        attention_mask: of padded ids, also ``corrupted`` ones: 1 at a prompt's own tokens, else 0.
            Without it plain padding at one end is told in ``notes``, and unclear one is refused.

    Raises:
        InputError: a ValueError, for anything it cannot use: a model in training mode, answers of
            several tokens, corrupted prompts of other lengths, an unknown metric. An answer that
            lacks the space in front that the model expects is asked about; a token id never is.

    Examples:
        >>> prompt = "When John and Mary went to the shops, John gave the bag to"
        >>> session = lw.Session(model, [prompt], answers=[(" Mary", " John")])
        >>> session.baseline.shape
        torch.Size([1])
    """

    def __init__(
        self,
        model: TransformerModel,
        prompts: Any = None,
        *,
        messages: Any = None,
        answers: Any = None,
        corrupted: Any = None,
        metric: Any = None,
        prepend_bos: bool | None = None,
        attention_mask: Any = None,
        **unknown: Any,
    ) -> None:
        check_keywords("Session", unknown, ("model", "prompts", *_OPTIONS))
        check_model(model)
        with on_its_device(model):
            prompt_set = make_prompt_set(
                model,
                prompts,
                messages=messages,
                answers=answers,
                corrupted=corrupted,
                prepend_bos=prepend_bos,
                attention_mask=attention_mask,
            )
        self._start(model, prompt_set, metric, prepend_bos)

    @classmethod
    def _of(
        cls, model: TransformerModel, prompt_set: PromptSet, metric: Any, prepend_bos: bool | None
    ) -> Session:
        """A session of prompts that are tokens already."""
        check_model(model)
        session: Session = cls.__new__(cls)
        session._start(model, prompt_set, metric, prepend_bos)
        return session

    def _start(
        self, model: TransformerModel, prompt_set: PromptSet, metric: Any, prepend_bos: bool | None
    ) -> None:
        install_cell_pause()
        chosen = resolve_metric(metric, prompt_set)
        access = access_for(model)
        runs = access.run_inline(lambda: make_runs(access, access.facts(), prompt_set, chosen))
        ask_about_spaces(runs.clean, prompt_set)
        self._prepend_bos = prepend_bos
        self._requested_metric = metric
        self._begin(model, runs)

    def _begin(
        self,
        model: TransformerModel,
        runs: PromptRuns | PartedRuns,
        entries: tuple[Entry, ...] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        # One lock for all state that views show, the synced traits of widgets included. Before
        # the base class, which has traits to announce.
        self.lock = self._lock = StateLock("session")
        super().__init__()
        self.model = model
        self.results: dict[str, xr.DataArray | xr.Dataset] = {}
        """Arrays of yours that belong to this session; ``save`` keeps them with it."""
        self._runs = runs
        lengths = runs.prompt_set.lengths.tolist()
        self.selection = Selection(runs.facts.n_layers, runs.facts.n_heads, lengths, self.lock)
        self.settings = Settings(self.lock, **(settings or {}))
        """What all views agree on: kind of ablation, prompt scope, BOS left out of colours."""
        self.interventions = Interventions(self, entries)

    def measuring_code(self, interventions: Sequence[Intervention]) -> str:
        """A script that runs by itself and prints the metric under ``interventions``."""
        return measuring_script(self, interventions)

    # --- changes ----------------------------------------------------------------------------

    def set_prompts(
        self,
        prompts: Any = None,
        *,
        messages: Any = None,
        answers: Any = None,
        corrupted: Any = None,
        metric: Any = None,
        attention_mask: Any = None,
    ) -> None:
        """Replaces the prompts, and with them answers and corrupted prompts.

        Everything is checked and run first; on an error the session stays as it was. ``prompts``,
        ``messages``, ``answers``, ``corrupted`` and ``attention_mask`` are as of ``Session``;
        ``metric=None`` keeps the metric that the session was made with.

        Raises:
            InputError: as ``Session``; an intervention in the list that cannot act on the new
                prompts.
        """
        self.check_open()
        with on_its_device(self.model):
            prompt_set = make_prompt_set(
                self.model,
                prompts,
                messages=messages,
                answers=answers,
                corrupted=corrupted,
                prepend_bos=self._prepend_bos,
                attention_mask=attention_mask,
            )
        self._take(prompt_set, self._requested_metric if metric is None else metric)

    def edit_prompt(
        self,
        index: int,
        prompt: Any = None,
        *,
        messages: Any = None,
        answers: Any = None,
        corrupted: Any = None,
    ) -> None:
        """Replaces one prompt; the others keep their very tokens. All or nothing, as above;
        ``interventions.undo`` takes it back.

        Args:
            index: which prompt, from 0.
            prompt: the new one: a string or token ids.
            messages: instead, a conversation.
            answers: those of all prompts.
            corrupted: its new partner, any of these; None keeps the old one.
        """
        self.check_open()
        before = self.prompt_set
        with on_its_device(self.model):
            given = Edit(index, prompt, messages, answers, corrupted)
            prompt_set = edited_prompt_set(self.model, before, given, self._prepend_bos)
        self.check_named(prompt_set)
        self._take(prompt_set, self._requested_metric)
        self.interventions.note_edit(f"the edit of prompt {index + 1}", before)

    def take_prompts(self, prompts: PromptSet) -> None:
        """Puts ``prompts``, a set that it had before, in the place of the session's own."""
        self.check_named(prompts)
        self._take(prompts, self._requested_metric)

    def refresh(self) -> None:
        """Computes everything anew with the model as it is now; on an error nothing changes.

        For a model whose weights, dtype or device were changed on purpose: until then the session
        refuses to mix its numbers.
        """
        self.check_open()
        check_model(self.model)
        access = access_for(self.model)
        facts = access.run_inline(access.facts)
        self._take(self.prompt_set.to(torch.device(facts.device)), self._requested_metric, facts)

    def _take(self, prompt_set: PromptSet, requested: Any, facts: ModelFacts | None = None) -> None:
        chosen = resolve_metric(requested, prompt_set)
        self.interventions.revalidate(prompt_set)
        access = self._runs.access if facts is None else access_for(self.model)
        known = facts or self.facts
        runs = access.run_inline(lambda: make_runs(access, known, prompt_set, chosen))
        if facts is None:
            ask_about_spaces(runs.clean, prompt_set)
        with self.lock:
            self.interventions.revalidate(prompt_set)
            self._requested_metric = requested
            self._runs = runs
            self.set_trait("outdated", None)
            self.selection.set_lengths(prompt_set.lengths.tolist())
            self.set_trait("prompts_revision", self.prompts_revision + 1)
            self.count_change()

    def with_interventions(self, interventions: Iterable[Intervention]) -> Session:
        """A session of its own on the same model, prompts and metric, with other interventions.

        Args:
            interventions: a list of them.

        Returns:
            A new session; views of this one do not follow it.

        Raises:
            InputError: what is no intervention, or cannot act on these prompts or this model.

        Examples:
            >>> without = session.with_interventions([lw.Ablate("L1H4")])
            >>> len(session.interventions), len(without.interventions)
            (0, 1)
        """
        self.check_open()
        derived = self._derived(())
        for item in checked_interventions(interventions):
            derived.interventions.add(item)
        return derived

    def with_prompt_set(
        self, prompts: PromptSet, interventions: Iterable[Intervention], metric: Any = None
    ) -> Session:
        """A session of its own with other ``prompts``, ``interventions`` and ``metric``."""
        self.check_open()
        chosen = resolve_metric(metric, prompts)
        access, facts = self._runs.access, self.facts
        runs = access.run_inline(lambda: make_runs(access, facts, prompts, chosen))
        derived = self._derived((), runs)
        derived._requested_metric = metric
        for item in checked_interventions(interventions):
            derived.interventions.add(item)
        return derived

    def frozen(self) -> Session:
        """This session as it is now: later changes of this one do not reach it.

        A reply is computed from it, so that all its numbers belong to one revision.
        """
        with self.lock:
            copy = self._derived(self.interventions.entries)
            copy.set_trait("revision", self.revision)
            copy.set_trait("prompts_revision", self.prompts_revision)
            return copy

    def _derived(
        self, entries: tuple[Entry, ...], runs: PromptRuns | PartedRuns | None = None
    ) -> Session:
        derived: Session = Session.__new__(Session)
        derived._prepend_bos, derived._requested_metric = self._prepend_bos, self._requested_metric
        derived._begin(
            self.model, self._runs if runs is None else runs, entries, self.settings.as_dict()
        )
        return derived

    # --- files ------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes prompts, metric, interventions with their history, selection and ``results``.

        One file at ``path`` without pickles; the model is not in it. An existing file is replaced
        at the end, or stays as it was on an error. Of a metric of your own only the name is kept.
        """
        self.check_open()
        with self.lock:
            now = self.frozen()
            undo, redo = self.interventions.history
            selection, results = self.selection.as_dict(), dict(self.results)
        saved = SavedSession(
            prompts=now.prompt_set,
            prepend_bos=self._prepend_bos,
            metric=SavedMetric.of(now),
            entries=now.interventions.entries,
            undo=undo,
            redo=redo,
            selection=selection,
            settings=now.settings.as_dict(),
            results=results,
        )
        write_session(path, saved, self.model)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], model: TransformerModel, *, metric: Any = None
    ) -> Session:
        """The session that was saved to ``path``, on the model it was saved with.

        Args:
            path: the file.
            model: the model; its weights must be those of then.
            metric: the function it measured, if that was one of your own.

        Returns:
            A session with all that ``save`` writes.

        Raises:
            InputError: a damaged file, another model, or numbers that differ from the saved ones.

        Examples:
            >>> session.save("ioi.lens")
            >>> again = lw.Session.open("ioi.lens", model)
            >>> bool((again.baseline == session.baseline).all())
            True
        """
        saved = read_session(path, model)
        requested = metric_to_use(path, saved.metric, metric)
        session = cls._of(model, saved.prompts, requested, saved.prepend_bos)
        dtype = session.facts.dtype
        check_values(path, saved.metric, "baseline", session.baseline, dtype)
        session.interventions.restore(saved.entries, saved.undo, saved.redo)
        check_values(path, saved.metric, "current", session.current, dtype)
        session.selection.update(**saved.selection)
        session.settings.update(**saved.settings)
        session.results.update(saved.results)
        return session

    # --- life -------------------------------------------------------------------------------

    def explore(self, **options: Any) -> lens_widgets.Explorer:
        """The linked dashboard of this session; ``options`` are those of the views in it."""
        # The views know the session, not the other way round: this is the name that users have.
        import lens_widgets

        return lens_widgets.Explorer(self, **options)

    def close(self) -> None:
        """Stops the session's work and lets go of its runs. Its views say that it is closed."""
        if self.closed:
            return
        self.cancel(())
        with self.lock:
            self._runs.release()
            self.set_trait("closed", True)
