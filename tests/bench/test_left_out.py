"""A damaged run in a folder: the commands say so once and go on with the others."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

OF_SCHEMA_1 = Path(__file__).parents[1] / "reports/of_schema_1"
GOOD, BAD = "26edf99e4473", "3646fe91fd35"


def test_a_report_leaves_a_damaged_run_out_and_says_so_on_standard_error(tmp_path: Path) -> None:
    for run in (GOOD, BAD):
        shutil.copytree(OF_SCHEMA_1 / run, tmp_path / "runs" / run)
    path = tmp_path / "runs" / BAD / "record.json"
    header = json.loads(path.read_text())
    header["spec"]["eps"][0] = -1
    path.write_text(json.dumps(header))
    command = [sys.executable, "-m", "perceptbench", "report", "--runs", str(tmp_path / "runs"), "--to", str(tmp_path)]
    done = subprocess.run([*command, "--format", "csv"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        f"bench: left out the run {BAD}: {path} is damaged: spec.eps should be a sorted list of different, positive "
        f"and finite numbers, got [-1, 2.5]; delete the folder {path.parent} and run the same command again\n"
    )
    rows = (tmp_path / "rows.csv").read_text()
    assert GOOD in rows
    assert BAD not in rows
