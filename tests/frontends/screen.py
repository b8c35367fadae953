"""Reads and works the views through the attributes that design.md promises, and nothing else."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page

WAIT_MS = 30_000
Columns = dict[str, float]


# The roots of all views inside an element, open shadow roots included (marimo mounts in those).
ROOTS = """
const rootsIn = scope => [
  ...(scope.matches?.('[data-lw-view]') ? [scope] : []),
  ...scope.querySelectorAll('[data-lw-view]'),
  ...[...scope.querySelectorAll('*')].flatMap(el => el.shadowRoot ? rootsIn(el.shadowRoot) : []),
];
"""


# Every cell of a pattern, or of every few rows, read out as the arrow keys pass over.
READ_PATTERN = """
(pattern, every) => {
  const root = pattern.closest('[data-lw-view="attention"]');
  const count = Number(pattern.getAttribute('aria-rowcount'));
  const press = key => {
    const init = { key, bubbles: true, cancelable: true };
    pattern.dispatchEvent(new KeyboardEvent('keydown', init));
  };
  pattern.focus();
  for (let i = 0; i <= count; i++) { press('ArrowUp'); press('ArrowLeft'); }
  const seen = [];
  const read = () => {
    const { queryPos, keyPos, value } = root.querySelector('[data-lw-readout]').dataset;
    seen.push([queryPos, keyPos, value].map(Number));
  };
  for (let row = 0; row < count; row += every) {
    const key = (row / every) % 2 === 0 ? 'ArrowRight' : 'ArrowLeft';
    for (let i = 0; i < count; i++) {
      if (i > 0) press(key);
      read();
    }
    for (let i = 0; i < every; i++) press('ArrowDown');
  }
  pattern.blur();
  return seen;
}
"""

# The numbers of each row of a table, by what the row is called.
READ_COLUMNS = """
(root, [rows, key]) => Object.fromEntries(
  [...root.querySelectorAll(`[role="row"]${rows}`)].map(row => [
    row.dataset[key],
    Object.fromEntries([...row.querySelectorAll('[data-column][data-value]')]
      .map(cell => [cell.dataset.column, cell.dataset.value])),
  ]))
"""


class Screen:
    """The views in one page, or those inside ``within`` (a Playwright selector)."""

    def __init__(self, page: Page, within: str = "body") -> None:
        self.page = page
        self.within = within
        self.scope = page.locator(within)

    def view(self, name: str) -> Locator:
        """The root of a view: token, attention, attribution, ablation or explorer."""
        return self.scope.locator(f'[data-lw-view="{name}"]')

    def wait_idle(self, revision: int | None = None, timeout_ms: int = WAIT_MS) -> None:
        """Until every view is idle and paints the numbers of ``revision`` or a later one; a sweep
        that waits for somebody to scroll to it is left out."""
        self._wait(
            "roots.every(root => root.dataset.lwStatus === 'offscreen'"
            " || root.dataset.lwStatus === 'idle'"
            " && (wanted === null || Number(root.dataset.lwRevision) >= wanted))",
            revision,
            timeout_ms,
        )

    def wait_status(self, status: str, timeout_ms: int = WAIT_MS) -> None:
        """Until at least one view says ``status``."""
        self._wait("roots.some(root => root.dataset.lwStatus === wanted)", status, timeout_ms)

    def _wait(self, condition: str, wanted: Any, timeout_ms: int) -> None:
        try:
            self.page.wait_for_function(
                f"""([scope, wanted]) => {{
                  {ROOTS}
                  const roots = rootsIn(scope);
                  return roots.length > 0 && {condition};
                }}""",
                arg=[self.scope.element_handle(), wanted],
                timeout=timeout_ms,
            )
        except Exception as error:
            raise AssertionError(f"{condition} (wanted {wanted!r}): {self.states()}") from error

    def states(self) -> list[dict[str, str]]:
        """Each view's name, status, painted reply and revision."""
        found: list[dict[str, str]] = self.scope.evaluate(
            f"""scope => {{
              {ROOTS}
              return rootsIn(scope).map(root => ({{
                view: root.dataset.lwView, status: root.dataset.lwStatus,
                seq: root.dataset.lwSeq, revision: root.dataset.lwRevision,
              }}));
            }}"""
        )
        return found

    def revision(self) -> int:
        """The oldest revision whose numbers are on screen."""
        return min(int(state["revision"]) for state in self.states())

    # --- the header -------------------------------------------------------------------------

    def metric(self) -> Columns:
        metric = self.scope.locator("[data-lw-metric]").first
        return {
            name: float(metric.get_attribute(f"data-{name}") or "nan")
            for name in ("baseline", "current", "change")
        }

    def alert(self) -> Locator:
        return self.scope.locator('[role="alert"]')

    # --- heads ------------------------------------------------------------------------------

    def head(self, label: str) -> Locator:
        """The thumbnail of a head."""
        return self.view("attention").locator(f'[role="gridcell"][data-head="{label}"]')

    def click_head(self, label: str) -> None:
        """Clicks a head and waits for its exact pattern."""
        if not self.head(label).is_visible():
            self._show_left("patterns")
        self.head(label).click()
        self.wait_pattern(label)
        self.wait_idle()

    def _show_left(self, what: str) -> None:
        """Of a large model the explorer's left column shows patterns or effects."""
        self.scope.locator(f'[data-option="{what}"]').locator("visible=true").click()

    def wait_pattern(self, label: str) -> None:
        """Until the large pattern is that of ``label``, exact."""
        self.view("attention").locator(
            f'[data-lw-pattern="{label}"][data-exact="true"]'
        ).first.wait_for()

    def shown_pattern(self) -> str:
        return str(self._pattern().get_attribute("data-lw-pattern"))

    def _pattern(self) -> Locator:
        return self.view("attention").locator("[data-lw-pattern]").first

    def readout(self) -> tuple[int, int, float]:
        """Query, key and weight of the cell under the cursor."""
        readout = self.view("attention").locator("[data-lw-readout][data-value]").first
        q, k, value = (
            readout.get_attribute(f"data-{name}") or "nan"
            for name in ("query-pos", "key-pos", "value")
        )
        return int(q), int(k), float(value)

    def hover_pattern(self, x: float, y: float) -> tuple[int, int, float]:
        """Puts the mouse on the large pattern, as shares of its box; what the readout says."""
        box = self._pattern().bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        return self.readout()

    def whole_pattern(self, every: int = 1) -> dict[tuple[int, int], float]:
        """Weights of every cell, or of every few rows, read out as the arrow keys pass over."""
        cells: list[list[float]] = self._pattern().evaluate(
            READ_PATTERN,
            every,
        )
        return {(int(q), int(k)): value for q, k, value in cells}

    # --- tables -----------------------------------------------------------------------------

    def pick(self, view: str, group: str, option: str) -> None:
        """Makes one of the choices of a view: joined buttons, or a list."""
        choice = self.view(view).locator(f'[aria-label="{group}"]')
        if not choice.first.is_visible():
            self._show_left("effects")
        if choice.first.evaluate("one => one.tagName") == "SELECT":
            choice.select_option(option)
        else:
            choice.locator(f'[data-option="{option}"]').click()

    def choose(self, view: str, group: str, option: str) -> None:
        """The same, then waits until nothing is computed."""
        self.pick(view, group, option)
        self.wait_idle()

    def rows(self) -> dict[str, Columns]:
        """Every row of the attribution table by component, with the total."""
        self._show_all_rows()
        return self._columns("attribution", "[data-component]", "component")

    def _show_all_rows(self) -> None:
        """In the explorer the table shows the first ones."""
        more = self.view("attribution").get_by_role("button", name="show all")
        if more.count():
            more.click()

    def predictions(self) -> dict[int, Columns]:
        """Predicted next tokens by id."""
        found = self._columns("ablation", "[data-prediction]", "tokenId")
        return {int(token): columns for token, columns in found.items()}

    def _columns(self, view: str, rows: str, key: str) -> dict[str, Columns]:
        found: dict[str, dict[str, str]] = self.view(view).evaluate(
            READ_COLUMNS,
            [rows, key],
        )
        return {
            row: {column: float(value or "nan") for column, value in columns.items()}
            for row, columns in found.items()
        }

    def token_ids(self) -> list[int]:
        chips = self.view("token").locator("[data-pos][data-token-id]")
        found: list[int] = chips.evaluate_all(
            """chips => chips.sort((a, b) => a.dataset.pos - b.dataset.pos)
              .map(chip => Number(chip.dataset.tokenId))"""
        )
        return found

    # --- changes ----------------------------------------------------------------------------

    def switch(self, component: str, view: str = "ablation") -> Locator:
        return self.view(view).locator(f'[role="switch"][aria-label="ablate {component}"]')

    def toggle(self, component: str, view: str = "ablation") -> None:
        """Clicks an ablation switch and waits until every view shows the outcome."""
        if view == "attribution" and not self.switch(component, view).count():
            self._show_all_rows()
        self._change(self.switch(component, view))

    def press(self, label: str, view: str = "ablation") -> None:
        """Clicks a button that changes the session, such as undo, and waits likewise."""
        self._change(self.view(view).get_by_role("button", name=label, exact=True))

    def _change(self, control: Locator) -> None:
        before = self.revision()
        control.click()
        self.wait_idle(before + 1)

    def edit_prompt(self, text: str, correct: str | None = None, wrong: str | None = None) -> None:
        """Opens the editor if it is closed, fills it in and presses run."""
        view = self.view("token")
        editor = view.locator('textarea[aria-label="prompt"]')
        if not editor.is_visible():
            view.get_by_role("button", name="edit prompt", exact=True).click()
        editor.fill(text)
        for label, answer in (("correct answer", correct), ("wrong answer", wrong)):
            if answer is not None:
                view.locator(f'input[aria-label="{label}"]').fill(answer)
        view.get_by_role("button", name="run", exact=True).click()
