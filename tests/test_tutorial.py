"""The notebook of the documentation runs, and its pages show in a notebook."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"
PROGRAM = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> list[dict]:
    """The code cells of the notebook with what they showed, and nothing left in its folder."""
    folder, done = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("done") / "done.ipynb"
    command = [sys.executable, "-c", PROGRAM, str(NOTEBOOK), str(folder), str(done)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not list(folder.iterdir())
    return [cell for cell in json.loads(done.read_text())["cells"] if cell["cell_type"] == "code"]


def shown(cells: list[dict], source: str) -> dict:
    """What the cell that ends with these words gave, by kind."""
    (cell,) = (cell for cell in cells if "".join(cell["source"]).endswith(source))
    return {kind: data for output in cell["outputs"] for kind, data in output.get("data", {}).items()}


def test_nothing_is_printed(cells):
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds == {"execute_result", "display_data"}


def test_runs_and_figures_show_by_themselves(cells):
    assert "<table" in "".join(shown(cells, "\nrun")["text/html"])
    assert shown(cells, "run.plot()")["image/png"]


def test_the_bar_of_a_run_reaches_its_end(cells):
    (cell,) = (cell for cell in cells if "".join(cell["source"]).endswith("\nrun"))
    pages = ["".join(one["data"]["text/html"]) for one in cell["outputs"] if one["output_type"] == "display_data"]
    (bars,) = (page for page in pages if "<progress" in page)
    assert bars.count("8/8") == 2


def test_the_committed_notebook_has_no_outputs():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
