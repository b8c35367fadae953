"""No source makes code or markup of text, or reads what could run on being read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
JS = [
    path
    for path in [*(ROOT / "js" / "src").rglob("*.ts*"), *(ROOT / "lens_widgets").rglob("*.js")]
    if ".test." not in path.name and "static" not in path.parts
]
UNSAFE_JS = re.compile(
    r"\.(inner|outer)HTML\b|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write"
    r"|\beval\s*\(|new\s+Function\b|\bFunction\s*\(|set(?:Timeout|Interval)\s*\(\s*[\"'`]"
    r"|srcdoc|javascript:|\.createContextualFragment|DOMParser"
)
UNSAFE_PYTHON = {
    *("eval", "exec", "compile", "__import__"),
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"),
}


OWN_PROCESSES = ("data/sending.py",)
"""A recipe for a model goes to processes that a data run starts, over a pipe: a function of the
caller's can be sent in no other way. Nothing of it is ever written to a file or read from one."""


def test_no_source_of_the_front_end_makes_markup_or_code_of_text() -> None:
    assert len(JS) > 30
    found = {
        str(path.relative_to(ROOT)): UNSAFE_JS.findall(path.read_text(encoding="utf-8"))
        for path in JS
    }
    assert {path: marks for path, marks in found.items() if marks} == {}
    for bad in ("a.innerHTML = b", "eval (x)", "new Function('x')", "setTimeout('x')"):
        assert UNSAFE_JS.search(bad)


def test_no_python_source_runs_text_or_reads_pickles() -> None:
    package = ROOT / "lens_widgets"
    for path in package.rglob("*.py"):
        own = path.relative_to(package).as_posix() in OWN_PROCESSES
        unsafe = UNSAFE_PYTHON - ({"pickle"} if own else set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names]
                names.append(getattr(node, "module", None) or "")
                heads = {name.split(".")[0] for name in names}
                assert not heads & unsafe, f"{path}:{node.lineno}"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in UNSAFE_PYTHON, f"{path}:{node.lineno}"
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if ast.unparse(node.func) == "torch.load":
                    flags = {word.arg: ast.unparse(word.value) for word in node.keywords}
                    assert flags.get("weights_only") == "True", f"{path}:{node.lineno}"
            elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle",):
                assert ast.unparse(node.value) == "False", f"{path}:{node.lineno}"
