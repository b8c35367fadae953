"""Tokens guessed right, and the same text with and without BOS."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]


def test_next_tokens_ranked_first_are_counted_and_marked(mount: Mount) -> None:
    lab = mount("token", interventions=["L1H4"])
    stats = lab.truth("token_stats", prompt=0)
    hits = [rank == 0 for rank in stats["rank"][:-1]]
    line = lab.find(".lw-token-hits")
    assert int(line.get_attribute("data-hits") or -1) == sum(hits)
    assert int(line.get_attribute("data-of") or -1) == len(hits)
    assert f"{sum(hits)} of {len(hits)} next tokens ranked first" in line.inner_text()
    assert "in all prompts 33 → 32 of 111 next tokens ranked first" in line.inner_text()
    guessed = lab.js(
        """return [...root.querySelectorAll('.lw-tokens [data-pos]')]
             .map((chip) => chip.dataset.guessed === 'true')"""
    )
    assert guessed == [False, *hits]
    label = lab.find('.lw-tokens [data-guessed="true"]').first.get_attribute("aria-label")
    assert (label or "").endswith("guessed right")


@pytest.mark.parametrize("bos", [True, False])
def test_both_tokenizations_stand_over_each_other(mount: Mount, bos: bool) -> None:
    lab = mount("token", bos=bos)
    button = lab.page.get_by_role("button", name="compare BOS")
    button.click()
    lab.wait("root.querySelector('.lw-token-bos') !== null")
    lab.idle()
    truth = lab.truth("compare_bos", prompt=0)
    n = len(truth["tokens"])
    for row, name in enumerate(("with", "without")):
        shown = lab.js(
            """return [...root.querySelectorAll(`.lw-token-bos [data-bos=${arg}]`)]
                 .map(({ dataset }) => [Number(dataset.pos), Number(dataset.tokenId),
                   dataset.value === '' ? null : Number(dataset.value)])""",
            name,
        )
        start = row
        assert [pos for pos, _, _ in shown] == list(range(start, n))
        assert [token for _, token, _ in shown] == [t["id"] for t in truth["tokens"][start:]]
        for pos, _, loss in shown[:-1]:
            assert loss == pytest.approx(truth["loss"][row * n + pos], abs=1e-6)
        assert shown[-1][2] is None, "nothing follows the last"
    boxes = lab.js(
        """return ['with', 'without'].map((bos) => {
             const box = root.querySelector(`[data-bos=${bos}][data-pos="5"]`)
               .getBoundingClientRect();
             return [box.x, box.y, box.width]; })"""
    )
    (x1, y1, w1), (x2, y2, w2) = boxes
    assert (x1, w1) == (x2, w2)
    assert y2 > y1
    own = "with" if bos else "without"
    assert f"prompts {own} BOS" in lab.find(".lw-token-bos").inner_text()
    shared = [truth["loss"][pos] for pos in range(1, n - 1)]
    told = float(lab.find("[data-loss-with]").get_attribute("data-loss-with") or "nan")
    assert told == pytest.approx(sum(shared) / len(shared), abs=1e-6)
    button.click()
    assert lab.find(".lw-token-bos").count() == 0


def test_a_tokenizer_without_bos_is_told_in_the_view(mount: Mount) -> None:
    lab = mount("token", failures={"compare_bos": "This model's tokenizer has no BOS token."})
    lab.page.get_by_role("button", name="compare BOS").click()
    lab.wait_status("error")
    assert "no BOS token" in lab.find('[role="alert"]').inner_text()
    lab.page.get_by_role("button", name="compare BOS").click()
    lab.idle()
