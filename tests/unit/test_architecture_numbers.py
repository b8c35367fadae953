"""Every architecture: each number that exists on it equals that of a plain run; the table of what
works where, in the docs, is what is found here."""

from __future__ import annotations

import gc

import pytest

from lens_widgets.errors import InputError
from tests.architecture_table import COLUMNS, PAGE, page_of, row_of, rows_of
from tests.architectures import HUGGING_FACE
from tests.unit.right import CHECKS, Case

NOT_ON = {"LlamaForCausalLM": {"positional circuits"}, "GPT2LMHeadModel": set[str]()}
"""Ordinary architectures, and the checks that they have no answer for."""

CHECKED_BY = {
    "logit lens": "logit lens",
    "direct effects": "direct effects of components and layers",
    "of heads": "direct effects of heads",
    "neurons": "neurons",
    "attention": "attention patterns",
    "scores": "attention scores",
    "written by": "scores by source",
    "ablated heads": "ablation effects",
    "weights": "circuits of a head",
}
"""By the table's column: the check that must have had something to compare where it says yes."""


@pytest.mark.parametrize("name", sorted(HUGGING_FACE))
def test_every_number_is_that_of_a_plain_run(name: str) -> None:
    case = Case(name)
    wrong: dict[str, str] = {}
    refused: set[str] = set()
    for each in CHECKS.values():
        try:
            each(case)
        except InputError:
            refused.add(each.name)
        except AssertionError as error:
            wrong[each.name] = str(error)
    case.session.interventions.clear()
    row = row_of(case.session)
    case.close()
    gc.collect()
    assert wrong == {}
    assert row == rows_of(PAGE.read_text(encoding="utf-8"))[name], (
        "run `python -m tests.architecture_table`"
    )
    for column, cell in zip(COLUMNS, row, strict=False):
        if cell != "no":
            assert CHECKED_BY[column] not in refused
    if name in NOT_ON:
        assert refused == NOT_ON[name]


def test_the_docs_say_what_is_checked() -> None:
    assert set(CHECKED_BY) == set(COLUMNS)
    assert set(CHECKED_BY.values()) <= set(CHECKS)
    written = PAGE.read_text(encoding="utf-8")
    table = {name: row for name, row in rows_of(written).items() if name in HUGGING_FACE}
    assert page_of(table) == written, "run `python -m tests.architecture_table`"
