"""The command line as a user meets it: each test is one call of `run_all.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from results.store import Run

ROOT = Path(__file__).resolve().parent.parent


def run_all(*arguments, **options):
    command = [sys.executable, str(ROOT / "run_all.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, **options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--suite", "nope"], ["nope", "agreement", "throughput", "coco-map", "claims"]),
        (["--adapter", "nope"], ["nope", "torchvision", "ultralytics"]),
        (["--adapter", "nowhere.py:loss"], ["nowhere.py", "FILE.py:NAME"]),
        (["--loss", "nope"], ["nope", "quality_focal"]),
        (["--device", "abacus"], ["abacus", "cpu", "cuda"]),
        (["--dtype", "float8"], ["float8", "bfloat16"]),
        (["--profile", "endless"], ["endless", "smoke", "quick", "full"]),
        (["--out", __file__], ["is a file", "name a folder"]),
        (["--coco", str(ROOT / "tests")], ["--coco", "instances"]),
        (["--resume", str(ROOT / "tests")], ["is not a run"]),
        (["--baseline", str(ROOT / "tests")], ["is not a run"]),
        (["compare", str(ROOT / "tests"), str(ROOT / "tests")], ["is not a run"]),
        (["compare", "one"], ["two runs"]),
        (["compare", "--rerun", "no-such-commit"], ["no-such-commit", "neither a folder nor a commit"]),
        (["report", str(ROOT / "tests")], ["is not a run"]),
        (["--cell", "claims/nope"], ["claims/nope", "list --cells"]),
        (["check", "nowhere.py:loss", "--as", "focal"], ["nowhere.py"]),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_exit_2(arguments, words):
    done = run_all(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path):
    run = Run.create(tmp_path / "run", {"cpu": "abacus"})
    run.append({"key": "a", "status": "ok"})
    done = run_all("--out", run.folder)
    assert done.returncode == 2
    assert "already holds a run; go on with it by --resume" in done.stderr
    assert Run.open(run.folder).environment() == {"cpu": "abacus"}


def test_one_cell_is_run_again_by_its_name(tmp_path):
    cell = "claims/cross_entropy/own/cpu/float64/Focal Loss, arXiv:1708.02002"
    done = run_all("--suite", "claims", "--cell", cell, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["key"] for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()] == [cell]
    asked = json.loads((tmp_path / "run" / "environment.json").read_text())["selection"]
    assert asked["cells"] == [cell]
