"""One JupyterLab for all tests of this folder, and one notebook with the ioi dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from tests.browser.pages import browser
from tests.frontends.jupyterlab import Lab, Notebook, open_lab
from tests.frontends.kernel import Kernel
from tests.frontends.screen import Screen

PROMPTS = (
    "When John and Mary went to the shops, John gave the bag to",
    "Then, Tom and James went to the park. James gave the ball to",
    "After Martin and Amy went to the school, Amy gave a drink to",
)
ANSWERS = ((" Mary", " John"), (" Tom", " James"), (" Martin", " Amy"))

IOI = """
import lens_widgets as lw
from tests.frontends.truth import Truth

model = lw.load_demo("ioi")
"""
# One thread is quicker for a model this small when others use the machine too.
MODEL = f"""
import torch
torch.set_num_threads(1)
{IOI}
from tests.frontends.held import largest_held, let_go, memories
from tests.models import tensor_bytes, traces

# TransformerLens puts hooks of its own on a model when it first runs.
model.run_with_cache(model.to_tokens("When"))
pristine = traces(model)
alone = model_bytes = tensor_bytes()
"""
SESSION = f"""
prompts = {list(PROMPTS)!r}
answers = {list(ANSWERS)!r}
session = lw.Session(model, prompts, answers=answers)
"""
EXPLORER = f"""{SESSION}
explorer = session.explore()
explorer
"""


# What a test leaves in tensors of its own is none of the next one's.
TIDY = """
import gc
let_go(get_ipython())
alone = tensor_bytes()
"""


def settle(kernel: Kernel) -> None:
    """Counts when nothing more is let go: what was asked of a closed session waits for the end of
    the cell that closed it."""
    held = -1
    for _ in range(20):
        now = kernel.value("(gc.collect(), tensor_bytes())[1]")
        if now == held:
            break
        held = now
    kernel.run("alone, there = tensor_bytes(), set(memories())")


class Dashboard(Screen):
    """Views of one session of three prompts of different lengths."""

    def __init__(self, notebook: Notebook) -> None:
        super().__init__(notebook.page)
        self.notebook = notebook
        self.kernel = notebook.kernel


Show = Callable[..., Dashboard]


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[BrowserContext]:
    with browser(1600, 1500, lent=playwright) as context:
        yield context


@pytest.fixture(scope="package")
def lab(chromium: BrowserContext) -> Iterator[Lab]:
    with open_lab(context=chromium) as lab:
        yield lab
        lab.check_offline()


@pytest.fixture(scope="package")
def ioi(lab: Lab) -> Notebook:
    """A notebook with the ioi model in its kernel, which is slow to get."""
    return lab.run(MODEL)


@pytest.fixture
def show(ioi: Notebook) -> Iterator[Show]:
    """Runs cells in place of those of the test before, and waits until their views rest."""
    page = ioi.page
    page.bring_to_front()
    page.set_viewport_size({"width": 1600, "height": 1500})
    page.mouse.move(0, 0)

    def run(*cells: str, rest: str = "idle") -> Dashboard:
        ioi.show(*cells)
        dashboard = Dashboard(ioi)
        if rest == "idle":
            dashboard.wait_idle()
        else:
            dashboard.wait_status(rest)
        return dashboard

    ioi.problems.clear()
    yield run
    problems = ioi.our_problems()
    ioi.show(TIDY)
    settle(ioi.kernel)
    assert problems == []
    ioi.lab.check_offline()


@pytest.fixture
def dashboard(show: Show) -> Dashboard:
    """A new session in the explorer."""
    return show(EXPLORER)
