"""What a user installs: the archives carry the built front end, and a wheel works by itself."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

from tests.frontends.server import free_port, make_home, serve

REPO = Path(__file__).resolve().parents[2]
VIEWS = sorted(entry.parent.name for entry in REPO.glob("js/src/views/*/index.tsx"))
STATIC = "lens_widgets/static"
PARTS = {
    "attribution_neurons",
    "attribution_sources",
    "explorer_tour",
    "export_save",
    "token_bos",
    "token_editor",
}
IN_EXPLORER = {"explorer", "token", "attention", "attribution", "ablation"}
BUNDLES = {
    *(f"{STATIC}/{view}.js" for view in VIEWS),
    *(f"{STATIC}/tabs/{view}.js" for view in VIEWS if view not in IN_EXPLORER),
    *(f"{STATIC}/tabs/{part}.js" for part in PARTS),
    f"{STATIC}/style.css",
    f"{STATIC}/LICENSES.txt",
}
RECORD = f"{STATIC}/.sources.sha256"
NOTEBOOKS = sorted(path.name for path in REPO.glob("example_notebooks/*.ipynb"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive built from this checkout."""
    out = tmp_path_factory.mktemp("sdist")
    done = _build("--sdist", "--outdir", str(out), str(REPO))
    assert done.returncode == 0, done.stdout
    return _only(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the source archive on a machine that reaches no npm registry."""
    out = tmp_path_factory.mktemp("wheel")
    root = _unpack(sdist, tmp_path_factory.mktemp("tree"))
    done = _build("--wheel", "--outdir", str(out), str(root), npm_cache=out / "npm")
    assert done.returncode == 0, done.stdout
    return _only(out.glob("*.whl"))


def test_there_is_something_to_ship() -> None:
    assert VIEWS, "js/src/views holds no view"


def test_sdist_carries_bundles_and_sources(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert names >= BUNDLES | {RECORD}
    assert names >= {"hatch_build.py", "js/build.mjs", "js/package-lock.json", "js/src/style.css"}
    assert names >= {f"js/src/views/{view}/index.tsx" for view in VIEWS}
    assert not [name for name in names if "node_modules" in name]


def test_wheel_carries_the_whole_package_and_nothing_else(wheel: Path) -> None:
    package = REPO / "lens_widgets"
    expected = {
        path.relative_to(REPO).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    notebooks = {f"lens_widgets/example_notebooks/{name}" for name in NOTEBOOKS}
    assert names == (expected - {RECORD}) | notebooks
    assert names >= BUNDLES | {"lens_widgets/py.typed"}
    assert {Path(name).suffix for name in names if "/demo/" in name} >= {".py", ".safetensors"}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = _scripts(environment) / Path(sys.executable).name
    site_packages = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    # torch and the rest come from this environment. The path files inside a folder that a path file
    # names are not read, so an editable lens_widgets there stays out of sight.
    dependencies = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    Path(site_packages, "dependencies.pth").write_text("\n".join(dependencies))
    _run(
        Path(sys.executable),
        *("-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)),
    )
    return python


def test_version_is_said_in_one_place(wheel: Path) -> None:
    (said,) = re.findall(
        r'^__version__ = "(.+)"$', (REPO / "lens_widgets/__init__.py").read_text(), re.M
    )
    assert wheel.name.startswith(f"lens_widgets-{said}-")
    for name in ("package.json", "package-lock.json"):
        assert "version" not in json.loads((REPO / "js" / name).read_text()), name
    lines = (REPO / "pyproject.toml").read_text().splitlines()
    assert not [line for line in lines if line.startswith("version")]


def test_installed_wheel_imports_and_renders(installed: Path, tmp_path: Path) -> None:
    shown = json.loads(_run(installed, "-c", _RENDER, cwd=tmp_path).splitlines()[-1])

    assert Path(shown["package"]).is_relative_to(installed.parents[1].resolve())
    for name, view in shown["views"].items():
        assert "application/vnd.jupyter.widget-view+json" in view["mime"], name
        assert view["esm"] > 1_000, name
        assert view["css"] > 100, name


_RENDER = """
import json
import pathlib
import lens_widgets as lw

model = lw.load_demo("ioi")
prompt = "When John and Mary went to the shops, John gave the bag to"
session = lw.Session(model, [prompt], answers=[(" Mary", " John")])
views = {}
for view in (
    lw.TokenView, lw.AttentionView, lw.AttributionTable, lw.AblationPanel, lw.LogitLensView
):
    widget = view(session)
    data, *_ = widget._repr_mimebundle_()
    views[view.__name__] = {
        "mime": sorted(data), "esm": len(str(widget._esm)), "css": len(str(widget._css))
    }
session.close()
print(json.dumps({"package": str(pathlib.Path(lw.__file__).resolve()), "views": views}))
"""


def test_installed_command_opens_the_quickstart(installed: Path, tmp_path: Path) -> None:
    make_home(tmp_path)
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    folder = tmp_path / "mine"
    command = [
        *(str(_scripts(installed.parents[1]) / "lens-widgets"), "demo", "--no-browser"),
        *(f"--port={port}", f"--dir={folder}", "--", "--IdentityProvider.token="),
        "--ServerApp.port_retries=0",
    ]
    # JupyterLab's own files lie in the environment that lends the packages.
    share = Path(sys.prefix, "share", "jupyter")
    lent = {"PYTHONPATH": "", "JUPYTERLAB_DIR": str(share / "lab"), "JUPYTER_PATH": str(share)}
    with serve(command, tmp_path, url, "api/status", lent):
        with urllib.request.urlopen(url, timeout=30) as page:
            assert page.url == f"{url}lab/tree/01_quickstart.ipynb"
            assert b"JupyterLab" in page.read()
        opened = _json(f"{url}api/contents/01_quickstart.ipynb")
        widgets = _json(f"{url}lab/api/settings/@jupyter-widgets/jupyterlab-manager:plugin")
    shipped = nbformat.read(REPO / "example_notebooks" / "01_quickstart.ipynb", as_version=4)
    assert _sources(opened["content"]["cells"]) == _sources(shipped.cells)
    # The default that a person's own settings still go over, of which there are none.
    assert widgets["schema"]["properties"]["saveState"]["default"] is True
    assert list((tmp_path / "settings").rglob("*.jupyterlab-settings")) == []
    assert sorted(path.name for path in folder.iterdir()) == NOTEBOOKS


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def _sources(cells: Any) -> list[str]:
    return [cell["source"] for cell in cells]


def test_import_loads_nothing_heavy() -> None:
    heavy = {"torch", "transformer_lens", "transformers", "ipywidgets", "plotly", "xarray", "numpy"}
    code = f"import sys, lens_widgets; print(sorted({heavy!r} & set(sys.modules)))"
    assert _run(Path(sys.executable), "-c", code, cwd=REPO, isolated=False) == "[]"


def test_changed_source_is_never_shipped_with_an_old_bundle(sdist: Path, tmp_path: Path) -> None:
    root = _unpack(sdist, tmp_path)
    with (root / "js/src/style.css").open("a") as style:
        style.write("\n.lw-changed { color: red; }\n")
    done = _build("--wheel", "--outdir", str(tmp_path), str(root), npm_cache=tmp_path / "npm")
    assert done.returncode != 0
    assert "npm" in done.stdout
    assert not list(tmp_path.glob("*.whl"))


@pytest.fixture
def npm_calls() -> list[str]:
    """What the hook under test asked npm for, in order."""
    return []


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, npm_calls: list[str]) -> ModuleType:
    """The build hook over a front end of one view, with an npm that writes what it should."""
    spec = importlib.util.spec_from_file_location("hatch_build", REPO / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    js, static = tmp_path / "js", tmp_path / "static"
    for name in ("build.mjs", "package-lock.json", "tsconfig.json", "src/views/one/index.tsx"):
        path = js / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("source")

    def run_npm(*args: str) -> None:
        npm_calls.append(" ".join(args[:2]))
        (js / "node_modules").mkdir(exist_ok=True)
        static.mkdir(exist_ok=True)
        if args == ("run", "build"):
            for path in module.bundles():
                path.write_text("built")

    monkeypatch.setattr(module, "JS", js)
    monkeypatch.setattr(module, "STATIC", static)
    monkeypatch.setattr(module, "SOURCES_RECORD", static / ".sources.sha256")
    monkeypatch.setattr(module, "PACKAGES_RECORD", js / "node_modules" / ".package-lock.sha256")
    monkeypatch.setattr(module, "_run_npm", run_npm)
    return module


def test_front_end_is_built_when_its_sources_change_and_only_then(
    hook: ModuleType, npm_calls: list[str]
) -> None:
    hook.build()
    hook.build()
    assert npm_calls == ["ci --no-audit", "run build"]
    (hook.JS / "src/views/one/index.tsx").write_text("changed")
    hook.build()
    assert npm_calls == ["ci --no-audit", "run build", "run build"]


def test_packages_are_installed_again_when_the_lock_changes(
    hook: ModuleType, npm_calls: list[str]
) -> None:
    hook.build()
    (hook.JS / "package-lock.json").write_text("changed")
    hook.build()
    assert npm_calls == ["ci --no-audit", "run build"] * 2


def test_build_that_leaves_out_a_bundle_fails_and_names_it(
    hook: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.build()
    (hook.STATIC / "one.js").unlink()
    monkeypatch.setattr(hook, "_run_npm", lambda *args: None)
    with pytest.raises(RuntimeError, match=r"one\.js"):
        hook.build()


def _build(*args: str, npm_cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the build front end; with `npm_cache`, an empty folder, npm can install nothing."""
    offline = {"npm_config_offline": "true", "npm_config_cache": str(npm_cache)}
    return subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *args],
        env={**os.environ, **(offline if npm_cache else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _unpack(sdist: Path, where: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(where)
    return _only(where.iterdir())


def _run(python: Path, *args: str, cwd: Path | None = None, isolated: bool = True) -> str:
    flags = ["-I"] if isolated else []
    done = subprocess.run([str(python), *flags, *args], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _scripts(environment: Path) -> Path:
    return environment / ("Scripts" if os.name == "nt" else "bin")


def _only(paths: Iterable[Path]) -> Path:
    (path,) = paths
    return path
