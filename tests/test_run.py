"""A whole run through the command line, with a user's losses that raise and that kill their process."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from focalbench_suite.results.store import Run

ROOT = Path(__file__).resolve().parent.parent
FAULTY = """
import os

def raises(logits, targets, gamma, alpha):
    print("chatter")
    raise RuntimeError(f"no such kernel {os.environ['OMP_WAIT_POLICY']}")

def dies(logits, targets, gamma, alpha):
    os._exit(7)
"""


def run_all(*arguments):
    command = [sys.executable, str(ROOT / "run_all.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The finished process and the folder of a run with a good adapter and two bad ones."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "faulty.py").write_text(FAULTY)
    losses = [f"--adapter={folder / 'faulty.py'}:{name}" for name in ("raises", "dies")]
    selection = ["--suite=agreement", "--profile=smoke", "--loss=focal", "--dtype=float32", "--adapter=own", *losses]
    return run_all(*selection, "--out", folder / "run"), folder / "run"


def records(folder, adapter):
    return [record for record in Run.open(folder).records() if record["cell"]["adapter"] == adapter]


def test_a_loss_that_kills_its_process_is_recorded_and_the_exit_status_says_so(finished):
    process, folder = finished
    assert process.returncode == 3
    assert {record["status"] for record in records(folder, "dies")} == {"failed"}
    assert all("exit code 7" in record["reason"] for record in records(folder, "dies"))


def test_a_loss_that_raises_is_a_row_with_its_reason(finished):
    rows = [row for record in records(finished[1], "raises") for row in record["rows"].get("agreement", ())]
    assert rows
    assert {row["verdict"] for row in rows} == {"error"}
    assert all("no such kernel PASSIVE" in row["relation"] for row in rows)  # its threads do not spin


def test_the_good_adapter_beside_them_is_measured(finished):
    rows = [row for record in records(finished[1], "own") for row in record["rows"].get("agreement", ())]
    assert rows
    assert {row["verdict"] for row in rows} == {"agrees"}


def test_what_a_measured_function_prints_goes_to_the_log_of_the_run(finished):
    process, folder = finished
    assert "chatter" not in process.stdout + process.stderr
    assert "chatter" in (folder / "worker.log").read_text()


def test_every_table_of_the_design_and_the_report_are_there(finished):
    names = ["agreement", "findings", "capability", "throughput", "coco_map", "coco_map_compare", "claims"]
    for name in names:
        for kind in ("csv", "parquet", "md", "tex"):
            assert (finished[1] / "tables" / f"{name}.{kind}").is_file()
    for name in ("report.html", "report.md", "junit.xml", "environment.json"):
        assert (finished[1] / name).is_file()


def test_the_environment_names_versions_and_command(finished):
    environment = json.loads((finished[1] / "environment.json").read_text())
    assert {"torch", "numpy"} <= environment["packages"].keys()
    assert "--profile=smoke" in environment["command"]
    assert environment["threads"] >= 1


def test_an_interrupted_run_is_resumed_without_running_again_what_is_done(finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "run")
    run = Run(tmp_path / "run")
    lines = run.records_file.read_bytes().splitlines(keepends=True)
    cut, *kept = lines
    run.records_file.write_bytes(b"".join(kept) + cut[:40])
    losses = [f"--adapter={one}" for one in run.environment()["selection"]["adapters"] if ":" in one]
    refused = run_all("--resume", run.folder)
    assert refused.returncode == 2
    assert f"runs code that it names; where you trust it, add {' '.join(losses)}".replace("=", " ") in refused.stderr
    resumed = run_all("--resume", run.folder, *losses)
    assert resumed.returncode == 3
    assert run.keys() == Run(finished[1]).keys()
    assert run.records_file.read_bytes().startswith(b"".join(kept))
