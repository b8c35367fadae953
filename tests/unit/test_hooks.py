"""The table of activations against the models that have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import lens_widgets
from lens_widgets.engine.access import access_for
from lens_widgets.engine.hooks import TABLE, HookKind, hook_kind, nodes
from tests.models import ARCHITECTURES, D_HEAD, D_MODEL, N_HEADS, tiny

N_POS = 3
TOKENS = torch.tensor([[4, 5, 6], [7, 8, 9]])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_axes_are_those_of_every_architecture(name: str) -> None:
    model = tiny(name)
    facts = access_for(model).facts()
    groups = getattr(model.cfg, "n_key_value_heads", None) or N_HEADS
    # Falcon's configuration does not say that its heads share one key.
    groups = 1 if name == "falcon" else groups
    lengths = {
        **{"prompt": 2, "pos": N_POS, "query_pos": N_POS, "key_pos": N_POS},
        **{"head": N_HEADS, "key_value_head": groups, "d_head": D_HEAD, "d_model": D_MODEL},
    }
    _, cache = model.run_with_cache(TOKENS, return_cache_object=False)
    seen = 0
    for row in TABLE.values():
        hook = row.name(1)
        if hook not in facts.hooks:
            continue
        shape = tuple(cache[hook].shape)
        expected = tuple(
            shape[i] if axis == "d_mlp" else lengths[axis] for i, axis in enumerate(row.axes)
        )
        if row.part == "hook_pos_embed":
            expected = (shape[0], *expected[1:])
        assert shape == expected, hook
        if row.part != "hook_pos_embed":
            assert row.size(facts.hooks[hook], 2, N_POS) == cache[hook].numel(), hook
        assert row.n_heads(shape) == (expected[row.head_axis] if row.head_axis else 0)
        seen += 1
    assert seen >= 8


@pytest.mark.parametrize("row", TABLE.values(), ids=lambda row: row.part)
def test_a_row_is_found_by_any_layers_name(row: HookKind) -> None:
    assert hook_kind(row.name(0)) is row
    assert hook_kind(row.name(31)) is row


def test_indices_and_their_code_are_the_same_part() -> None:
    for row in TABLE.values():
        lengths = range(5, 5 + len(row.axes))
        values = torch.arange(float(torch.tensor(list(lengths)).prod())).reshape(*lengths)
        for head in (None, 2) if row.head_axis is not None else (None,):
            for pos in (None, 1):
                part = values[row.index(head, pos)]
                texts = [None if n is None else str(n) for n in (head, pos)]
                code = row.index_code(head=texts[0], pos=texts[1])
                written = eval(f"values[{code}]", {"values": values})
                cell = eval(row.cell_code(*texts), {})
                assert torch.equal(written, part), row.part
                assert torch.equal(values[cell if isinstance(cell, tuple) else (cell,)], part)


def test_differences_are_found_where_they_are() -> None:
    for row in (kind for kind in TABLE.values() if kind.reads is not None):
        base = torch.zeros([4] * len(row.axes))
        changed = base.clone()
        place = [1] * len(row.axes)
        place[row.pos_axis] = 3
        if row.head_axis is not None:
            place[row.head_axis] = 2
        changed[tuple(place)] = 1.0
        differs = row.differing(changed, base)
        where = [1, 3] if row.head_axis is None else [1, 3, 2]
        assert differs.nonzero().tolist() == [where], row.part


def test_a_mask_is_spread_over_an_activation_or_one_head_of_it() -> None:
    mask = torch.zeros(2, 5, dtype=torch.bool)
    mask[1, 3] = True
    for row in TABLE.values():
        lengths = [2] + [5] * (len(row.axes) - 1)
        whole = torch.zeros(lengths)
        spread = row.at_positions(mask, whole.dim(), one_head=False).expand_as(whole)
        assert set(spread.nonzero()[:, 0].tolist()) == {1}
        assert set(spread.nonzero()[:, row.pos_axis].tolist()) == {3}
        if row.head_axis is not None:
            part = whole[row.index(head=1)]
            one = row.at_positions(mask, part.dim(), one_head=True).expand_as(part)
            assert torch.equal(one, spread[row.index(head=1)])


def test_a_hook_without_a_row_is_taken_for_the_widest() -> None:
    """Everything that could follow of a change there is computed anew."""
    kind = hook_kind("blocks.3.attn.hook_rot_q")
    at = torch.tensor([[False, True, False]])
    assert (kind.node, kind.in_stream, kind.head_axis) == (None, True, 2)
    reach = kind.reach(at)
    assert [mask.tolist()[0] for mask in reach] == [
        [False, True, False], [False, True, True], [False, True, True],
    ]  # fmt: skip


def test_every_node_has_its_words_and_a_name_of_its_own() -> None:
    assert len(nodes()) == len([row for row in TABLE.values() if row.node])
    assert all(row.title for row in nodes().values())


def test_whether_a_hook_is_a_pattern_is_asked_nowhere_else() -> None:
    root = Path(lens_widgets.__file__).parent
    asks = re.compile(r"is_pattern|endswith\([^)]*hook_|== \"hook_")
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in sorted(root.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if asks.search(line)
    ]
    assert found == []
