"""The example notebooks, run while the documentation is built, with their views still alive."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from live import frame
from nbclient import NotebookClient
from plotly.offline import get_plotlyjs

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "example_notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
MARK = "exported: "

# Run after each cell: what the cell shows, as it is at that point of the story.
EXPORT = """
def _export(shown):
    import base64, tempfile
    from pathlib import Path
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "view.html")
        lw.export_html(shown, path, title=type(shown).__name__)
        print("exported: " + base64.b64encode(path.read_bytes()).decode())
"""
EXPORT_LAST = "_export(Out[max(Out)])"

FIGURE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>figure</title>
<div id="figure"></div>
<script src="plotly.js"></script>
<script>
const figure = {figure};
const options = {{ responsive: true, displaylogo: false }};
void Plotly.newPlot("figure", figure.data, figure.layout, options);
</script>
</html>
"""


def pages() -> dict[str, str | bytes]:
    """``notebooks/<name>.md`` with the pages its frames show."""
    made: dict[str, str | bytes] = {"notebooks/index.md": "", "live/plotly.js": get_plotlyjs()}
    paths = sorted(FOLDER.glob("*.ipynb"))
    titles = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for path, notebook in zip(paths, pool.map(executed, paths), strict=True):
            page = Page(path.stem)
            made[f"notebooks/{path.stem}.md"] = page.text(notebook)
            made.update(page.files)
            titles.append(
                f"- [{notebook.cells[0].source.splitlines()[0].lstrip('# ')}]({path.stem}.md)"
            )
    made["notebooks/index.md"] = INDEX + "\n".join(titles) + "\n"
    return made


INDEX = """\
# Notebooks

`lens-widgets demo` opens them in JupyterLab. Here they are as they ran when this documentation was
built; the views are saved ones, in which hovering and selecting go on.

"""


def executed(path: Path) -> Any:
    """The notebook with its outputs; a cell that shows a view has the view's page beside them."""
    notebook = nbformat.read(path, as_version=4)
    # Two run at once, and models as small as these are quickest on one thread.
    settings = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **settings}
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(FOLDER)}},
        # Of no use here: a warning that the kernel's messages are not encrypted.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    cells, kept = list(notebook.cells), []
    with client.setup_kernel(env=environment):
        for cell in cells:
            kept.append(cell)
            if cell.cell_type != "code":
                continue
            run(client, notebook, cell)
            if any(WIDGET in output.get("data", {}) for output in cell.outputs):
                hidden = nbformat.v4.new_code_cell(EXPORT + EXPORT_LAST)
                run(client, notebook, hidden)
                cell.metadata["exported"] = "".join(output.text for output in hidden.outputs)
    notebook.cells = kept
    return notebook


def run(client: NotebookClient, notebook: Any, cell: Any) -> None:
    notebook.cells = [cell]
    client.execute_cell(cell, 0)


class Page:
    """One notebook as Markdown; ``files`` are the pages that its frames show."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, str | bytes] = {}

    def text(self, notebook: Any) -> str:
        parts = []
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                parts.append(cell.source)
                continue
            parts.append(f"```python\n{cell.source}\n```")
            for output in cell.outputs:
                if WIDGET in output.get("data", {}):
                    page = base64.b64decode(cell.metadata["exported"].removeprefix(MARK))
                    parts.append(self.frame("view", page))
                else:
                    parts.append(self.output(output))
        return "\n\n".join(parts) + "\n"

    def output(self, output: Any) -> str:
        data = output.get("data", {})
        if PLOTLY in data:
            figure = json.dumps(data[PLOTLY]).replace("</", "<\\/")
            return self.frame("figure", FIGURE.format(figure=figure))
        table = data.get("text/html", "")
        if table.startswith("<div>\n<style scoped>"):
            # A table of pandas, without the style that would reach beyond it.
            return re.sub(r"<style scoped>.*?</style>", "", table, flags=re.DOTALL)
        text = output.get("text") or data.get("text/plain", "")
        return f'<pre class="output">{html.escape(text.rstrip())}</pre>'

    def frame(self, kind: str, page: str | bytes) -> str:
        name = f"{self.name}-{len(self.files) + 1}"
        self.files[f"live/{name}.html"] = page
        return frame(f"../live/{name}.html", f"{kind} {len(self.files)} of this notebook")
