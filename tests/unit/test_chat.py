"""Conversations as prompts, and answers whose leading space was forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.prompts.answers import SpaceQuestion
from lens_widgets.prompts.indirect_objects import IOI_PROMPTS
from tests.models import BOS, hugging_face, tiny, word_tokenizer
from tests.unit.cases import PROMPTS, state
from tests.unit.page import Page

TEMPLATE = (
    "{% for m in messages %}w50 {{ m['role'] }} {{ m['content'] }} w51 {% endfor %}"
    "{% if add_generation_prompt %}w50 assistant{% endif %}"
)
UNK = 1
"""Role names are no words of the tokenizer."""

CHAT = [{"role": "system", "content": "w5 w6"}, {"role": "user", "content": "w7"}]
TOKENS = [50, UNK, 5, 6, 51, 50, UNK, 7, 51, 50, UNK]
OWN = [2, 3, 7]


@pytest.fixture(scope="module")
def model() -> TransformerBridge:
    return with_template(TEMPLATE)


def with_template(template: str | None) -> TransformerBridge:
    made = hugging_face("GPT2Config", word_tokenizer(), n_layer=1, n_head=2, n_embd=16)
    made.tokenizer.chat_template = template
    return made


# --- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [CHAT, [CHAT], tuple(CHAT), (tuple(CHAT),)])
def test_a_conversation_is_what_the_template_writes(model: Any, messages: Any) -> None:
    session = lw.Session(model, messages=messages, answers=("w30", "w31"))
    own = model.tokenizer.apply_chat_template(
        CHAT, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert session.tokens.tolist() == [own] == [TOKENS]
    assert session.prompt_set.added == (0,)


def test_the_tokens_of_the_template_are_told_from_those_of_the_messages(model: Any) -> None:
    short = [{"role": "user", "content": "w9"}]
    session = lw.Session(model, messages=[CHAT, short], answers=("w30", "w31"))
    template, other = session.prompt_set.template
    assert template == tuple(i for i in range(len(TOKENS)) if i not in OWN)
    assert other == (0, 1, 3, 4, 5)
    page = Page(session)
    assert page.dataset("session/tokens", prompt=0).attrs["template"] == list(template)
    plain = Page(lw.Session(model, "w5 w6"))
    assert plain.dataset("session/tokens", prompt=0).attrs["template"] is None


def test_content_that_the_template_changes_leaves_open_which_tokens_are_its_own() -> None:
    model = with_template("{% for m in messages %}w50 {{ m['content'] | reverse }}{% endfor %}")
    session = lw.Session(model, messages=[{"role": "user", "content": "w5 w6"}])
    assert session.prompt_set.template == ((),)


def test_bos_comes_once_and_only_where_it_is_wanted() -> None:
    messages = [{"role": "user", "content": "w5 w6"}]
    own = with_template("{{ bos_token }} {{ messages[0]['content'] }}")
    none = with_template("{{ messages[0]['content'] }}")
    for prepend_bos in (None, True, False):
        session = lw.Session(own, messages=messages, prepend_bos=prepend_bos)
        assert session.tokens.tolist() == [[BOS, 5, 6]]
    # A template without BOS is the whole truth, unless another is asked for.
    assert lw.Session(none, messages=messages).tokens.tolist() == [[5, 6]]
    asked = lw.Session(none, messages=messages, prepend_bos=True)
    assert asked.tokens.tolist() == [[BOS, 5, 6]]
    assert asked.prompt_set.template == ((0,),)


def test_corrupted_prompts_can_be_conversations(model: Any) -> None:
    other = [CHAT[0], {"role": "user", "content": "w8"}]
    session = lw.Session(model, messages=CHAT, corrupted=other, answers=("w30", "w31"))
    corrupted = session.prompt_set.corrupted_tokens
    assert corrupted is not None
    assert corrupted.tolist() == [[*TOKENS[:7], 8, *TOKENS[8:]]]
    longer = [*CHAT, {"role": "user", "content": "w8"}]
    with pytest.raises(InputError, match=r"corrupted\[0\] is 15 tokens long, prompts\[0\] is 11"):
        lw.Session(model, messages=CHAT, corrupted=longer)


def test_set_prompts_takes_conversations(model: Any) -> None:
    session = lw.Session(model, "w5 w6", answers=("w30", "w31"))
    session.set_prompts(messages=CHAT, answers=("w30", "w31"))
    assert session.tokens.tolist() == [TOKENS]
    before = state(session)
    with pytest.raises(InputError, match="prompts and messages were both given"):
        session.set_prompts("w5", messages=CHAT)
    assert state(session) == before


def test_an_edited_conversation_gets_no_bos(model: Any) -> None:
    session = lw.Session(model, messages=[CHAT, CHAT], answers=("w30", "w31"))
    for text, ids in (("w50 w5 w50", [50, 5, 50]), ("w50 w6", [50, 6])):
        session.edit_prompt(1, text, answers=[("w30", "w31")] * 2)
        assert session.prompt_set.rows() == [TOKENS, ids]
    assert session.prompt_set.template[0] is not None
    assert session.prompt_set.template[1] == ()


def test_files_keep_conversations(model: Any, tmp_path: Path) -> None:
    session = lw.Session(model, messages=CHAT, answers=("w30", "w31"))
    session.save(tmp_path / "chat.lens")
    again = lw.Session.open(tmp_path / "chat.lens", model)
    assert again.prompt_set.template == session.prompt_set.template
    assert again.prompt_set.texts == session.prompt_set.texts
    again.edit_prompt(0, "w50 w5", answers=[("w30", "w31")])
    assert again.tokens.tolist() == [[50, 5]]


# --- what is refused ----------------------------------------------------------------------------


USER = {"role": "user", "content": "w5"}


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ("w5", "messages is a str, not a list of messages"),
        (USER, "messages is a dict, not a list of messages"),
        ([], "messages is an empty list"),
        ([[USER], []], "messages[1] is an empty list"),
        ([USER, [USER]], "messages[0] is {'role': 'user', 'content': 'w5'}, and messages[1]"),
        ([USER, "w5"], 'messages[1] is \'w5\', not a dict with "role" and "content"'),
        ([{"role": "user"}], "messages[0] has no 'content'. It has 'role'."),
        ([{"content": "w5"}], "messages[0] has no 'role'"),
        ([{"role": "user", "contents": "w5"}], "Did you mean 'contents'?"),
        ([[USER], [USER, {}]], "messages[1][1] has no 'role'. It is empty."),
        ([USER, {"role": 3, "content": ""}], "messages[1]['role']=3 is a int, not a string"),
        ([{"role": "user", "content": None}], "messages[0]['content']=None is a NoneType"),
        ([{"role": "user", "content": ["w5"]}], "messages[0]['content']=['w5'] is a list"),
        ([{"role": "usr", "content": "w5"}], "messages[0]['role']='usr' is no role. Did you mean"),
        ([{"role": "user", "content": "\ud800"}], "messages[0]['content'] has the character"),
    ],
)
def test_what_is_no_message_is_named_by_index_and_field(
    model: Any, messages: Any, named: str
) -> None:
    with pytest.raises(InputError) as caught:
        lw.Session(model, messages=messages)
    assert named in str(caught.value)
    assert caught.value.hint


def test_other_mistakes_are_told() -> None:
    model = with_template(TEMPLATE)
    with pytest.raises(InputError, match="prompts is missing"):
        lw.Session(model)
    with pytest.raises(InputError, match=r"prompts holds messages.*messages=\[\.\.\.\]"):
        lw.Session(model, CHAT)
    with pytest.raises(InputError, match="prompts and messages were both given"):
        lw.Session(model, "w5", messages=CHAT)
    with pytest.raises(InputError, match="attention_mask belongs to padded token ids"):
        lw.Session(model, messages=CHAT, attention_mask=torch.ones(1, 11))
    with pytest.raises(InputError, match="has no chat template"):
        lw.Session(tiny("gpt2"), messages=CHAT)


def test_a_template_that_refuses_is_quoted() -> None:
    refusal = "{{ raise_exception('System role not supported') }}"
    model = with_template(f"{{% if messages|length > 1 %}}{refusal}{{% endif %}}w5")
    with pytest.raises(InputError, match=r"messages\[1\] is refused by .*System role not supp"):
        lw.Session(model, messages=[[USER], CHAT])


def test_a_role_that_only_this_template_names_is_taken() -> None:
    model = with_template("{% for m in messages %}{{ m['role'] == 'judge' }} w5{% endfor %}")
    session = lw.Session(model, messages=[{"role": "judge", "content": "w5"}])
    assert session.tokens.tolist() == [[UNK, 5]]


# --- answers without their space ----------------------------------------------------------------


@pytest.fixture(scope="module")
def ioi() -> TransformerBridge:
    return lw.load_demo("ioi")


def test_a_forgotten_space_is_asked_about(ioi: TransformerBridge) -> None:
    ids = ioi.to_tokens(IOI_PROMPTS[0])
    with torch.no_grad():
        probs = ioi(ids)[0, -1].softmax(-1)
    spaced = float(probs[ioi.to_single_token(" Mary")])
    with pytest.raises(SpaceQuestion) as caught:
        lw.Session(ioi, IOI_PROMPTS[0], answers=("Mary", " John"))
    assert f"answers[0][0]='Mary' has no space in front: did you mean ' Mary' ({spaced:.2g})?" in (
        caught.value.message
    )
    assert "Write ' Mary'" in caught.value.hint


def test_the_wrong_answer_and_several_are_asked_about_too(ioi: TransformerBridge) -> None:
    with pytest.raises(SpaceQuestion, match=r"answers\[0\]\[0\]\[1\]='Mary'"):
        lw.Session(ioi, IOI_PROMPTS[0], answers=[([" Anna", "Mary"], [" John"])])
    prompts = [IOI_PROMPTS[1], IOI_PROMPTS[0]]
    with pytest.raises(SpaceQuestion, match=r"answers\[1\]\[1\]='Mary'"):
        lw.Session(ioi, prompts, answers=[(" John", " Mary"), (" John", "Mary")])


def test_a_space_too_many_is_asked_about_as_well(smollm2: TransformerBridge) -> None:
    chat = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
    with pytest.raises(SpaceQuestion, match=r"' Paris' begins with a space: did you mean 'Paris'"):
        lw.Session(smollm2, messages=chat, answers=(" Paris", "London"))
    assert lw.Session(smollm2, messages=chat, answers=("Paris", "London")).answer_tokens is not None


def test_its_id_gives_the_answer_as_it_is(ioi: TransformerBridge) -> None:
    token = ioi.to_single_token("Mary")
    session = lw.Session(ioi, IOI_PROMPTS[0], answers=(token, " John"))
    assert session.prompt_set.answers is not None
    assert session.prompt_set.answers.correct == ((token,),)
    # Nothing asks again later.
    session.refresh()
    session.edit_prompt(0, IOI_PROMPTS[1], answers=[(token, " John")])


def test_an_answer_that_is_improbable_both_ways_is_not_asked_about(ioi: TransformerBridge) -> None:
    session = lw.Session(ioi, IOI_PROMPTS[0], answers=(" Mary", "When"))
    assert session.prompt_set.answers is not None
    assert session.prompt_set.answers.wrong == ((ioi.to_single_token("When"),),)


def test_tokenizers_that_make_no_difference_ask_nothing() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=("w30", "w31"))
    assert session.prompt_set.answers is not None
    assert session.prompt_set.answers.spacings == ()


def test_a_changed_prompt_asks_and_leaves_the_session_as_it_was(ioi: TransformerBridge) -> None:
    session = lw.Session(ioi, IOI_PROMPTS[1], answers=(" John", " Mary"))
    before = state(session)
    with pytest.raises(SpaceQuestion):
        session.edit_prompt(0, IOI_PROMPTS[0], answers=[("Mary", " John")])
    with pytest.raises(SpaceQuestion):
        session.set_prompts(IOI_PROMPTS[0], answers=("Mary", " John"))
    assert state(session) == before


def test_the_page_is_asked_in_its_own_words_and_can_insist(ioi: TransformerBridge) -> None:
    session = lw.Session(ioi, IOI_PROMPTS[0], answers=(" Mary", " John"))
    page = Page(session)
    edit = {"prompt": 0, "text": IOI_PROMPTS[0], "correct": "Mary", "wrong": " John"}
    error = page.error("session/edit_prompt", **edit)
    assert error["type"] == "SpaceQuestion"
    assert error["message"].startswith("Correct answer 'Mary' has no space in front: did you mean")
    assert session.prompts_revision == 0
    page.change("edit_prompt", **edit, as_written=True)
    assert session.prompt_set.answers is not None
    assert session.prompt_set.answers.correct == ((ioi.to_single_token("Mary"),),)
    assert page.dataset("session/tokens", prompt=0).attrs["correct"] == "Mary"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"text": ""}, "Prompt is an empty string."),
        ({"correct": " Elephantine"}, "Correct answer ' Elephantine' is "),
        ({"wrong": "of two words"}, "Wrong answer 'of two words' is "),
        ({"correct": ""}, "The correct answer is empty."),
        ({"corrupted": "When"}, "Corrupted prompt is 2 tokens long, prompt is 15."),
    ],
)
def test_errors_name_the_fields_of_the_form(
    ioi: TransformerBridge, changed: dict[str, str], named: str
) -> None:
    session = lw.Session(
        ioi, list(IOI_PROMPTS[:1]), answers=(" Mary", " John"), corrupted=[IOI_PROMPTS[1]]
    )
    edit = {
        "prompt": 0,
        "text": IOI_PROMPTS[0],
        "correct": " Mary",
        "wrong": " John",
        "corrupted": IOI_PROMPTS[1],
    }
    error = Page(session).error("session/edit_prompt", **{**edit, **changed})
    assert error["message"].startswith(named)


def test_likely_answers_are_the_models_and_can_be_written(ioi: TransformerBridge) -> None:
    session = lw.Session(ioi, IOI_PROMPTS[0], answers=(" Mary", " John"))
    session.interventions.add(lw.Ablate("L1H4"))
    table = lw.TokenView(session).ask("likely", prompt=0)
    with torch.no_grad():
        probs = ioi(ioi.to_tokens(IOI_PROMPTS[0]))[0, -1].softmax(-1)
    best = probs.topk(6)
    assert table["prob"].values == pytest.approx(best.values.tolist(), abs=1e-6)
    assert table["text"].values.tolist() == [ioi.to_string([i]) for i in best.indices.tolist()]
    assert table["text"].values[0] == " Mary"
    assert table["token"].values[0] == "·Mary"
