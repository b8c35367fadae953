"""A page that was clicked on for hours holds what it held at first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

SELECT = """
return (async () => {
  const { model } = mounts[0];
  for (let i = 0; i < arg; i++) {
    const { layer, head } = { layer: (i >> 3) % 4, head: i % 8 };
    model.set('selection', { ...model.get('selection'), layer, head });
    if (i % 10 === 9) await new Promise(done => setTimeout(done));
  }
})();
"""


@pytest.mark.parametrize("view", ["attention", "attribution", "ablation", "token", "explorer"])
def test_a_thousand_selections_leave_nothing_behind(mount: Callable[..., Lab], view: str) -> None:
    lab = mount(view)
    inspector = lab.page.context.new_cdp_session(lab.page)

    def held_after(count: int) -> int:
        lab.js(SELECT, count)
        lab.idle()
        inspector.send("HeapProfiler.collectGarbage")
        return int(inspector.send("Runtime.getHeapUsage")["usedSize"])

    before = held_after(300)
    # The mock kernel keeps each message that it was sent: about 2 kB a selection.
    assert held_after(1_000) < 1.05 * before + 2_500_000
