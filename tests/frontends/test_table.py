"""The tables in this folder's README say what this run of the suite found."""

from __future__ import annotations

import pytest

from tests.frontends.records import records
from tests.frontends.table import README, faults, hosts


# Those that need quiet come last: by then all tests have been run that find something.
@pytest.mark.quiet
def test_the_readme_says_what_was_found() -> None:
    written = README.read_text(encoding="utf-8").splitlines()
    found = [*hosts(records("host")).splitlines(), *faults(records("fault")).splitlines()]
    missing = [line for line in found if line not in written]
    assert missing == [], "run python -m tests.frontends.table"
