"""Dependencies point one way: views, analysis, session, interventions, prompts, engine."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import lens_widgets

PACKAGE = Path(lens_widgets.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {_name(path): path for path in MODULES}


def _layer(module: str) -> str:
    """The folder or the file at the top of the package that a module lies in."""
    return [*module.split("."), ""][1]


def _imports(path: Path) -> Iterator[str]:
    """Modules a file imports, also inside functions and for type checkers alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # A package from which a module is taken is run first, so it counts as well.
                yield str(node.module)
                if full in NAMES:
                    yield full


def _graph() -> dict[str, set[str]]:
    """Which modules of the package each imports; the package itself only lists public names."""
    graph = {name: {i for i in _imports(path) if i in NAMES} for name, path in NAMES.items()}
    graph.pop("lens_widgets")
    return {name: imported - {"lens_widgets"} for name, imported in graph.items()}


def _circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, or of one that needs itself
    (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == order[node]:
            start = stack.index(node)
            circle, stack[start:] = stack[start:], []
            if len(circle) > 1 or node in graph.get(node, ()):
                found.append(sorted(circle))

    for node in graph:
        if node not in order:
            visit(node)
    return found


# --- circles ------------------------------------------------------------------------------------


def test_no_modules_import_each_other() -> None:
    assert _circles(_graph()) == []


def test_a_circle_would_be_found() -> None:
    circle = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set(), "f": {"f"}}
    assert _circles(circle) == [["a", "b", "c"], ["f"]]
    assert "lens_widgets.engine.forward" in _graph()["lens_widgets.engine.trace"]


# --- direction ----------------------------------------------------------------------------------

_ORDER = ("engine", "prompts", "interventions", "session", "analysis", "data", "views")
ALLOWED = {
    **{layer: {*_ORDER[: index + 1]} for index, layer in enumerate(_ORDER)},
    "jupyter": {"jupyter", "engine"},
    "wire": {"wire", "engine"},
    "models": {"models", "prompts", "engine"},
    "__main__": {"jupyter", "models"},
}
ALLOWED["session"] |= {"jupyter"}
ALLOWED["views"] |= {"wire"}
SHARED = {"errors"}
"""Errors know no layer and may be raised by all."""


def test_imports_point_down() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imports in _graph().items()
        for imported in imports
        if _layer(imported) not in ALLOWED.get(_layer(module), set()) | SHARED
    ]
    assert wrong == []


@pytest.mark.parametrize("layer", ["engine", "analysis", "data"])
def test_compute_knows_no_widgets_traits_or_prints(layer: str) -> None:
    for path in sorted((PACKAGE / layer).rglob("*.py")):
        heads = {name.split(".")[0] for name in _imports(path)}
        assert not heads & {"ipywidgets", "anywidget", "traitlets", "plotly"}, path
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}, path


def test_the_front_end_packages_are_imported_by_the_widgets_alone() -> None:
    for module, path in NAMES.items():
        heads = {name.split(".")[0] for name in _imports(path)}
        if heads & {"ipywidgets", "anywidget"}:
            assert _layer(module) == "views", path


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
    apart = ("views", "models")
    names = [n for n in NAMES if _layer(n) not in apart and n != "lens_widgets.jupyter.server"]
    assert {"lens_widgets.session.session", "lens_widgets.engine.worker"} <= set(names)
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED, *names], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


# --- size ---------------------------------------------------------------------------------------

MAX_AT_THE_TOP = 12
MAX_LINES = 400


def test_the_package_has_few_rooms_at_the_top() -> None:
    rooms = {_layer(name) for name in NAMES} - {""}
    assert len(rooms) <= MAX_AT_THE_TOP, sorted(rooms)


def test_no_source_file_is_long() -> None:
    endings = ("*.py", "*.ts", "*.tsx", "*.css", "*.js", "*.mjs")
    listed = subprocess.run(
        ["git", "ls-files", *endings], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.split() if "/generated/" not in name]
    assert len(paths) > 100
    long = {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.is_file() and len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }
    assert long == set(), f"longer than {MAX_LINES} lines: {sorted(long)}"


# --- public names -------------------------------------------------------------------------------


def test_every_public_name_can_be_had() -> None:
    for name in lens_widgets.__all__:
        assert getattr(lens_widgets, name) is not None
    assert set(dir(lens_widgets)) >= set(lens_widgets.__all__)
    assert {"Session", "AttentionView", "analysis", "export_html"} <= set(lens_widgets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        _ = lens_widgets.Sesion  # type: ignore[attr-defined]


def test_type_checkers_see_the_public_names_that_there_are() -> None:
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [line for line in stub.body if isinstance(line, ast.ImportFrom)]
    # Only `import X as X` hands a name on.
    assert all(alias.asname == alias.name for line in imports for alias in line.names)
    assert sorted(alias.name for line in imports for alias in line.names) == lens_widgets.__all__
    others = [ast.unparse(line) for line in stub.body if not isinstance(line, ast.ImportFrom)]
    assert others == ["__all__: list[str]", "__version__: str"]
