"""A session in a file: the same when opened again, refused when it cannot be the same."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import ClosedError, InputError
from tests.models import ARCHITECTURES, D_MODEL, fresh, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, state


def last_max(logits: Tensor) -> Tensor:
    return logits[:, -1].max(dim=-1).values


def _worked_on(model: Any = None, **options: Any) -> lw.Session:
    """A session with every kind of intervention, a past and a future, and a selection."""
    options = {"answers": ANSWERS, "corrupted": CORRUPTED, **options}
    session = lw.Session(tiny("gpt2") if model is None else model, PROMPTS, **options)
    changes = session.interventions
    changes.add(lw.Ablate("L0H1", "mean", positions=(1, -1)))
    changes.add(lw.Patch("blocks.1.hook_resid_pre", positions=2))
    changes.toggle("L1.mlp")
    changes.set_enabled(changes.entries[0].key, False)
    changes.add(lw.Steer("blocks.0.hook_resid_post", [0.1] * D_MODEL, scale=-2.5))
    changes.toggle("L1H3")
    changes.undo()
    session.selection.update(layer=1, head=2, query_pos=3, key_pos=0, prompt=1, stripe="induction")
    return session


def _seen(session: lw.Session) -> dict[str, Any]:
    """All that counts; the numbers of the two revisions only tell how often it was changed."""
    return {k: v for k, v in state(session).items() if "revision" not in k}


def test_an_opened_session_is_the_saved_one(tmp_path: Path) -> None:
    saved = _worked_on()
    path = tmp_path / "work.lens"
    saved.save(path)
    opened = lw.Session.open(path, saved.model)
    assert _seen(opened) == _seen(saved)
    assert opened.str_tokens == saved.str_tokens
    assert opened.interventions.to_code() == saved.interventions.to_code()
    assert opened.interventions.redo()
    assert saved.interventions.redo()
    assert _seen(opened) == _seen(saved)
    steps = 0
    while saved.interventions.undo():
        assert opened.interventions.undo()
        assert opened.interventions.entries == saved.interventions.entries
        steps += 1
    assert steps == 6
    assert not opened.interventions.undoes
    # Keys made from now on are new ones.
    saved.interventions.redo()
    opened.interventions.redo()
    opened.interventions.toggle("L1H0")
    keys = [entry.key for entry in opened.interventions.entries]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_comes_back(name: str, tmp_path: Path) -> None:
    saved = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    saved.interventions.toggle("L1H2")
    saved.save(tmp_path / "s")
    assert _seen(lw.Session.open(tmp_path / "s", saved.model)) == _seen(saved)


@pytest.mark.parametrize("metric", ["loss", "prob", "kl", None])
def test_named_metrics_come_back(metric: str | None, tmp_path: Path) -> None:
    saved = _worked_on(metric=metric)
    saved.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", saved.model)
    assert opened.metric == saved.metric
    assert opened.requested_metric == metric
    with pytest.raises(InputError, match="needs no metric="):
        lw.Session.open(tmp_path / "s", saved.model, metric=last_max)


def test_a_metric_of_ones_own_must_be_given_again_and_be_the_same(tmp_path: Path) -> None:
    saved = _worked_on(metric=last_max)
    saved.save(tmp_path / "s")
    with pytest.raises(InputError, match=r"function 'last_max'.*metric=last_max"):
        lw.Session.open(tmp_path / "s", saved.model)
    assert _seen(lw.Session.open(tmp_path / "s", saved.model, metric=last_max)) == _seen(saved)
    with pytest.raises(InputError, match=r"baseline metric of prompt 0 was .*metric="):
        lw.Session.open(tmp_path / "s", saved.model, metric=lambda x: x[:, 0].amin(-1))


def test_token_tensors_and_bos_come_back(tmp_path: Path) -> None:
    model = tiny("gpt2")
    saved = lw.Session(model, torch.tensor([[2, 4, 5, 2, 6]]))
    saved.save(tmp_path / "s")
    assert lw.Session.open(tmp_path / "s", model).tokens.tolist() == saved.tokens.tolist()
    saved = lw.Session(model, PROMPTS, prepend_bos=False)
    saved.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", model)
    opened.edit_prompt(0, "w5 w6")
    assert opened.str_tokens[0] == ["w5", "w6"]


def test_results_come_back_with_their_labels(tmp_path: Path) -> None:
    saved = _worked_on()
    sweep = lw.analysis.ablation_sweep(saved)
    saved.results["sweep"] = sweep
    saved.results["loss"] = lw.analysis.token_loss(saved)
    saved.results["both"] = xr.Dataset(
        {"sweep": sweep, "token": ("pos", np.array(["a", "b"], dtype=object))},
        coords={"pos": [3, 4]},
        attrs={"units": "<b>logits</b>", "n": np.int64(3)},
    )
    saved.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", saved.model)
    assert list(opened.results) == ["sweep", "loss", "both"]
    for name, array in saved.results.items():
        xr.testing.assert_identical(opened.results[name], array)


@pytest.mark.parametrize(
    ("result", "parts"),
    [
        ([1, 2], r"results\['x'\] is a list"),
        (xr.DataArray(np.array([object()], dtype=object)), r"results\['x'\] holds object"),
        (xr.DataArray([1.0], attrs={"model": object()}), r"results\['x'\].attrs"),
    ],
)
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(
    result: Any, parts: str, tmp_path: Path
) -> None:
    session, path = _worked_on(), tmp_path / "s"
    session.save(path)
    before = path.read_bytes()
    session.results["x"] = result
    with pytest.raises(InputError, match=parts):
        session.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_a_write_that_fails_half_way_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, path = _worked_on(), tmp_path / "s"
    session.save(path)
    before = path.read_bytes()
    session.results["loss"] = lw.analysis.token_loss(session)

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space left"):
        session.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    _worked_on().save(path)
    with pytest.raises(InputError, match=r"another model.*tiny GPT2Config"):
        lw.Session.open(path, tiny("llama"))
    other = fresh("gpt2")
    with torch.no_grad():
        other.blocks[1].mlp.out.weight.mul_(1.5)
    with pytest.raises(InputError, match=r"the weights of .*1\.mlp"):
        lw.Session.open(path, other)
    with pytest.raises(InputError, match="processed"):
        lw.Session.open(path, tiny("gpt2_folded"))
    with pytest.raises(InputError, match="not a TransformerLens model"):
        lw.Session.open(path, "gpt2")  # type: ignore[arg-type]


def test_another_dtype_of_the_same_model_is_welcome(tmp_path: Path) -> None:
    saved = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    saved.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", fresh("gpt2").to(torch.float64))
    assert opened.facts.dtype == "float64"
    assert torch.allclose(opened.baseline.float(), saved.baseline, atol=1e-4)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def _rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> None:
    members = _members(path)
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.json", json.dumps(manifest))
        for name, content in members.items():
            file.writestr(name, content)


class Trap:
    """Unpickling one would create a file."""

    def __init__(self, sign: Path) -> None:
        self._sign = sign

    def __reduce__(self) -> Any:
        return Path.touch, (self._sign,)


def _replace_array(hostile: bytes, manifest: Any, members: dict[str, bytes]) -> None:
    members["arrays/0.npy"] = hostile


def test_a_pickle_in_the_file_is_never_opened(tmp_path: Path) -> None:
    path, sign = tmp_path / "s", tmp_path / "sign"
    session = _worked_on()
    session.save(path)
    content = io.BytesIO()
    np.save(content, np.array([Trap(sign)], dtype=object), allow_pickle=True)
    for hostile in (content.getvalue(), pickle.dumps(Trap(sign))):
        _rewrite(path, partial(_replace_array, hostile))
        with pytest.raises(InputError, match="damaged"):
            lw.Session.open(path, session.model)
    path.write_bytes(pickle.dumps(Trap(sign)))
    with pytest.raises(InputError, match="damaged"):
        lw.Session.open(path, session.model)
    assert not sign.exists()


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "unknown type": lambda m: m["interventions"][0].update(type="os.system"),
    "wrong keys": lambda m: m["interventions"][0].update(extra=1),
    "wrong fields": lambda m: m["interventions"][0]["fields"].update(extra=1),
    "array missing": lambda m: m["interventions"][0]["fields"].update(kind={"array": "x"}),
    "bad component": lambda m: m["interventions"][0]["fields"].update(component="L99H99"),
    "bad index": lambda m: m["history"]["entries"][0].__setitem__(1, 99),
    "negative index": lambda m: m["history"]["entries"][0].__setitem__(1, -1),
    "bad key": lambda m: m["history"]["entries"][0].__setitem__(0, "<script>"),
    "bad flag": lambda m: m["history"]["undo"][1][0].__setitem__(2, "yes"),
    "token id too large": lambda m: m["prompts"]["tokens"][0].__setitem__(0, 10**6),
    "token id too huge": lambda m: m["prompts"]["tokens"][0].__setitem__(0, 10**30),
    "token id no number": lambda m: m["prompts"]["tokens"][0].__setitem__(0, "5"),
    "no prompts": lambda m: m["prompts"].update(tokens=[], texts=[]),
    "texts missing": lambda m: m["prompts"].update(texts=["one"]),
    "other lengths": lambda m: m["prompts"]["corrupted_tokens"][0].pop(),
    "selection out of range": lambda m: m["selection"].update(layer=9),
    "selection no number": lambda m: m["selection"].update(head="0"),
    "metric no name": lambda m: m["metric"].update(requested=["loss"]),
    "metric unknown": lambda m: m["metric"].update(requested="__import__"),
    "baseline changed": lambda m: m["metric"]["baseline"].__setitem__(0, 77.0),
    "baseline missing": lambda m: m["metric"]["baseline"].pop(),
    "no model": lambda m: m.pop("model"),
    "null history": lambda m: m.update(history=None),
    "results odd": lambda m: m.update(results={"x": {"type": "DataArray"}}),
    "results shape": lambda m: m["results"]["loss"]["values"].update(dims=["pos"]),
    "other format": lambda m: m.update(format="something else"),
    "future version": lambda m: m.update(version=99),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_changed_manifest_gives_a_clear_error(name: str, tmp_path: Path) -> None:
    path, session = tmp_path / "s", _worked_on()
    session.results["loss"] = lw.analysis.token_loss(session)
    session.save(path)
    _rewrite(path, lambda manifest, members: HOSTILE[name](manifest))
    with pytest.raises(InputError) as caught:
        lw.Session.open(path, session.model)
    assert caught.value.hint or caught.value.message


def test_a_damaged_file_gives_a_clear_error_wherever_it_is_damaged(tmp_path: Path) -> None:
    path, session = tmp_path / "s", _worked_on()
    session.results["loss"] = lw.analysis.token_loss(session)
    session.save(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            opened = lw.Session.open(path, session.model)
        except InputError:
            refused += 1
        else:
            # Bytes that carry nothing, such as a date in the zip.
            assert _seen(opened) == _seen(session)
    assert refused > 20
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="damaged"):
            lw.Session.open(path, session.model)
    with pytest.raises(FileNotFoundError):
        lw.Session.open(tmp_path / "absent", session.model)


def test_a_manifest_nested_beyond_reason_gives_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.json", "[" * 200_000 + "]" * 200_000)
    with pytest.raises(InputError):
        lw.Session.open(path, tiny("gpt2"))


def test_a_closed_session_cannot_be_saved(tmp_path: Path) -> None:
    session = _worked_on()
    session.close()
    with pytest.raises(ClosedError):
        session.save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []
