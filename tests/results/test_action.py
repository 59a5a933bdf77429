"""action.yml's own steps, run as a runner would: the script of the check step, in a project of somebody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from focalbench_suite.commands import check

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WRONG = """
import torch.nn.functional as F

def focal(logits, targets, gamma=2.0, alpha=0.25):
    entropy = F.binary_cross_entropy_with_logits(logits, targets)
    p_t = (logits.sigmoid() * targets + (1 - logits.sigmoid()) * (1 - targets))
    return (alpha * (1 - p_t) ** gamma * entropy).mean()
"""


def run_check_step(project, commands=Path(sys.executable).parent, **inputs):
    """The exit status, outputs and summary of the check step with these inputs."""
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "check")
    values = {name: told.get("default", "") for name, told in ACTION["inputs"].items()} | inputs
    environment = {name: _filled(value, values) for name, value in step["env"].items()}
    files = {name: project / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=project,
        env={
            **os.environ,
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ROOT),
            **{name: str(file) for name, file in files.items()},
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done, *(file.read_text() for file in files.values())


def _filled(value, inputs):
    for name, given in inputs.items():
        value = value.replace(f"${{{{ inputs.{name} }}}}", given)
    return value


def test_a_wrong_loss_fails_the_step_and_the_summary_says_why(tmp_path):
    (tmp_path / "losses.py").write_text(WRONG)
    done, output, summary = run_check_step(tmp_path, function="losses.py:focal", loss="focal")
    assert done.returncode == 1, done.stderr
    assert output == "verdict=different\n"
    left = {path.name for path in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {"losses.py", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}
    assert "`losses.py:focal` as `focal`" in summary
    assert "averaged over the batch before it is weighted and modulated" in " ".join(summary.split())


def test_a_difference_that_is_accepted_passes(tmp_path):
    (tmp_path / "losses.py").write_text(WRONG)
    (tmp_path / "accepted.yaml").write_text("")
    done, _, _ = run_check_step(tmp_path, function="losses.py:focal", loss="focal", accept="accepted.yaml")
    assert done.returncode == 1
    entries = [line for line in done.stderr.splitlines() if line.startswith(("- ", "  "))]
    (tmp_path / "accepted.yaml").write_text("\n".join(entries))
    done, output, _ = run_check_step(tmp_path, function="losses.py:focal", loss="focal", accept="accepted.yaml")
    assert done.returncode == 0, done.stderr
    assert output.splitlines()[-1] == "verdict=different"


@pytest.mark.parametrize(
    ("inputs", "status", "said"),
    [
        ({"function": "losses.py:focal", "loss": "nope"}, 2, "'nope' is not one of"),
        ({"function": "--help", "loss": "focal"}, 2, "'--help' names no function"),
        ({"function": "losses.py:nothing", "loss": "focal"}, 2, "has no 'nothing'"),
        ({"function": "losses.py:focal", "loss": "focal", "labels": "nope"}, 2, "'nope' is not one of"),
        ({"function": "losses.py:focal", "loss": "focal", "set": "a=1\nb"}, 2, "--set b: write NAME=VALUE"),
    ],
)
def test_without_a_verdict_the_step_fails(tmp_path, inputs, status, said):
    (tmp_path / "losses.py").write_text(WRONG)
    done, output, _ = run_check_step(tmp_path, **inputs)
    assert done.returncode == status
    assert output == "verdict=\n"
    assert said in done.stderr


def test_a_command_that_says_nothing_fails_the_step(tmp_path):
    (tmp_path / "focalbench").write_text("#!/bin/sh\n")
    (tmp_path / "focalbench").chmod(0o755)
    done, output, _ = run_check_step(tmp_path, tmp_path, function="losses.py:focal", loss="focal")
    assert (done.returncode, output) == (2, "verdict=\n")
    assert "gave no verdict" in done.stderr


def test_every_option_of_the_step_is_one_of_the_command():
    options = {word for parameter in check.params for word in parameter.opts}
    assert {f"--{name}" for name in ACTION["inputs"]} - options == {"--function", "--loss", "--trend", "--runs"}


@pytest.fixture
def answering(tmp_path):
    """A folder of commands in which `check` answers at once, and every other command is the real one's."""
    answer = {"reference": "losses.py:focal", "loss": "focal", "verdict": "same", "findings": []}
    real = Path(sys.executable).parent / "focalbench"
    said = f"[[ \"$*\" == *--json* ]] && echo '{json.dumps(answer)}' || echo 'same   the focal loss'"
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "focalbench").write_text(f'#!/bin/bash\nif [[ "$1" == check ]]; then {said}; else {real} "$@"; fi\n')
    (folder / "focalbench").chmod(0o755)
    return folder


def test_the_verdict_is_kept_with_those_of_earlier_commits(tmp_path, answering):
    benchmarks = {
        "benchmarks": [{"fullname": "test_focal", "stats": {"median": 2e-3}, "extra_info": {}}],
        "machine_info": {"cpu": {"brand_raw": "Some CPU"}},
        "datetime": "2026-10-02T00:00:00+00:00",
    }
    (tmp_path / "times.json").write_text(json.dumps(benchmarks))
    given = {"function": "losses.py:focal", "loss": "focal", "trend": "kept", "runs": "times.json\n"}
    done, output, summary = run_check_step(tmp_path, answering, **given)
    assert (done.returncode, output) == (0, "verdict=same\n"), done.stderr
    assert "Curves: kept/trend.html" in summary
    assert len(list((tmp_path / "kept").glob("*.parquet"))) == 2


def test_what_is_no_run_fails_the_step(tmp_path, answering):
    (tmp_path / "notes.txt").write_text("no run")
    given = {"function": "losses.py:focal", "loss": "focal", "trend": "kept", "runs": "notes.txt"}
    done, _, _ = run_check_step(tmp_path, answering, **given)
    assert done.returncode == 2
    assert "notes.txt is neither a run nor" in done.stderr


def test_a_cache_holds_the_folder_of_earlier_commits():
    (cache,) = (step for step in ACTION["runs"]["steps"] if step.get("uses", "").startswith("actions/cache@"))
    assert cache["if"] == "inputs.trend != ''"
    assert cache["with"]["path"] == "${{ inputs.trend }}"
    assert cache["with"]["key"].startswith(cache["with"]["restore-keys"])


def test_inputs_reach_the_shell_as_data(tmp_path):
    done, _, _ = run_check_step(tmp_path, function="$(touch planted).py:focal", loss="focal")
    assert done.returncode == 2
    assert not (tmp_path / "planted").exists()
