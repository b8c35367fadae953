"""What every view needs of its session: the metric before and after, the tokens, and the changes a
page can ask for. Asked once a revision for all views of a page."""

from __future__ import annotations

from typing import Any

import xarray as xr
from jaxtyping import Int, Shaped
from typing_extensions import TypedDict

from lens_widgets.analysis.patching.patch_cells import PatchCell, patch_of
from lens_widgets.analysis.tokens.bos import has_bos
from lens_widgets.errors import InputError
from lens_widgets.interventions.cut import Cut
from lens_widgets.prompts.answers import make_answers
from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.session import Session
from lens_widgets.session.settings import AblationKind
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.question import command, question, questions_of
from lens_widgets.views.registry import register
from lens_widgets.views.state import EdgeEnds
from lens_widgets.wire.dataset import Answer, Numbers, Texts


class Metric(Answer):
    """The metric without and with the interventions, mean over ``n_prompts`` prompts."""

    metric: str
    units: str
    n_prompts: int
    baseline: float | None
    current: float | None


class TokenInfo(TypedDict):
    """``text`` is safe to show: spaces as a middle dot, bytes of split characters as ``\\xC3``."""

    id: int
    text: str


class Tokens(Answer):
    """The tokens of one prompt, and what its editor starts from, verbatim.

    ``bos``: the prompt begins with the tokenizer's BOS. ``added``: the tokens in front that are not
    in its text. ``template``: the positions of those that the chat template wrote, null for a
    prompt that is no conversation. ``correct`` and ``wrong`` are empty without such answers;
    several are joined by "or". ``spans``: the positions that have a name, by that name.
    """

    coords = ("token_id",)
    token: Shaped[Texts, "pos"]
    token_id: Int[Numbers, "pos"]
    prompt: int
    n_prompts: int
    text: str
    correct: str
    wrong: str
    corrupted: str | None
    bos: bool
    added: list[TokenInfo]
    template: list[int] | None
    spans: dict[str, list[int]]


class Code(Answer):
    """TransformerLens code that gives the shown numbers without lens_widgets."""

    code: str


class SessionData:
    """Questions and commands that belong to no single view."""

    @question(Metric, shared=True)
    @staticmethod
    def metric(session: Session) -> xr.Dataset:
        """The metric before and after."""
        return Metric.dataset(
            metric=session.metric.label,
            units=session.metric.units,
            n_prompts=session.prompt_set.n_prompts,
            baseline=float(session.baseline.mean()),
            current=float(session.current.mean()),
        )

    @question(Tokens, shared=True)
    @staticmethod
    def tokens(session: Session, prompt: int) -> xr.Dataset:
        """The tokens of one prompt."""
        prompts = session.prompt_set
        check_prompt(session, prompt)
        ids = prompts.tokens[prompt, : int(prompts.lengths[prompt])].tolist()
        correct, wrong = _answer_texts(session, prompt)
        corrupted, template = prompts.corrupted_texts, prompts.template[prompt]
        return Tokens.dataset(
            token=token_texts(session, ids),
            token_id=ids,
            prompt=prompt,
            n_prompts=prompts.n_prompts,
            text=prompts.texts[prompt],
            correct=correct,
            wrong=wrong,
            corrupted=None if corrupted is None else corrupted[prompt],
            bos=has_bos(session, prompt),
            added=[token_info(session, token) for token in ids[: prompts.added[prompt]]],
            template=None if template is None else list(template),
            spans={s.name: list(s.places[prompt]) for s in prompts.spans if s.places[prompt]},
        )

    @question(Code, quick=True)
    @staticmethod
    def code(session: Session) -> xr.Dataset:
        """The interventions as a script that runs by itself and prints the metric."""
        return Code.dataset(code=session.interventions.to_code(self_contained=True))

    # Changes say what shall be, never "the other way": one that arrives twice does nothing.
    @command()
    @staticmethod
    def set_ablated(session: Session, component: str, kind: AblationKind, on: bool) -> None:
        """Ablates a component, or ends its ablation."""
        session.interventions.set_ablated(component, kind, on)

    @command()
    @staticmethod
    def set_patched(session: Session, cells: list[PatchCell], on: bool) -> None:
        """Keeps the cells of maps as patches, or takes them away; one step to undo."""
        if not cells:
            raise InputError("cells is empty.", "Choose at least one cell of a map.")
        session.interventions.set_all([patch_of(session, cell) for cell in cells], on)

    @command()
    @staticmethod
    def set_cut(session: Session, edges: list[EdgeEnds], kind: AblationKind, on: bool) -> None:
        """Cuts edges, or ends their cuts, of whatever kind they are; one step to undo."""
        if not edges:
            raise InputError("edges is empty.", "Choose at least one edge.")
        ends = [(edge["writer"], edge["reader"]) for edge in edges]
        if on:
            session.interventions.set_all([Cut(*pair, kind) for pair in ends])
            return
        listed = [entry.intervention for entry in session.interventions.entries]
        cuts = [one for one in listed if isinstance(one, Cut) and one.edge in ends]
        session.interventions.set_all(cuts, on=False)

    @command()
    @staticmethod
    def set_enabled(session: Session, key: str, enabled: bool) -> None:
        """Switches one line of the list on or off."""
        session.interventions.set_enabled(key, enabled)

    @command()
    @staticmethod
    def remove(session: Session, key: str) -> None:
        """Takes one line out of the list."""
        session.interventions.remove(key)

    @command(writes=True)
    @staticmethod
    def refresh(session: Session) -> None:
        """Computes everything anew with the model as it is now."""
        session.refresh()

    @command(writes=True)
    @staticmethod
    def undo(session: Session) -> None:
        """Takes back the last change."""
        session.interventions.undo()

    @command(writes=True)
    @staticmethod
    def redo(session: Session) -> None:
        """Makes the last undone change again."""
        session.interventions.redo()

    @command()
    @staticmethod
    def clear(session: Session) -> None:
        """Takes all interventions out."""
        session.interventions.clear()

    @command(writes=True)
    @staticmethod
    def edit_prompt(
        session: Session,
        prompt: int,
        text: str,
        correct: str,
        wrong: str,
        corrupted: str | None = None,
        as_written: bool = False,
    ) -> None:
        """Replaces one prompt, its answers and its corrupted prompt; all or nothing.

        Answers whose text is as ``tokens`` told it stay what they are, several of them too.
        ``as_written``: they are meant so, with a space in front or without, and not asked about.
        """
        check_prompt(session, prompt)
        try:
            answers = _answers(session, prompt, correct, wrong)
            if as_written and answers is not None:
                made = make_answers(session.model, answers, session.prompt_set.n_prompts)
                answers = list(zip(made.correct, made.wrong, strict=True))
            session.edit_prompt(prompt, text, answers=answers, corrupted=corrupted)
        except InputError as error:
            raise _in_words_of_the_form(error, prompt) from error


QUESTIONS = questions_of(SessionData)
register("session", QUESTIONS)


def token_info(session: Session, token: int) -> TokenInfo:
    """One token as it is shown."""
    return {"id": token, "text": token_text(session.model.tokenizer, token)}


def token_texts(session: Session, ids: list[int]) -> list[str]:
    """Tokens as they are shown."""
    return [token_text(session.model.tokenizer, token) for token in ids]


def _answer_texts(session: Session, prompt: int) -> tuple[str, str]:
    """A prompt's correct and wrong answers, verbatim."""
    answers, tokenizer = session.prompt_set.answers, session.model.tokenizer
    if answers is None:
        return "", ""

    def text(ids: tuple[int, ...]) -> str:
        return " or ".join(str(i) if tokenizer is None else str(tokenizer.decode([i])) for i in ids)

    return text(answers.correct[prompt]), text(answers.wrong[prompt])


def _in_words_of_the_form(error: InputError, prompt: int) -> InputError:
    """The same error with the names of the editor's fields, where it names arguments."""
    message = error.message
    for argument, field in (
        (f"answers[{prompt}][0]", "correct answer"),
        (f"answers[{prompt}][1]", "wrong answer"),
        (f"corrupted[{prompt}]", "corrupted prompt"),
        (f"prompts[{prompt}]", "prompt"),
    ):
        message = message.replace(f"{argument}=", f"{field} ").replace(argument, field)
    return type(error)(message[:1].upper() + message[1:], error.hint)


def _answers(session: Session, prompt: int, correct: str, wrong: str) -> Any:
    """Answers of all prompts, those of one as the page has them now."""
    before = session.prompt_set.answers
    if before is None and not correct and not wrong:
        return None
    compared = before is None or before.have_wrong
    if not correct or (compared and not wrong):
        missing = "correct" if not correct else "wrong"
        raise InputError(
            f"The {missing} answer is empty.",
            "Give a correct and a wrong answer, each a single token."
            if compared
            else "Give a correct answer, a single token.",
        )
    if before is None:
        if session.prompt_set.n_prompts > 1:
            raise InputError(
                "The other prompts have no answers.",
                "Give answers for every prompt: Session(..., answers=[...]).",
            )
        return [(correct, wrong)]
    if not compared and wrong and session.prompt_set.n_prompts > 1:
        raise InputError(
            "The other prompts have no wrong answer.",
            "Leave it empty, or give wrong answers for every prompt: Session(..., answers=[...]).",
        )
    told = _answer_texts(session, prompt)
    # Not every token is one token again as text: what was not changed is not read anew.
    return before.replaced(
        prompt,
        before.correct[prompt] if correct == told[0] else correct,
        before.wrong[prompt] if wrong == told[1] else wrong,
    )
