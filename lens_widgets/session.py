"""The session: one model, its prompts, a metric, interventions and a selection; views observe it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.gate import install_cell_gate
from lens_widgets.engine.handle import handle_for
from lens_widgets.errors import ClosedError, InputError, check_keywords
from lens_widgets.history import Interventions
from lens_widgets.interventions import Intervention
from lens_widgets.metrics import Metric, resolve_metric
from lens_widgets.prompt_set import PromptSet, make_prompt_set
from lens_widgets.run import Run
from lens_widgets.selection import Selection

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts
    from lens_widgets.widgets.explorer import Explorer

KEPT_BYTES = 1 << 30
"""Runs other than the baseline are kept up to this size, so that undo and redo cost nothing."""

_OPTIONS = ("answers", "corrupted", "metric", "prepend_bos")


class Session(traitlets.HasTraits):
    """A model under study. Every view of it shows the same prompts, interventions and selection.

    Args:
        model: a TransformerLens ``TransformerBridge``, in eval mode.
        prompts: a string, a list of strings, or token ids [prompt, pos].
        answers: one ``(correct, wrong)`` pair per prompt, or one for all; strings that are one
            token, or token ids.
        corrupted: prompts of the same token lengths, for resampling and patching.
        metric: ``"logit_diff"`` (default with answers), ``"loss"`` (default without), ``"prob"``,
            ``"kl"``, or a function from logits [prompt, pos, d_vocab] to one value per prompt.
        prepend_bos: whether text gets a BOS token; None leaves it to the model.

    Observe ``revision`` to be told of every change that can move a number.
    """

    revision = traitlets.Int(0, read_only=True)
    prompts_revision = traitlets.Int(0, read_only=True)
    closed = traitlets.Bool(False, read_only=True)

    def __init__(
        self,
        model: Any,
        prompts: Any,
        *,
        answers: Any = None,
        corrupted: Any = None,
        metric: Any = None,
        prepend_bos: bool | None = None,
        **unknown: Any,
    ) -> None:
        check_keywords("Session", unknown, ("model", "prompts", *_OPTIONS))
        _check_model(model)
        super().__init__()
        # One lock for all state that views show, the synced traits of widgets included.
        self.lock = threading.RLock()
        self.model = model
        self._handle = handle_for(model)
        self._prepend_bos = prepend_bos
        self._metric_wish = metric
        install_cell_gate()
        prompt_set = make_prompt_set(
            model, prompts, answers=answers, corrupted=corrupted, prepend_bos=prepend_bos
        )
        chosen = resolve_metric(metric, prompt_set)
        self._handle.run_inline(lambda: self._open(prompt_set, chosen))
        self.selection = Selection(
            self.facts.n_layers, self.facts.n_heads, prompt_set.lengths.tolist()
        )
        self.interventions = Interventions(self)
        self.interventions.observe(self._interventions_changed, "entries")

    def _open(self, prompt_set: PromptSet, metric: Metric) -> None:
        self.facts: ModelFacts = self._handle.facts()
        self._adopt(prompt_set, metric, self._clean_run(prompt_set, metric))

    def _adopt(self, prompt_set: PromptSet, metric: Metric, clean: Run) -> None:
        self.prompt_set = prompt_set
        self._metric = metric
        self._clean = clean
        self._corrupted: Run | None = None
        self._runs: OrderedDict[tuple[Intervention, ...], Run] = OrderedDict()

    # --- what it is about -------------------------------------------------------------------

    @property
    def tokens(self) -> Int[Tensor, "prompt pos"]:
        """Token ids, padded on the right."""
        return self.prompt_set.tokens

    @property
    def str_tokens(self) -> list[list[str]]:
        """Each prompt's tokens as text, without padding."""
        rows = zip(self.tokens, self.prompt_set.lengths.tolist(), strict=True)
        return [self._strings(row[:length].tolist()) for row, length in rows]

    def _strings(self, ids: list[int]) -> list[str]:
        tokenizer = self.model.tokenizer
        if tokenizer is None:
            return [str(i) for i in ids]
        return [tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in ids]

    @property
    def positions(self) -> Int[Tensor, prompt]:  # noqa: F821
        """Each prompt's last position, where its answer is read."""
        return self.prompt_set.positions

    @property
    def answer_tokens(self) -> Int[Tensor, "prompt 2"] | None:
        """Token ids of (correct, wrong), or None."""
        return self.prompt_set.answer_tokens

    @property
    def metric(self) -> Metric:
        return self._metric

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    @property
    def weights(self) -> str:
        """``"raw"``, or ``"processed: ..."`` when the model's weights were folded."""
        return self.facts.weights

    # --- runs -------------------------------------------------------------------------------

    @property
    def baseline(self) -> Float[Tensor, prompt]:  # noqa: F821
        """The metric without interventions."""
        self.check_open()
        return self._clean.metric

    @property
    def current(self) -> Float[Tensor, prompt]:  # noqa: F821
        """The metric with the session's interventions."""
        return self.run().metric

    def run(self, interventions: Iterable[Intervention] | None = None) -> Run:
        """The model under the session's interventions, or under ``interventions`` instead.

        Runs are kept: asking again for the same one costs nothing.
        """
        self.check_open()
        if interventions is None:
            wanted = self.interventions.active
        else:
            wanted = tuple(interventions)
            for item in wanted:
                if not isinstance(item, Intervention):
                    raise InputError(
                        f"interventions has {item!r}, which is not an intervention.",
                        'Pass a list such as [lw.Ablate("L1H4")].',
                    )
        if not wanted:
            return self._clean
        with self.lock:
            run = self._runs.get(wanted)
            if run is not None:
                self._runs.move_to_end(wanted)
                return run
            prompt_set, metric, runs = self.prompt_set, self._metric, self._runs
        run = self._handle.run_inline(lambda: self._edited_run(wanted, prompt_set, metric))
        with self.lock:
            runs[wanted] = run
            while len(runs) > 1 and sum(kept.n_bytes for kept in runs.values()) > KEPT_BYTES:
                runs.popitem(last=False)
        return run

    def metric_with(self, interventions: tuple[Intervention, ...]) -> Float[Tensor, prompt]:  # noqa: F821
        """The metric under ``interventions``, keeping nothing else of the run: for sweeps."""
        self.check_open()
        if not interventions:
            return self._clean.metric
        with self.lock:
            known = self._runs.get(interventions)
            prompt_set, metric, clean = self.prompt_set, self._metric, self._clean
        if known is not None:
            return known.metric

        def work() -> Tensor:
            hooks = [hook for item in interventions for hook in item.hooks(self)]
            return Run(self._handle, prompt_set, metric, hooks, clean, self.facts.hooks).metric

        return self._handle.run_inline(work)

    def _edited_run(
        self, interventions: tuple[Intervention, ...], prompt_set: PromptSet, metric: Metric
    ) -> Run:
        hooks = [hook for item in interventions for hook in item.hooks(self)]
        return self._make_run(prompt_set, metric, hooks, self._clean)

    def _clean_run(self, prompt_set: PromptSet, metric: Metric) -> Run:
        return self._make_run(prompt_set, metric, [], None)

    def _make_run(
        self, prompt_set: PromptSet, metric: Metric, hooks: list[Any], clean: Run | None
    ) -> Run:
        capture = self.facts.standard_capture(*prompt_set.tokens.shape)
        return Run(self._handle, prompt_set, metric, hooks, clean, self.facts.hooks, capture)

    def clean_activation(self, name: str) -> Tensor:
        """An activation of the run without interventions, as hooks read it: [prompt, pos, ...]."""
        return self._clean.activation(name)

    def corrupted_activation(self, name: str) -> Tensor:
        """The same activation on the corrupted prompts. InputError when there are none."""
        return self.corrupted_run().activation(name)

    def corrupted_run(self) -> Run:
        """The corrupted prompts without interventions."""
        self.check_open()
        with self.lock:
            if self._corrupted is not None:
                return self._corrupted
        corrupted = self.prompt_set.corrupted()
        run = self._handle.run_inline(
            lambda: self._make_run(corrupted, self._metric, [], self._clean)
        )
        with self.lock:
            self._corrupted = run
        return run

    # --- changes ----------------------------------------------------------------------------

    def set_prompts(
        self, prompts: Any, *, answers: Any = None, corrupted: Any = None, metric: Any = None
    ) -> None:
        """Replaces the prompts, and with them answers and corrupted prompts.

        Everything is checked and run first; on an error the session stays as it was. ``metric=None``
        keeps the metric the session was made with.
        """
        self.check_open()
        prompt_set = make_prompt_set(
            self.model,
            prompts,
            answers=answers,
            corrupted=corrupted,
            prepend_bos=self._prepend_bos,
        )
        wish = self._metric_wish if metric is None else metric
        chosen = resolve_metric(wish, prompt_set)
        clean = self._handle.run_inline(lambda: self._clean_run(prompt_set, chosen))
        with self.lock:
            self.interventions.revalidate(prompt_set)
            self._metric_wish = wish
            self._adopt(prompt_set, chosen, clean)
            self.selection.set_lengths(prompt_set.lengths.tolist())
            self.set_trait("prompts_revision", self.prompts_revision + 1)
            self.set_trait("revision", self.revision + 1)

    def with_interventions(self, interventions: Iterable[Intervention]) -> Session:
        """A session of its own on the same model, prompts and metric, with other interventions."""
        self.check_open()
        derived: Session = Session.__new__(Session)
        traitlets.HasTraits.__init__(derived)
        derived._lock = threading.RLock()
        derived.model, derived._handle = self.model, self._handle
        derived._prepend_bos, derived._metric_wish = self._prepend_bos, self._metric_wish
        derived.facts = self.facts
        derived._adopt(self.prompt_set, self._metric, self._clean)
        derived.selection = Selection(
            self.facts.n_layers, self.facts.n_heads, self.prompt_set.lengths.tolist()
        )
        derived.interventions = Interventions(derived)
        for item in interventions:
            derived.interventions.add(item)
        derived.interventions.observe(derived._interventions_changed, "entries")
        return derived

    def _interventions_changed(self, _change: Any) -> None:
        with self.lock:
            self.set_trait("revision", self.revision + 1)

    # --- life -------------------------------------------------------------------------------

    def explore(self, **options: Any) -> Explorer:
        """The linked dashboard of this session."""
        from lens_widgets.widgets.explorer import Explorer

        return Explorer(self, **options)

    def check_open(self) -> None:
        """Raises ClosedError after ``close``."""
        if self.closed:
            raise ClosedError

    def close(self) -> None:
        """Lets go of all activations. Views of the session say that it is closed."""
        if self.closed:
            return
        self._handle.worker.cancel(lambda key: _belongs(key, self))
        with self.lock:
            self._runs.clear()
            self._corrupted = None
            self.set_trait("closed", True)

    def submit(
        self,
        key: tuple[Any, ...],
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        on_wait: Callable[[bool], None] | None = None,
    ) -> None:
        """Queues widget-triggered work on the model's worker; the newest of each key wins."""
        from lens_widgets.engine.worker import Job

        self._handle.worker.submit(Job((id(self), *key), work, done, failed, on_wait))

    def cancel(self, key: tuple[Any, ...]) -> None:
        """Stops the queued or running work whose key begins with ``key``."""
        wanted = (id(self), *key)
        self._handle.worker.cancel(
            lambda other: isinstance(other, tuple) and other[: len(wanted)] == wanted
        )

    def __repr__(self) -> str:
        return (
            f"Session({self.facts.name}, {self.prompt_set.n_prompts} prompts, "
            f"{self._metric.label}, {len(self.interventions)} interventions)"
        )


def _belongs(key: Any, session: Session) -> bool:
    return isinstance(key, tuple) and key[0] == id(session)


def _check_model(model: Any) -> None:
    if not all(hasattr(model, name) for name in ("run_with_hooks", "cfg", "blocks")):
        raise InputError(
            f"model is a {type(model).__name__}, not a TransformerLens model.",
            'Pass TransformerBridge.boot_transformers("gpt2") or lw.load_demo("ioi").',
        )
    if model.training:
        raise InputError(
            "model is in training mode: dropout would make every number random.",
            "Call model.eval() first.",
        )
