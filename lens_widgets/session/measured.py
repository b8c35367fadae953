"""A model on its prompts: what can be read and measured. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.current import one_call
from lens_widgets.engine.gradients import Passed, Slopes
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.variants import Variant
from lens_widgets.engine.written import Source, Written
from lens_widgets.errors import ClosedError, InputError
from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.list import Interventions
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.metrics import Metric
from lens_widgets.session.noticing import NoticesChanges
from lens_widgets.session.run import Run
from lens_widgets.session.runs import PromptRuns


class MeasuredModel(NoticesChanges):
    """The half of a session that analysis and views read; ``Session`` adds what changes it."""

    model: TransformerModel
    interventions: Interventions
    _requested_metric: Any
    _prepend_bos: bool | None

    def check_open(self) -> None:
        """Raises ClosedError after ``close``."""
        if self.closed:
            raise ClosedError

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.facts.name}, {self.prompt_set.n_prompts} prompts, "
            f"{self.metric.label}, {len(self.interventions)} interventions)"
        )

    # --- what it is about -------------------------------------------------------------------

    @property
    def facts(self) -> ModelFacts:
        """Shape, device, dtype and hooks of the model."""
        return self._runs.facts

    @property
    def notes(self) -> list[str]:
        """Limits of the model and of the metric, and what was taken as padding: shown in every
        view."""
        prompts = self.prompt_set
        found = [*self.facts.notes, *prompts.notes, *self.metric.notes]
        if prompts.n_logits < self.facts.d_vocab:
            found.append(
                f"This model has logits for token ids 0 to {prompts.n_logits - 1} alone: others "
                "have no loss, probability or rank as next tokens."
            )
        return found

    @property
    def prompt_set(self) -> PromptSet:
        """The prompts as the model sees them."""
        return self._runs.prompt_set

    @property
    def metric(self) -> Metric:
        """What is measured."""
        return self._runs.metric

    @property
    def requested_metric(self) -> Any:
        """The metric as it was asked for: a name, a function, or None for the answers' own."""
        return self._requested_metric

    @property
    def prepend_bos(self) -> bool | None:
        """Whether text gets a BOS token; None leaves it to the model."""
        return self._prepend_bos

    @property
    def tokens(self) -> Int[Tensor, "prompt pos"]:
        """Token ids, padded on the right."""
        return self.prompt_set.tokens

    @property
    def str_tokens(self) -> list[list[str]]:
        """Each prompt's tokens as text, without padding."""
        rows = zip(self.tokens.tolist(), self.prompt_set.lengths.tolist(), strict=True)
        return [self._strings(row[:length]) for row, length in rows]

    def _strings(self, ids: list[int]) -> list[str]:
        tokenizer = self.model.tokenizer
        if tokenizer is None:
            return [str(i) for i in ids]
        return [tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in ids]

    @property
    def positions(self) -> Int[Tensor, "prompt"]:
        """Each prompt's last position, where its answer is read."""
        return self.prompt_set.positions

    @property
    def answer_tokens(self) -> Int[Tensor, "prompt answer"] | None:
        """Token ids of each prompt's answers, [prompt, 2] where they are (correct, wrong) pairs;
        None without. With several answers the correct ones are first; see ``prompt_set.answers``.
        """
        return self.prompt_set.answer_tokens

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self.tokens.device

    @property
    def weights(self) -> str:
        """``"raw"``, or ``"processed: ..."`` when the model's weights were folded."""
        return self.facts.weights

    @property
    def edits_stream(self) -> bool:
        """Whether an active intervention writes into the residual stream between components."""
        return any(item.site.in_stream for item in self.interventions)

    # --- runs -------------------------------------------------------------------------------

    @property
    def _together(self) -> PromptRuns:
        """The runs of prompts that are run together; those of more are asked part by part."""
        assert isinstance(self._runs, PromptRuns), "these prompts are run in parts: by_parts"
        return self._runs

    @property
    def baseline(self) -> Float[Tensor, "prompt"]:
        """The metric without interventions."""
        return self.run(()).metric

    @property
    def current(self) -> Float[Tensor, "prompt"]:
        """The metric with the session's interventions."""
        return self.run().metric

    @one_call()
    def run(self, interventions: Iterable[Intervention] | None = None) -> Run:
        """The model under the session's interventions, or under ``interventions`` instead.

        Runs are kept: asking again for the same one costs nothing.

        Args:
            interventions: a list of them, empty for the clean run; None for the session's own.

        Returns:
            The run: ``logits`` [prompt, pos, d_vocab], ``metric`` [prompt], ``pattern(layer)``,
            ``activation(name)``, ``top_predictions(k)``.

        Raises:
            InputError: what is no intervention, or cannot act on these prompts or this model.
            ClosedError: the session was closed.

        Examples:
            >>> off = session.run([lw.Ablate("L1H4")])
            >>> bool(off.metric.mean() < session.baseline.mean())
            True
        """
        self.check_open()
        if interventions is None:
            return self._runs.run(self.interventions.active)
        return self._runs.run(checked_interventions(interventions))

    def known_metric(self, interventions: Iterable[Intervention]) -> Float[Tensor, "prompt"] | None:
        """The metric under ``interventions`` if that run is at hand; computes nothing.

        Args:
            interventions: instead of the session's own.

        Returns:
            [prompt], in the metric's units, or None.
        """
        return self._runs.known_metric(tuple(interventions))

    @one_call()
    def metric_with(self, interventions: Iterable[Intervention]) -> Float[Tensor, "prompt"]:
        """The metric under ``interventions``, keeping nothing else of the run.

        Args:
            interventions: instead of the session's own.

        Returns:
            [prompt], in the metric's units.
        """
        self.check_open()
        return self._runs.metric_with(tuple(interventions))

    def sweep(
        self,
        variants: Sequence[Variant],
        max_memory_gb: float | None = None,
        *,
        corrupted: bool = False,
        shares: Sequence[ReplacedShares] = (),
    ) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
        """The metric with the session's interventions and one variant each, as they finish.

        Args:
            variants: what is changed, one at a time.
            max_memory_gb: what may be used on top of the model; by default a share of what is free.
            corrupted: on the corrupted prompts.
            shares: of readers' inputs, which are replaced in all of them.

        Yields:
            A variant's index and its metric [prompt], in an order that suits the engine.
        """
        self.check_open()
        active = self.interventions.active
        return self._together.sweep(
            active, variants, max_memory_gb, corrupted=corrupted, shares=shares
        )

    def corrupted_run(self) -> Run:
        """The corrupted prompts under the session's interventions.

        Its metric is the prompts' own: the same function of the logits, with the same targets.

        Returns:
            The run, as of ``run``.

        Raises:
            InputError: the session has no corrupted prompts.
        """
        self.check_open()
        return self._runs.run(self.interventions.active, corrupted=True)

    def gradients(self, wanted: Slopes, *, corrupted: bool = False) -> Passed:
        """Activations under the interventions, and the gradients of the metric by them.

        Args:
            wanted: which activations, and by which backward pass.
            corrupted: on the corrupted prompts.

        Returns:
            ``activations`` and ``gradients`` [prompt, pos, ...] by hook: the derivatives of the
            metric summed over prompts.

        Raises:
            InputError: a model whose blocks cannot be called one by one, or that a backward rule
                does not fit.
        """
        self.check_open()
        return self._together.gradients(self.interventions.active, wanted, corrupted=corrupted)

    @property
    def stream(self) -> StreamParts:
        """How the parts of the model read and write its residual stream; InputError where that is
        no sum of what they write."""
        return self._runs.stream

    def written(self, writers: Iterable[int], *, corrupted: bool = False) -> Written:
        """What parts write into the stream under the interventions.

        Args:
            writers: numbers of writers of the stream's graph.
            corrupted: on the corrupted prompts.

        Returns:
            Gives [writer, prompt, pos, d_model] of writers of one layer and kind.
        """
        self.check_open()
        return self._together.written(self.interventions.active, writers, corrupted=corrupted)

    def read_streams(
        self, numbers: Iterable[int], *, corrupted: bool = False
    ) -> dict[int, Float[Tensor, "prompt pos d_model"]]:
        """The streams that some readers read under the interventions, cuts included.

        Args:
            numbers: of readers of the stream's graph.
            corrupted: on the corrupted prompts.

        Returns:
            By number, [prompt, pos, d_model].
        """
        self.check_open()
        return self._together.read_streams(self.interventions.active, numbers, corrupted=corrupted)

    def mlp_writes(
        self,
        layer: int,
        inputs: Sequence[Float[Tensor, "prompt pos d_model"]],
        *,
        corrupted: bool = False,
    ) -> Float[Tensor, "input prompt pos d_model"]:
        """What an MLP writes under the interventions when it alone reads another stream.

        Args:
            layer: the MLP's.
            inputs: streams that it reads in place of its own.
            corrupted: on the corrupted prompts.

        Returns:
            [input, prompt, pos, d_model].
        """
        self.check_open()
        active = self.interventions.active
        return self._together.mlp_writes(active, layer, inputs, corrupted=corrupted)

    def mean_written(self, writers: Sequence[int]) -> Source:
        """The mean over positions and prompts of what parts write under the interventions.

        Args:
            writers: numbers of writers of the stream's graph.

        Returns:
            Gives [writer, 1, 1, d_model] of writers of one layer and kind.
        """
        self.check_open()
        return self._runs.mean_written(writers, self.interventions.active)

    def clean_mean(self, name: str) -> Tensor:
        """The mean over positions and prompts of an activation without interventions.

        Args:
            name: a hook whose activation is [prompt, pos, ...].

        Returns:
            The rest of its axes.
        """
        return self._runs.clean_mean(name)

    def clean_activation(self, name: str) -> Tensor:
        """An activation of the run without interventions.

        Args:
            name: a hook, as in ``"blocks.0.hook_resid_post"``.

        Returns:
            [prompt, pos, ...], as TransformerLens has it.
        """
        return self._runs.clean_activation(name)

    def corrupted_activation(self, name: str) -> Tensor:
        """An activation of the corrupted prompts without interventions.

        Args:
            name: a hook, as in ``"blocks.0.hook_resid_post"``.

        Returns:
            [prompt, pos, ...], as TransformerLens has it.

        Raises:
            InputError: the session has no corrupted prompts.
        """
        return self._runs.corrupted_activation(name)


def checked_interventions(interventions: Iterable[Intervention]) -> tuple[Intervention, ...]:
    """``interventions`` as a tuple; InputError for anything that is none."""
    hint = 'Pass a list such as [lw.Ablate("L1H4")].'
    if not isinstance(interventions, Iterable):
        raise InputError(f"interventions={interventions!r} is not a list.", hint)
    wanted = tuple(interventions)
    for item in wanted:
        if not isinstance(item, Intervention):
            raise InputError(f"interventions has {item!r}, which is not an intervention.", hint)
    return wanted
