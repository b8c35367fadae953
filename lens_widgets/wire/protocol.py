"""What crosses the wire between a view and the kernel, in one place.

Every message and every method is a ``TypedDict`` here. Python validates requests against these
classes (``lens_widgets.wire.schema``) and ``js/src/generated/protocol.ts`` is written from them
(``python -m lens_widgets.wire.generate``), so the two sides cannot drift apart.

Synced traits carry only what is small: selection, options, the list of interventions. Everything
else is asked for: a view sends a ``Request`` and gets any number of ``Progress`` messages, then
exactly one ``Reply`` or ``ErrorMessage``. Numbers inside JSON are finite or null; arrays travel as
buffers described by ``ArrayRef``.
"""

# Annotations must be real here: of strings, __optional_keys__ cannot tell what is NotRequired.

from typing import Annotated, Any, Literal

from typing_extensions import NotRequired, TypedDict

MAX_REPLY_BYTES = 1_000_000
MAX_REQUEST_BYTES = 64_000
MAX_PROGRESS_PER_SECOND = 10

Which = Literal["baseline", "current", "difference"]
AttentionMode = Literal["pattern", "value", "scores"]
HeadAverage = Literal["none", "layer", "all"]
ReadAt = Literal["metric", "selected"]
AblationKind = Literal["zero", "mean", "resample"]
AttributionBy = Literal["head", "layer", "component"]
Scope = Literal["mean", "selected"]
TokenColor = Literal["loss", "hit"]
PatchMaps = Literal["blocks", "heads"]
PatchInto = Literal["corrupted", "clean"]
CellValues = Literal["attribution", "effect"]
LensTarget = Literal["auto", "answer", "next"]
LensColor = Literal["prob", "rank", "kl"]
Composition = Literal["K", "Q", "V"]
Circuit = Literal["OV", "QK", "positions", "K", "Q", "V"]
CircuitTokens = Literal["prompt", "vocabulary"]
SourcesBy = Literal["head", "layer"]
ScoreKind = Literal["previous", "current", "first", "induction", "duplicate"]
SliceRows = Literal["pos", "head"]
GroupBy = Literal["layer", "hook"]


class ArrayRef(TypedDict):
    """A buffer's meaning: value = raw * scale + offset, row-major; int8 -128 is no value (NaN).
    ``pool``: each is the largest of a block of so many rows and columns of the last two axes."""

    buffer: int
    dtype: Literal["uint8", "int8", "int32", "float32"]
    shape: list[int]
    scale: float
    offset: float
    pool: NotRequired[list[int]]


# --- messages -----------------------------------------------------------------------------------


class Request(TypedDict):
    kind: Literal["request"]
    id: str
    slot: str
    seq: int
    method: str
    args: dict[str, Any]


class Cancel(TypedDict):
    """Stops the running request of a slot; its answer is an error of type ``Cancelled``."""

    kind: Literal["cancel"]
    slot: str


class Reply(TypedDict):
    """``revision``: that of the session whose numbers these are."""

    kind: Literal["reply"]
    id: str
    slot: str
    seq: int
    revision: int
    result: dict[str, Any]


class Progress(TypedDict):
    """``waiting``: a cell is running. ``partial`` has the method's result type, as far as known."""

    kind: Literal["progress"]
    id: str
    slot: str
    seq: int
    state: Literal["computing", "waiting"]
    done: int
    total: int
    label: str
    partial: NotRequired[dict[str, Any]]


class ErrorInfo(TypedDict):
    """``type`` is ``Superseded`` (a newer request won) or ``Cancelled``, or the exception's
    name."""

    type: str
    message: str
    hint: str


class ErrorMessage(TypedDict):
    kind: Literal["error"]
    id: str
    slot: str
    seq: int
    error: ErrorInfo


# --- synced state -------------------------------------------------------------------------------


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


class PatchCell(TypedDict):
    """One cell of a map; ``head`` None for blocks, ``pos`` None for all positions."""

    node: str
    layer: int
    head: int | None
    pos: int | None


class InterventionInfo(TypedDict):
    """One line of the list of interventions. ``key`` names it in requests; ``cell`` is the cell of
    a patching map that it keeps, if it is one."""

    key: str
    label: str
    component: str
    kind: str
    detail: str
    enabled: bool
    cell: PatchCell | None


class SessionState(TypedDict):
    """``revision`` grows with every change that can move a number, ``prompts_revision`` with the
    prompts or the metric only."""

    revision: int
    prompts_revision: int
    n_prompts: int
    interventions: list[InterventionInfo]
    can_undo: bool
    can_redo: bool
    closed: bool


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


# --- methods ------------------------------------------------------------------------------------


class Summary(TypedDict):
    """The metric behind every number of a reply, mean over ``n_prompts`` prompts."""

    metric: str
    units: str
    n_prompts: int
    baseline: float | None
    current: float | None
    revision: int


class Empty(TypedDict):
    pass


class PromptArgs(TypedDict):
    prompt: int


class TokenInfo(TypedDict):
    """``text`` is safe to show: spaces as a middle dot, bytes of split characters as ``\\xC3``."""

    id: int
    text: str


class AnswerInfo(TypedDict):
    correct: TokenInfo
    wrong: TokenInfo


class TokensResult(TypedDict):
    """``text``, ``correct`` and ``wrong`` are what the editor starts from, verbatim. ``bos``: the
    prompt begins with the tokenizer's BOS."""

    summary: Summary
    prompt: int
    n_prompts: int
    text: str
    correct: str
    wrong: str
    corrupted: str | None
    tokens: list[TokenInfo]
    answer: AnswerInfo | None
    bos: bool


class Accuracy(TypedDict):
    """Next tokens that rank first, of all ``tokens`` that are predicted in all prompts."""

    hits: int
    baseline_hits: int
    tokens: int


class TokenStatsResult(TypedDict):
    """Per position of one prompt, with the interventions. ``loss`` in nats for predicting the next
    token (NaN at the last), ``prob`` and ``rank`` (0 = first) of the true next token, ``hit`` 1
    where it ranks first. ``top_probs`` is [pos, k]; ``top_tokens`` its texts. Baselines beside
    them."""

    summary: Summary
    prompt: int
    tokens: TokensResult
    loss: ArrayRef
    baseline_loss: ArrayRef
    prob: ArrayRef
    rank: ArrayRef
    baseline_rank: ArrayRef
    accuracy: Accuracy
    top_probs: ArrayRef
    top_tokens: list[list[TokenInfo]]


class BosResult(TypedDict):
    """One prompt's text tokenized with and without BOS, ``tokens`` having it. Arrays are [2, pos]:
    with, without. ``loss`` in nats for predicting the next token, ``rank`` of the true one, NaN and
    -1 where there is none. ``own``: which of the two the session has."""

    summary: Summary
    prompt: int
    tokens: list[TokenInfo]
    own: Literal["with", "without"]
    loss: ArrayRef
    rank: ArrayRef


class EditPromptArgs(TypedDict):
    """Replaces one prompt. Empty ``correct`` and ``wrong`` keep the session without answers."""

    prompt: int
    text: str
    correct: str
    wrong: str
    corrupted: NotRequired[str | None]


class PatternsArgs(TypedDict):
    prompt: int
    which: Which
    attention_mode: NotRequired[AttentionMode]


class PatternsResult(TypedDict):
    """All heads of one prompt, ``patterns`` [layer, head, query, key], NaN where a score is masked;
    ``pool`` > 1 when each cell is the largest of pool x pool weights (largest magnitude for
    differences and scores). ``definition`` says in words what they are."""

    summary: Summary
    tokens: TokensResult
    patterns: ArrayRef
    pool: int
    which: Which
    attention_mode: AttentionMode
    units: str
    definition: str


class PatternArgs(TypedDict):
    prompt: int
    which: Which
    attention_mode: NotRequired[AttentionMode]
    head_average: NotRequired[HeadAverage]
    layer: int
    head: int


class PatternResult(TypedDict):
    """One head, or the mean over its layer's or over all heads, ``pattern`` [query, key]; ``exact``
    false when quantised to fit a message, and pooled as in ``PatternsResult`` when even that is too
    large."""

    summary: Summary
    prompt: int
    layer: int
    head: int
    which: Which
    attention_mode: AttentionMode
    head_average: HeadAverage
    exact: bool
    pool: int
    pattern: ArrayRef


class PatternLinesArgs(TypedDict):
    prompt: int
    which: Which
    attention_mode: NotRequired[AttentionMode]
    head_average: NotRequired[HeadAverage]
    layer: int
    head: int
    query_pos: int
    key_pos: int


class PatternLinesResult(TypedDict):
    """Exact weights through one cell: ``row`` [key] of the query and ``column`` [query] of the
    key."""

    row: ArrayRef
    column: ArrayRef


class AttributionArgs(TypedDict):
    """``pos`` reads the logits there instead of where the metric does."""

    by: AttributionBy
    scope: Scope
    prompt: int
    pos: NotRequired[int | None]


class EffectNumbers(TypedDict):
    """A direct effect, and for means its standard errors over prompts (of the change: paired)."""

    baseline: float | None
    current: float | None
    baseline_sem: float | None
    current_sem: float | None
    change_sem: float | None


class AttributionRow(EffectNumbers):
    """``component`` as TransformerLens names it. ``ablatable`` tells whether it has a switch."""

    component: str
    layer: int | None
    head: int | None
    ablatable: bool


class AttributionResult(TypedDict):
    """Direct effects that sum to ``total``; ``definition`` says of what, in one sentence.
    ``n_read``: how many prompts a mean is over."""

    summary: Summary
    rows: list[AttributionRow]
    total: AttributionRow
    units: str
    definition: str
    n_read: int


class HeadSourcesArgs(TypedDict):
    prompt: int
    layer: int
    head: int
    pos: NotRequired[int | None]


class HeadSourcesResult(TypedDict):
    """One head's direct effect on one prompt by the token whose value carried it. ``baseline`` and
    ``current`` are [key]; they sum to the totals but for the ``rest``, which interventions put into
    the head."""

    summary: Summary
    tokens: list[TokenInfo]
    baseline: ArrayRef
    current: ArrayRef
    baseline_total: float | None
    current_total: float | None
    rest: float | None
    units: str
    definition: str


class MlpNeuronsArgs(TypedDict):
    """The ``k`` neurons of one MLP that matter most, before or after the interventions."""

    layer: int
    scope: Scope
    prompt: int
    pos: NotRequired[int | None]
    k: int


class NeuronRow(EffectNumbers):
    """``activation`` is what enters the output weights, at the positions read."""

    neuron: int
    activation: float | None


class MlpNeuronsResult(TypedDict):
    """Largest first. ``others`` is what all the other neurons add, ``bias`` what the MLP adds
    besides its neurons; with the rows they sum to the MLP's effect, ``total``."""

    summary: Summary
    layer: int
    rows: list[NeuronRow]
    others: EffectNumbers
    bias: EffectNumbers
    total: EffectNumbers
    n_neurons: int
    units: str
    definition: str


class PatchingArgs(TypedDict):
    """``blocks``: residual stream, attention and MLP outputs by layer and position; ``heads``:
    outputs, queries, keys, values and patterns by layer and head, with ``by_pos`` by position
    too."""

    patch_maps: PatchMaps
    by_pos: bool
    patch_into: PatchInto
    normalize: bool
    scope: Scope
    prompt: int


class PatchMapInfo(TypedDict):
    """One map in the order of ``dims``. ``exact`` is 0 where ``values`` are estimates still;
    ``sem`` the standard error over prompts (NaN for one). ``rank_correlation`` compares the
    estimate with the ``n_exact`` exact values known so far."""

    node: str
    title: str
    dims: list[str]
    values: ArrayRef
    sem: ArrayRef
    exact: ArrayRef
    n_exact: int
    rank_correlation: float | None


class PatchingResult(TypedDict):
    """``tokens`` name the positions; ``missing`` says what this model cannot be patched at."""

    summary: Summary
    maps: list[PatchMapInfo]
    tokens: list[TokenInfo]
    missing: list[str]
    clean: float | None
    corrupted: float | None
    units: str
    definition: str


class TogglePatchesArgs(TypedDict):
    """Keeps patches of the corrupted prompts' values in the session's own run, or takes them away
    when all of them are kept."""

    cells: list[PatchCell]


class AblationGridArgs(TypedDict):
    kind: AblationKind
    values: CellValues
    scope: Scope
    prompt: int


class AblationGridResult(TypedDict):
    """``heads`` [layer, head] and ``mlps`` [layer]; NaN where unknown yet or absent. With
    ``values="effect"``: metric after ablating that one component minus the metric now."""

    summary: Summary
    heads: ArrayRef
    mlps: ArrayRef
    units: str
    definition: str


class InterventionWorth(TypedDict):
    """``worth``: metric with everything active minus the metric without this one."""

    key: str
    worth: float | None


class Prediction(TypedDict):
    token: TokenInfo
    baseline: float
    current: float


class EffectsResult(TypedDict):
    """What the active interventions do together (``summary``), one by one, and to the next token of
    the selected prompt (``predictions``: union of both top fives, by baseline)."""

    summary: Summary
    worths: list[InterventionWorth]
    predictions: list[Prediction]
    prompt: int
    baseline: float | None
    current: float | None


class LensArgs(TypedDict):
    """A window of ``count`` positions from ``start``; the last ones unless told."""

    prompt: int
    which: Which
    lens_target: LensTarget
    incl_mid: bool
    start: NotRequired[int]
    count: NotRequired[int]


class LensResult(TypedDict):
    """Arrays [stage, pos] of a window of one prompt. ``token`` is the likeliest next token and
    ``was`` the baseline's; ``prob`` is the token's probability, ``rank`` and ``target_prob`` those
    of the target at each position (``targets``, None where there is none), ``kl`` in nats. A
    difference has changes of all but the tokens. ``texts`` are all tokens of the two arrays."""

    summary: Summary
    tokens: TokensResult
    which: Which
    stages: list[str]
    layers: list[int]
    start: int
    token: ArrayRef
    was: ArrayRef
    prob: ArrayRef
    rank: ArrayRef
    target_prob: ArrayRef
    kl: ArrayRef
    texts: list[TokenInfo]
    targets: list[TokenInfo | None]
    target: str
    d_vocab: int


class LensCellArgs(TypedDict):
    prompt: int
    lens_target: LensTarget
    incl_mid: bool
    stage: str
    pos: int
    k: int


class LensToken(TypedDict):
    """One token at one stage: probability and rank (0 = first), before and after."""

    token: TokenInfo
    baseline: float
    current: float
    baseline_rank: int
    current_rank: int


class LensCellResult(TypedDict):
    """The union of both top k, by current probability; ``kl`` from the final distribution, nats."""

    summary: Summary
    prompt: int
    stage: str
    pos: int
    predictions: list[LensToken]
    target: LensToken | None
    baseline_kl: float
    current_kl: float


class LensPathArgs(TypedDict):
    """No ``pins``: the answers, or the tokens that are likeliest at the end. ``query_pos`` None:
    the prompt's last position."""

    prompt: int
    query_pos: int | None
    pins: list[int]
    incl_mid: bool


class LensPathResult(TypedDict):
    """Arrays [token, stage] at one position."""

    summary: Summary
    prompt: int
    pos: int
    stages: list[str]
    tokens: list[TokenInfo]
    baseline_prob: ArrayRef
    current_prob: ArrayRef
    baseline_rank: ArrayRef
    current_rank: ArrayRef
    d_vocab: int


class LensLinesArgs(TypedDict):
    scope: Scope
    prompt: int
    incl_mid: bool


class Curve(TypedDict):
    """Values by ``names`` with their standard errors over prompts; NaN for a single prompt.
    ``change`` is current minus baseline, its error that of the paired changes."""

    names: list[str]
    baseline: ArrayRef
    current: ArrayRef
    change: ArrayRef
    baseline_sem: ArrayRef
    current_sem: ArrayRef
    change_sem: ArrayRef


class LensLinesResult(TypedDict):
    """The metric's logits as they build up over the stages, and what each part adds."""

    summary: Summary
    accumulated: Curve
    parts: Curve
    units: str
    definition: str


class LensCodeArgs(TypedDict):
    incl_mid: bool


class TextArgs(TypedDict):
    text: str


class ToggleArgs(TypedDict):
    component: str
    kind: AblationKind


class KeyArgs(TypedDict):
    key: str


class EnableArgs(TypedDict):
    key: str
    enabled: bool


class ChangeResult(TypedDict):
    revision: int


class CodeResult(TypedDict):
    code: str


class CompositionArgs(TypedDict):
    """``from_layer``: the first destination layer wanted, where not all fit into a reply."""

    composition: Composition
    subtract_random: bool
    from_layer: NotRequired[int]


class CompositionResult(TypedDict):
    """``scores`` [source head, destination head] of the sources of all layers but the last, and the
    destinations of ``n_dst`` layers from ``dst_layer`` on; heads are numbered through the layers.
    NaN where the destination is not later. ``random`` and ``random_spread``: mean and standard
    deviation of random matrices, over ``random_seeds``."""

    summary: Summary
    scores: ArrayRef
    dst_layer: int
    n_dst: int
    random: float
    random_spread: float
    random_seeds: int
    units: str
    definition: str
    weights: str


class CircuitArgs(TypedDict):
    """Which circuit. The writer is read for compositions only."""

    circuit: Circuit
    layer: int
    head: int
    writer_layer: int | None
    writer_head: int | None


class CircuitTileArgs(CircuitArgs):
    """A window of ``size`` x ``size`` cells of ``pool`` x ``pool`` entries each from ``row`` and
    ``col``, or with ``circuit_tokens="prompt"`` the tokens of that prompt."""

    circuit_tokens: CircuitTokens
    prompt: int
    row: NotRequired[int]
    col: NotRequired[int]
    size: NotRequired[int]
    pool: NotRequired[int]


class CircuitTileResult(TypedDict):
    """``values`` [row, column]; each the entry of largest magnitude of its pool. ``shape`` is that
    of the whole circuit, ``token_rows`` false when its axes count positions."""

    summary: Summary
    name: str
    definition: str
    units: str
    weights: str
    shape: list[int]
    rank: int
    signed: bool
    token_axes: bool
    rows: list[TokenInfo]
    columns: list[TokenInfo]
    values: ArrayRef
    row: int
    col: int
    pool: int
    max_pool: int


class CircuitRowArgs(CircuitArgs):
    row: int
    top_k: int


class Ranked(TypedDict):
    """``token`` is a position's number where a circuit's axes count positions."""

    token: TokenInfo
    value: float


class CircuitRowResult(TypedDict):
    """The largest and the smallest entries of one row; ``own`` is that of the row's own column and
    ``rank`` its place from the top, 0 the largest."""

    row: TokenInfo
    highest: list[Ranked]
    lowest: list[Ranked]
    own: float
    rank: int


class CircuitFindArgs(CircuitArgs):
    text: str


class CircuitFindResult(TypedDict):
    """Tokens whose text contains the one searched for, shortest first."""

    tokens: list[TokenInfo]


class CircuitSpectrumResult(TypedDict):
    values: ArrayRef


class CircuitDirectionArgs(CircuitArgs):
    direction: int
    top_k: int


class CircuitDirectionResult(TypedDict):
    """The tokens furthest along one singular direction, on the row and on the column side; their
    signs belong together."""

    direction: int
    value: float
    row_highest: list[Ranked]
    row_lowest: list[Ranked]
    column_highest: list[Ranked]
    column_lowest: list[Ranked]


class CircuitCopyResult(TypedDict):
    """Of the ``done`` tokens looked at, how many have their own column as the largest of their row,
    and among the five largest."""

    done: int
    total: int
    top1: int
    top5: int


class NeuronArgs(TypedDict):
    """``neuron`` as in ``"L3N1024"``."""

    neuron: str
    prompt: int
    top_k: int


class NeuronPlace(TypedDict):
    """A token of some prompt, and a neuron's activation there."""

    token: TokenInfo
    prompt: int
    pos: int
    value: float


class NeuronResult(TypedDict):
    """One neuron on one prompt before and after, [pos], and the places of all prompts where it is
    highest and lowest now. ``largest``: the largest magnitude over all prompts and both runs."""

    summary: Summary
    neuron: str
    layer: int
    index: int
    n_neurons: int
    tokens: TokensResult
    baseline: ArrayRef
    current: ArrayRef
    largest: float
    highest: list[NeuronPlace]
    lowest: list[NeuronPlace]
    units: str
    definition: str


class TopNeuronsArgs(TypedDict):
    """``query_pos`` None: the prompt's last position."""

    prompt: int
    query_pos: int | None
    top_k: int
    which: Which


class TopNeuronsResult(TypedDict):
    """The neurons of all layers with the largest magnitude at ``pos``, largest first, and their
    activations along the prompt, ``values`` [neuron, pos]."""

    summary: Summary
    pos: int
    neurons: list[str]
    values: ArrayRef


class ScoreSourcesArgs(TypedDict):
    """Without both positions: the mean over all pairs that are not masked."""

    layer: int
    head: int
    prompt: int
    sources_by: SourcesBy
    query_pos: int | None
    key_pos: int | None


class ScoreSourcesResult(TypedDict):
    """``parts`` [query source, key source], under the interventions and without them; each sums to
    its ``score``, which is the model's own, before any cap. Null where the pair is masked."""

    summary: Summary
    tokens: TokensResult
    sources: list[str]
    parts: ArrayRef
    baseline_parts: ArrayRef
    score: float | None
    baseline_score: float | None
    query_pos: int | None
    key_pos: int | None
    units: str
    definition: str


class ScoreMapArgs(TypedDict):
    """Sources by name; an empty name is the sum over all of them."""

    layer: int
    head: int
    prompt: int
    sources_by: SourcesBy
    query_source: str
    key_source: str
    which: Which


class ScoreMapResult(TypedDict):
    """``values`` [query, key], NaN where masked; each the largest magnitude of ``pool`` x
    ``pool``."""

    summary: Summary
    values: ArrayRef
    pool: int
    query_source: str
    key_source: str


class StripeArgs(TypedDict):
    prompt: int
    stripe: ScoreKind


class StripeResult(TypedDict):
    """The cells that a kind of score is the mean of, ``cells`` [place, 2] as query and key, at most
    one a query. Arrays [layer, head]: mean attention on them, of the prompt and (``mean_*``) over
    the ``n_with`` prompts that have such cells. ``missing``: why the prompt has none, or no prompt
    has; else ""."""

    summary: Summary
    prompt: int
    stripe: ScoreKind
    cells: ArrayRef
    baseline: ArrayRef
    current: ArrayRef
    mean_baseline: ArrayRef
    mean_current: ArrayRef
    n_with: int
    definition: str
    missing: str


class LossesArgs(TypedDict):
    scope: Scope
    prompt: int


class LossesResult(TypedDict):
    """Nats by position, of one prompt or means with standard errors. ``half``: n, where the text is
    one token and then n tokens twice; ``*_halves`` [2] are the means over what predicts each."""

    summary: Summary
    tokens: TokensResult
    half: int | None
    baseline: ArrayRef
    baseline_sem: ArrayRef
    baseline_halves: ArrayRef
    baseline_halves_sem: ArrayRef
    current: ArrayRef
    current_sem: ArrayRef
    current_halves: ArrayRef
    current_halves_sem: ArrayRef
    units: str


class ModelFact(TypedDict):
    """One line of the card; ``group`` is shape, design, weights or tokenizer."""

    group: str
    name: str
    value: str
    note: str


class ModelFinding(TypedDict):
    """What trying the model told; ``works`` is false where something cannot be had."""

    works: bool
    text: str


class MatrixInfo(TypedDict):
    """One parameter, in each of ``layers`` ("0-11"; empty outside of blocks). ``shape`` is one
    layer's, by ``axes`` where those have names; ``count`` is over all layers. ``shared`` names what
    else is the same parameter, ``code`` reads the first."""

    name: str
    group: str
    shape: list[int]
    axes: list[str]
    layers: str
    n_layers: int
    count: int
    megabytes: float
    shared: list[str]
    code: str


class ModelCardResult(TypedDict):
    """``count`` and ``megabytes`` are the sums over ``matrices``."""

    summary: Summary
    facts: list[ModelFact]
    findings: list[ModelFinding]
    matrices: list[MatrixInfo]
    count: int
    megabytes: float


class ActivationGroup(TypedDict):
    """One kind of activation. ``{layer}`` in names stands for each of ``layers``, which is empty
    outside of blocks. ``short``: what ``cache[...]`` takes beside the layer: one name, or a name
    and a part of the block; empty where there is no short name. ``shape`` on all tokens, padding
    included; -1 and ``n_bytes`` None where it depends on more than their number."""

    name: str
    aliases: list[str]
    layers: list[int]
    short: list[str]
    dims: list[str]
    shape: list[int]
    n_bytes: int | None


class ActivationsResult(TypedDict):
    """Every activation of a run, in the order in which they fire; ``n_bytes`` of all together."""

    summary: Summary
    groups: list[ActivationGroup]
    n_activations: int
    n_bytes: int
    dtype: str


class ActivationArgs(TypedDict):
    """``head`` and ``query_pos`` (None: the last) say where axes are cut that are not shown;
    ``row_from`` and ``column_from`` begin a part that is shown number by number."""

    activation: str
    prompt: int
    which: Which
    slice_rows: SliceRows
    head: NotRequired[int]
    query_pos: NotRequired[int | None]
    row_from: NotRequired[int]
    column_from: NotRequired[int]


class ActivationStats(TypedDict):
    """Of ``n`` numbers, those that are finite; None where there is none. ``std`` with n - 1,
    ``zeros`` the fraction that is zero; ``n_masked`` are attention scores that are masked, not in
    ``n``."""

    n: int
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    norm: float | None
    zeros: float | None
    n_nan: int
    n_inf: int
    n_masked: int


class AxisCut(TypedDict):
    dim: str
    index: int
    size: int


class ActivationResult(TypedDict):
    """One prompt's activation without padding: ``dims`` and ``shape``, statistics of all of it, and
    a plane of ``n_rows`` x ``n_columns``. ``values`` is [row, column] from ``row`` and ``column``
    on, each the largest magnitude of ``row_pool`` x ``column_pool`` numbers, NaN for what is NaN or
    masked; ``column_dim`` empty for a single axis. ``cuts``: where the axes were cut that are not
    shown."""

    summary: Summary
    tokens: TokensResult
    activation: str
    prompt: int
    which: Which
    dims: list[str]
    shape: list[int]
    dtype: str
    baseline: ActivationStats
    current: ActivationStats
    difference: ActivationStats
    row_dim: str
    column_dim: str
    n_rows: int
    n_columns: int
    row: int
    column: int
    row_pool: int
    column_pool: int
    cuts: list[AxisCut]
    values: ArrayRef
    units: str


class ActivationCodeArgs(TypedDict):
    activation: str
    which: Which


METHODS: dict[str, tuple[type, type]] = {
    "tokens": (PromptArgs, TokensResult),
    "token_stats": (PromptArgs, TokenStatsResult),
    "edit_prompt": (EditPromptArgs, ChangeResult),
    "patterns": (PatternsArgs, PatternsResult),
    "pattern": (PatternArgs, PatternResult),
    "pattern_lines": (PatternLinesArgs, PatternLinesResult),
    "attribution": (AttributionArgs, AttributionResult),
    "head_sources": (HeadSourcesArgs, HeadSourcesResult),
    "mlp_neurons": (MlpNeuronsArgs, MlpNeuronsResult),
    "compare_bos": (PromptArgs, BosResult),
    "ablation_grid": (AblationGridArgs, AblationGridResult),
    "patching": (PatchingArgs, PatchingResult),
    "patching_code": (PatchingArgs, CodeResult),
    "toggle_patches": (TogglePatchesArgs, ChangeResult),
    "effects": (PromptArgs, EffectsResult),
    "lens": (LensArgs, LensResult),
    "lens_cell": (LensCellArgs, LensCellResult),
    "lens_path": (LensPathArgs, LensPathResult),
    "lens_lines": (LensLinesArgs, LensLinesResult),
    "lens_token": (TextArgs, TokenInfo),
    "lens_code": (LensCodeArgs, CodeResult),
    "composition": (CompositionArgs, CompositionResult),
    "circuit_tile": (CircuitTileArgs, CircuitTileResult),
    "circuit_row": (CircuitRowArgs, CircuitRowResult),
    "circuit_find": (CircuitFindArgs, CircuitFindResult),
    "circuit_spectrum": (CircuitArgs, CircuitSpectrumResult),
    "circuit_direction": (CircuitDirectionArgs, CircuitDirectionResult),
    "circuit_copy": (CircuitArgs, CircuitCopyResult),
    "neuron": (NeuronArgs, NeuronResult),
    "top_neurons": (TopNeuronsArgs, TopNeuronsResult),
    "stripe": (StripeArgs, StripeResult),
    "losses": (LossesArgs, LossesResult),
    "losses_code": (LossesArgs, CodeResult),
    "model_card": (Empty, ModelCardResult),
    "activations": (Empty, ActivationsResult),
    "activation": (ActivationArgs, ActivationResult),
    "activation_code": (ActivationCodeArgs, CodeResult),
    "toggle": (ToggleArgs, ChangeResult),
    "set_enabled": (EnableArgs, ChangeResult),
    "remove": (KeyArgs, ChangeResult),
    "undo": (Empty, ChangeResult),
    "redo": (Empty, ChangeResult),
    "clear": (Empty, ChangeResult),
    "code": (Empty, CodeResult),
}


class Options(TypedDict):
    """Every view's options, each a synced trait of the same name on the widgets that have it.

    An option is a Literal of strings, int, float, str, bool, a list of one of these, or any of them
    ``| None``. It starts as the first choice, 0, "", False, [] or None, or as what it is
    ``Annotated`` with. ``widgets/options.py`` makes the trait, ``session.option("k")`` reads it."""

    show: Annotated[Which, "current"]
    token_mode: Literal["from", "to"]
    color: TokenColor
    by: AttributionBy
    scope: Scope
    kind: AblationKind
    values: CellValues
    attention_mode: AttentionMode
    head_average: HeadAverage
    skip_bos: bool
    read_at: ReadAt
    lens_color: LensColor
    lens_target: LensTarget
    lens_order: Literal["last_on_top", "first_on_top"]
    incl_mid: Annotated[bool, True]
    pins: list[int]
    composition: Composition
    subtract_random: Annotated[bool, True]
    circuit: Circuit
    circuit_tokens: CircuitTokens
    top_k: Annotated[int, 10]
    neuron: Annotated[str, "L0N0"]
    sources_by: SourcesBy
    query_source: str
    key_source: str
    patch_maps: Annotated[PatchMaps, "heads"]
    patch_into: PatchInto
    by_pos: bool
    normalize: Annotated[bool, True]
    activation: str
    slice_rows: SliceRows
    group_by: GroupBy


TYPES: list[type] = [
    ArrayRef, Request, Cancel, Reply, Progress, ErrorInfo, ErrorMessage,
    Selection, InterventionInfo, SessionState, SessionInfo, Options,
    Summary, Empty, PromptArgs, TokenInfo, AnswerInfo, TokensResult, TokenStatsResult,
    EditPromptArgs, PatternsArgs, PatternsResult, PatternArgs, PatternResult,
    PatternLinesArgs, PatternLinesResult, AttributionArgs, AttributionRow, AttributionResult,
    HeadSourcesArgs, HeadSourcesResult, MlpNeuronsArgs, NeuronRow, MlpNeuronsResult,
    EffectNumbers, Accuracy, BosResult,
    PatchingArgs, PatchCell, PatchMapInfo, PatchingResult, TogglePatchesArgs,
    AblationGridArgs, AblationGridResult, InterventionWorth, Prediction, EffectsResult,
    LensArgs, LensResult, LensCellArgs, LensToken, LensCellResult, LensPathArgs, LensPathResult,
    LensLinesArgs, Curve, LensLinesResult, LensCodeArgs, TextArgs,
    ToggleArgs, KeyArgs, EnableArgs, ChangeResult, CodeResult,
    CompositionArgs, CompositionResult, CircuitArgs, CircuitTileArgs, CircuitTileResult,
    CircuitRowArgs, Ranked, CircuitRowResult, CircuitFindArgs, CircuitFindResult,
    CircuitSpectrumResult, CircuitDirectionArgs, CircuitDirectionResult, CircuitCopyResult,
    NeuronArgs, NeuronPlace, NeuronResult, TopNeuronsArgs, TopNeuronsResult,
    ScoreSourcesArgs, ScoreSourcesResult, ScoreMapArgs, ScoreMapResult,
    StripeArgs, StripeResult,
    LossesArgs, LossesResult,
    ModelFact, ModelFinding, MatrixInfo, ModelCardResult,
    LossesArgs, LossesResult,
    ActivationGroup, ActivationsResult, ActivationArgs, ActivationStats, AxisCut, ActivationResult,
    ActivationCodeArgs,
]  # fmt: skip
