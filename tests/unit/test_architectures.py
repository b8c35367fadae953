"""Every architecture: all that can be asked of a session is answered or refused in words; that the
answers are right is in ``test_architecture_numbers.py``."""

from __future__ import annotations

import pytest
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES

from tests.architectures import HUGGING_FACE, NOT_BUILT, build
from tests.unit.every_question import ask_everything, session_of

PLAIN = "LlamaForCausalLM"


def test_every_architecture_is_built_or_it_is_said_why_not() -> None:
    assert set(HUGGING_FACE) | set(NOT_BUILT) == set(SUPPORTED_ARCHITECTURES)
    assert not set(HUGGING_FACE) & set(NOT_BUILT)


@pytest.mark.parametrize("name", sorted(HUGGING_FACE))
def test_every_question_is_answered_or_refused_in_words(name: str) -> None:
    session = session_of(build(name))
    explorer = session.explore()
    explorer.close()
    answered, refused = ask_everything(session)
    assert answered
    assert all(refused.values()), "a refusal says what to do instead"
    if name == PLAIN:
        assert set(refused) == {"pos_circuit"}
