"""Dependencies point one way: widgets, analysis, session, interventions, prompts, engine."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lens_widgets

PACKAGE = Path(lens_widgets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

_BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ipywidgets", "anywidget", "plotly", "IPython"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
print(sorted({m.split(".")[0] for m in sys.modules} & {"ipywidgets", "anywidget"}))
"""


def test_engine_session_and_analysis_import_without_the_widget_packages() -> None:
    names = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in MODULES
        if _layer_of(path) not in ("widgets", "models") and path.name != "server.py"
    ]
    names = [name.removesuffix(".__init__") for name in names]
    assert {"lens_widgets.session", "lens_widgets.engine.worker"} <= set(names)
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED, *names],
        cwd=PACKAGE.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def _imports(path: Path) -> Iterator[str]:
    """Modules a file imports, also inside functions; not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _layer(module: str) -> str:
    """The folder a module lives in."""
    return module.split(".")[1] if "." in module else ""


def _layer_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


_BELOW = ["engine", "prompts", "interventions", "session", "analysis"]
ALLOWED = {
    **{layer: set(_BELOW[: index + 1]) for index, layer in enumerate(_BELOW)},
    "jupyter": {"engine", "jupyter"},
    "wire": {"engine", "wire"},
    "widgets": {*_BELOW, "wire", "widgets"},
    "models": {"engine", "prompts", "models"},
}
ALLOWED["session"].add("jupyter")
# Values and errors that know no layer may be used by all.
SHARED = ("errors", "components")
# A door that opens on first use.
DOORS = {"lens_widgets.session.session": {"lens_widgets.widgets.explorer"}}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    if path.parent == PACKAGE:
        return
    for name in _imports(path):
        if not name.startswith("lens_widgets.") or _layer(name) in SHARED:
            continue
        if any(name.startswith(door) for door in DOORS.get(module, ())):
            continue
        assert _layer(name) in ALLOWED[_layer(module)], f"{module} imports {name}"


@pytest.mark.parametrize("layer", ["engine", "analysis"])
def test_compute_knows_no_widgets_traits_or_prints(layer: str) -> None:
    for path in sorted((PACKAGE / layer).rglob("*.py")):
        heads = {name.split(".")[0] for name in _imports(path)}
        assert not heads & {"ipywidgets", "anywidget", "traitlets", "plotly"}, path
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}, path


def test_the_front_end_packages_are_imported_by_the_widgets_alone() -> None:
    for path in MODULES:
        heads = {name.split(".")[0] for name in _imports(path)}
        if heads & {"ipywidgets", "anywidget"}:
            assert _layer_of(path) == "widgets", path


def test_every_public_name_can_be_had() -> None:
    for name in lens_widgets.__all__:
        assert getattr(lens_widgets, name) is not None
    assert set(dir(lens_widgets)) >= set(lens_widgets.__all__)
    assert {"Session", "AttentionView", "analysis", "export_html"} <= set(lens_widgets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        _ = lens_widgets.Sesion


def test_type_checkers_see_the_public_names_that_there_are() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [line for line in stub.body if isinstance(line, ast.ImportFrom)]
    # Only `import X as X` hands a name on.
    assert all(alias.asname == alias.name for line in imports for alias in line.names)
    assert sorted(alias.name for line in imports for alias in line.names) == lens_widgets.__all__
    (version,) = [line for line in stub.body if not isinstance(line, ast.ImportFrom)]
    assert ast.unparse(version) == "__version__: str"
