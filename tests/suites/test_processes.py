"""Several processes that train one detector together, as torchrun starts them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from focalbench_suite.results.store import Run
from focalbench_suite.suites import Selection
from focalbench_suite.suites.coco_map import plan

ROOT = Path(__file__).resolve().parents[2]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
TOGETHER = """
import sys
from pathlib import Path

from focalbench_suite.suites.processes import gathered, join, mean, rank

join("cpu")
answer = mean({"cls": float(rank()), "box": 3.0}), gathered(["a", "b"] if rank() == 0 else ["c"])
Path(sys.argv[1], str(rank())).write_text(repr(answer))  # what both print comes out mixed
"""


def test_terms_are_averaged_in_all_processes_and_detections_come_together_in_the_first(tmp_path):
    (tmp_path / "together.py").write_text(TOGETHER)
    subprocess.run([*TWO, tmp_path / "together.py", tmp_path], check=True, env={"PYTHONPATH": str(ROOT)})
    means = {"cls": 0.5, "box": 3.0}
    answers = [ast.literal_eval((tmp_path / rank).read_text()) for rank in ("0", "1")]
    assert answers == [(means, ["a", "b", "c"]), (means, [])]


@pytest.mark.timeout(300)
def test_two_processes_train_together_record_once_and_score_the_detections_of_both(tmp_path):
    name = "retinanet/cross_entropy_no_prior"  # which detects from the start
    (cell,) = [
        task.cells[0].key
        for task in plan(Selection("smoke", variants=(name,)))
        if "library" not in task.cells[0].workload
    ]
    what = ["--suite=coco-map", "--profile=smoke", "--device=cpu", f"--variant={name}", f"--cell={cell}"]
    subprocess.run([*TWO, ROOT / "run_all.py", *what, "--out", tmp_path], check=True, timeout=280, cwd=tmp_path)
    (record,) = Run.open(tmp_path).records()
    assert (tmp_path / "records.jsonl").read_text().count("\n") == 1
    assert record["data"]["run"]["processes"] == 2
    assert record["data"]["run"]["iterations"] == 3
    assert len(record["data"]["samples"]) == 4  # all pictures of the schedule
    assert all(picture["detections"] for picture in record["data"]["samples"])


@pytest.mark.parametrize(
    ("processes", "selection", "words"),
    [
        (3, Selection("smoke", variants=("gfl",)), "3 processes cannot share a batch of 2"),
        (2, Selection("smoke", variants=("yolov8n",)), "GPUs alone"),
    ],
)
def test_what_processes_cannot_train_together_is_refused_in_one_line(processes, selection, words, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    with pytest.raises(ValueError, match=words):
        plan(selection)
