"""Every run over one set of prompts: the clean one, the corrupted one, those with interventions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.gradients import Passed, Slopes, gradients
from lens_widgets.engine.inputs import InputsInRun, share_hooks, with_shares
from lens_widgets.engine.paths import mlp_writes
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.shares import GivenInputs, ReplacedShares, in_order
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.sweep import sweep
from lens_widgets.engine.trace import Trace, Tracer, past_blocks
from lens_widgets.engine.variants import BaseRun, Reading, Variant
from lens_widgets.engine.written import MeanWritten, Source, Written
from lens_widgets.errors import InputError
from lens_widgets.interventions.ends import silenced
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.base_runs import BaseRuns
from lens_widgets.session.fitness import check_finite
from lens_widgets.session.metrics import Metric
from lens_widgets.session.part import PART_CAPTURE, Active, Part
from lens_widgets.session.reading import prefix_owner, reading_of
from lens_widgets.session.run import Run

KEPT_BYTES = 1 << 30
"""Runs with interventions are kept up to this size, so that undo and redo cost nothing."""


class PromptRuns(BaseRuns):
    """The runs of prompts that are run together.

    Making it runs the model once, without interventions. ``part``: where these are some of a
    session's prompts.
    """

    def __init__(
        self,
        access: ModelAccess,
        facts: ModelFacts,
        prompt_set: PromptSet,
        metric: Metric,
        part: Part | None = None,
    ) -> None:
        super().__init__(access, facts, prompt_set, metric)
        self.part = part
        self._first = 0 if part is None else part.rows.start
        self._edited: OrderedDict[tuple[bool, Active], Run] = OrderedDict()
        self._corrupted_tracer: Tracer | None = None
        self._tracer = self._made_tracer(prompt_set)
        check_finite(facts, self._tracer.clean.logits, prompt_set, "prompts", self._first)
        self.clean = self._run(self._tracer.clean)

    @property
    def device(self) -> torch.device:
        return self.prompt_set.tokens.device

    @property
    def stream(self) -> StreamParts:
        """Of a part that of all prompts."""
        return super().stream if self.part is None else self.part.whole.stream

    def written(
        self, active: Active, writers: Iterable[int], *, corrupted: bool = False
    ) -> Written:
        """What some writers of the stream's graph write under ``active``."""
        run = self.run(active, corrupted=corrupted)
        found = run.activations(self.stream.hooks_of(writers))
        return Written(self.stream, found, self._silenced(active))

    def mean_written(self, writers: Iterable[int], active: Active = ()) -> Source:
        """The mean of what some writers write, over positions and all of the session's prompts."""
        if self.part is not None:
            return self.part.whole.mean_written(writers, self.part.widened(active))
        mask = self.prompt_set.attention_mask
        return MeanWritten(self.written(active, writers), None if mask is None else mask.bool())

    def clean_mean(self, name: str) -> Float[Tensor, "*axes"]:
        """The mean of a clean activation over positions and all of the session's prompts."""
        if self.part is not None:
            return self.part.whole.clean_mean(name)
        return self.prompt_set.real(self.clean.activation(name)).mean(dim=0)

    def run(self, active: Active, *, corrupted: bool = False) -> Run:
        known = self._known(active, corrupted) if active or corrupted else self.clean
        if known is not None:
            self.access.check_unchanged()
            return known
        self.access.look_anew()
        run = self.access.run_inline(lambda: self._edit(active, self._capture, corrupted))
        with self._lock:
            kept = self._edited
            # Another thread may have made the same one meanwhile: all are given the first.
            run = kept.setdefault((corrupted, active), run)
            most = KEPT_BYTES if self.part is None else self.part.kept_bytes
            while len(kept) > 1 and sum(r.n_bytes for r in kept.values()) > most:
                kept.popitem(last=False)
            return run

    def known_metric(self, active: Active) -> Float[Tensor, "prompt"] | None:
        known = self._known(active, False) if active else self.clean
        return None if known is None else known.metric

    def _measured(self, active: Active) -> Float[Tensor, "prompt"]:
        return self._edit(active, (), False).metric

    def sweep(
        self,
        active: Active,
        variants: Sequence[Variant],
        max_memory_gb: float | None = None,
        *,
        corrupted: bool = False,
        shares: Sequence[ReplacedShares] = (),
    ) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
        """The metric [prompt] under ``active`` and one variant each: (index, metric) as known.

        ``shares`` are replaced in all of them. A variant that changes nothing has the metric of the
        run it starts from. Variants change prompts that begin alike, corrupted ones too, in the
        same way. Runs that cannot be batched are made one at a time.
        """
        hooks, cuts = self._edits(active)
        cuts = in_order([*cuts, *shares])
        variants = [variant.over(cuts) for variant in variants]
        tracer = self._tracer_of(corrupted)
        run = self.run(active, corrupted=corrupted)
        if shares:
            run = self._run(tracer.edited(self._with(hooks, cuts, active), self._capture))
        self.access.look_anew()
        effective = [i for i, variant in enumerate(variants) if bool(variant.changed.any())]
        for index in sorted(set(range(len(variants))) - set(effective)):
            yield index, run.metric
        chosen = [variants[index] for index in effective]
        calls = run.trace.calls
        if not calls or any(past_blocks(name) for name, _ in hooks):
            for index, variant in zip(effective, chosen, strict=True):
                own = self._with([*hooks, *variant.hooks], variant.shares, active, variant.given)
                yield index, self._run(tracer.edited(own, ())).metric
            return
        replaced = [*cuts, *(one for variant in chosen for one in variant.shares)]
        written = None
        if replaced:
            writers = sorted({number for one in replaced for number in one.writers})
            found = run.activations(self.stream.hooks_of(writers))
            written = Written(self.stream, found, self._silenced(active))
        base = BaseRun(
            calls, hooks, prefix_owner(self.facts, self.prompt_set, active), tuple(cuts), written
        )
        if not self.facts.batch.causal:
            chosen = [variant.everywhere() for variant in chosen]
        for chunk in sweep(self.access, base, chosen, self._reading(), max_memory_gb):
            for number, metric in chunk:
                yield effective[number], metric

    def read_streams(
        self, active: Active, numbers: Iterable[int], *, corrupted: bool = False
    ) -> dict[int, Float[Tensor, "prompt pos d_model"]]:
        """The streams that some readers of the graph read under ``active``, by number, with what is
        cut for them alone."""
        run, stream = self.run(active, corrupted=corrupted), self.stream
        cuts = self._edits(active)[1]
        written = None
        if cuts:
            writers = {number for one in cuts for number in one.writers}
            written = self.written(active, sorted(writers), corrupted=corrupted)
        found = {}
        for number in numbers:
            reader = stream.graph.readers[number]
            name = stream.stream_hook(reader.layer, reader.kind)
            found[number] = there = run.activation(name)
            # Where the hook is not the reader's own the cuts are not in it.
            if cuts and name != stream.input_hook(reader.layer, reader.kind):
                state = InputsInRun(stream, base=written)
                state.join(cuts, reader.layer or 0)
                found[number] = state.read_by(number, there)
        return found

    def mlp_writes(
        self,
        active: Active,
        layer: int,
        inputs: Sequence[Float[Tensor, "prompt pos d_model"]],
        *,
        corrupted: bool = False,
    ) -> Float[Tensor, "input prompt pos d_model"]:
        """What an MLP writes under ``active`` for each of some streams that it alone reads."""
        run = self.run(active, corrupted=corrupted)
        if not run.trace.calls:
            raise InputError(
                "through_mlps: this model's blocks cannot be called one by one.",
                "Patch direct paths: through_mlps=False.",
            )
        base = BaseRun(run.trace.calls, self._edits(active)[0])
        work = partial(mlp_writes, base=base, stream=self.stream, layer=layer, inputs=inputs)
        return self.access.exclusively(work)

    # Tensors made in inference mode, where a caller may be, cannot take part in a backward pass.
    @torch.inference_mode(False)
    def gradients(self, active: Active, wanted: Slopes, *, corrupted: bool = False) -> Passed:
        """Activations of the run under ``active``, and the metric's gradients by them."""
        run = self.run(active, corrupted=corrupted)
        if not run.trace.calls:
            raise InputError(
                "Estimates need a backward pass: this model's blocks cannot be called one by one.",
                "Use patch_sweep, which is exact.",
            )
        if not self.facts.differentiable:
            raise InputError(
                "Estimates need a backward pass: the layers of this model "
                f"({self.facts.quantised}) have none on {self.device}.",
                "Use patch_sweep, which is exact.",
            )
        hooks, shares = self._edits(active)
        if shares and wanted.relp is not None:
            raise InputError(
                "method='relp' has no rule for readers of which an edge is cut.",
                "Use method='gradient', or estimate before you cut.",
            )
        self.access.look_anew()
        first, last = (
            share_hooks(self.stream, shares, self._silenced(active)) if shares else ([], [])
        )
        hooks = [*first, *hooks]
        compute, prompts = self._reading().function, self.prompt_set
        positions = None
        if self.metric.reads != "all" and not any(past_blocks(name) for name, _ in (*hooks, *last)):
            positions = prompts.positions
        at = prompts.positions
        rows = torch.arange(len(at), device=at.device)

        def value(logits: Tensor) -> Tensor:
            if self.metric.reads == "all":
                return compute(logits)
            read = logits if positions is not None else logits[rows, at]
            return compute(self.metric.narrow(read.float(), prompts))

        return self.access.exclusively(
            lambda model, check: gradients(
                model,
                self.facts,
                run.trace.calls,
                wanted,
                value,
                positions=positions,
                hooks=hooks,
                last=last,
                check=check,
            )
        )

    def release(self) -> None:
        with self._lock:
            self._edited.clear()
            self._corrupted_tracer = None

    def rest(self) -> None:
        """Lets go of what can be made again from what was recorded."""
        for trace in self._traces():
            trace.release()

    @property
    def held(self) -> dict[int, int]:
        """Bytes of everything that is held, by where it lies: some belongs to several runs."""
        every = [tensor for trace in self._traces() for tensor in trace.held]
        return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in every}

    def _traces(self) -> list[Trace]:
        with self._lock:
            runs, tracer = list(self._edited.values()), self._corrupted_tracer
        traces = [self._tracer.clean, *(run.trace for run in runs)]
        return traces if tracer is None else [*traces, tracer.clean]

    def _known(self, active: Active, corrupted: bool) -> Run | None:
        with self._lock:
            run = self._edited.get((corrupted, active))
            if run is not None:
                self._edited.move_to_end((corrupted, active))
            return run

    @property
    def _capture(self) -> list[str]:
        if self.part is not None:
            # Of many prompts views look at few: what else they read is made when asked for.
            return [name for name in PART_CAPTURE if name in self.facts.points.values()]
        prompts = self.prompt_set
        padded = prompts.attention_mask is not None
        return self.facts.standard_capture(*prompts.tokens.shape, padded=padded)

    def _made_tracer(self, prompts: PromptSet) -> Tracer:
        return Tracer(
            self.access,
            prompts.tokens,
            prompts.attention_mask,
            self._capture,
            resumable=self.facts.resumable,
        )

    def _tracer_of(self, corrupted: bool) -> Tracer:
        if not corrupted:
            return self._tracer
        known = self._corrupted_tracer
        if known is None:
            corrupted_prompts = self.prompt_set.corrupted()
            made = self._made_tracer(corrupted_prompts)
            logits = made.clean.logits
            check_finite(self.facts, logits, corrupted_prompts, "corrupted", self._first)
            with self._lock:
                known = self._corrupted_tracer = self._corrupted_tracer or made
        return known

    def _edit(self, active: Active, capture: Sequence[str], corrupted: bool) -> Run:
        tracer = self._tracer_of(corrupted)
        if not active:
            return self._run(tracer.clean)
        return self._run(tracer.edited(self._hooks(active), capture))

    def _hooks(self, active: Active) -> list[Hook]:
        return self._with(*self._edits(active), active)

    def _edits(self, active: Active) -> tuple[list[Hook], list[ReplacedShares]]:
        """The hooks of what acts one by one, and the shares that are replaced, which add up."""
        hooks = [hook for item in active if not item.together for hook in item.hooks(self)]
        shares = [item.replaced_shares(self) for item in active if item.together]
        return hooks, in_order(shares)

    def _with(
        self,
        hooks: Sequence[Hook],
        shares: Sequence[ReplacedShares],
        active: Active,
        given: GivenInputs | None = None,
    ) -> list[Hook]:
        """All of that as the hooks of one run."""
        return with_shares(hooks, shares, self._silenced(active), given)

    def _silenced(self, active: Active) -> dict[int, Tensor]:
        return silenced(self.prompt_set, active, self.facts.n_layers) if active else {}

    def _reading(self) -> Reading:
        """The metric as a function of the logits it reads."""
        reference = self.metric.read(self._tracer.clean, self.prompt_set)
        return reading_of(self.metric, self.prompt_set, self.facts, reference)

    def _run(self, trace: Trace) -> Run:
        clean = self._tracer.clean
        metric = self.metric.of(trace, self.prompt_set, None if trace is clean else clean)
        return Run(self.access, trace, self.prompt_set, metric, self.facts.points)
