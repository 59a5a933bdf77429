"""A project whose packages are called as the rooms of the suite are, and as modules of the standard library.

What is checked lives in such a project, and everything must work there: also what it imports inside a function, in a
worker process, or through an installed package of the same name as one of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("adapters", "results", "suites", "tests")
STANDARD = ("types", "random", "statistics")
INSTALLED = Path(sys.executable).parent / "focalbench"
COMMANDS = {
    "script": [sys.executable, ROOT / "run_all.py"],
    "installed": [INSTALLED],
    "uv": ["uv", "run", "--no-sync", "--project", ROOT, ROOT / "run_all.py"],
}
PLAIN = """
import torch.nn.functional as F

def focal(logits, targets, gamma, alpha):
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * entropy).mean()
"""
LOSSES = f"""
import sys
from adapters import OURS as ADAPTERS
from results import OURS as RESULTS
from suites import OURS as SUITES
from tests import OURS as TESTS
{PLAIN.replace("focal", "plain")}
def focal(logits, targets, gamma=2.0, alpha=0.25):
    from adapters import OURS as adapters
    from results import OURS as results
    from suites import OURS as suites
    from tests import OURS as tests
    import random, statistics, types
    assert random.random and statistics.mean and types.ModuleType  # the library's, not the project's
    assert {str(ROOT)!r} not in sys.path, sys.path
    one = adapters * results * suites * tests * ADAPTERS * RESULTS * SUITES * TESTS
    return one * plain(logits, targets, gamma, alpha)

def reached(logits, targets, gamma=2.0, alpha=0.25):
    raise RuntimeError(f"reached {{focal(logits, targets) >= 0}}")  # told at once: no verdict need be waited for
"""
FOREIGN_ADAPTER = """
from focalbench_suite.adapters import Adapter

adapter = Adapter("foreign")

@adapter.loss("focal", reduction="mean")
def focal(logits, targets, *, gamma, alpha):
    from adapters import focal  # its own distribution's: no project of a user is asked for by this adapter's name
    return focal(logits, targets, gamma, alpha)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's folder; beside it a folder of installed packages, one of which is called `adapters`, too."""
    folder = tmp_path_factory.mktemp("foreign")
    for room in ROOMS:
        write(folder / room / "__init__.py", "OURS = 1.0")
    for module in STANDARD:
        write(folder / f"{module}.py", "raise ImportError('this hides the standard library')")
    write(folder / "losses.py", LOSSES)
    for package in ("package", "test", "code"):  # the last two are names of the standard library
        write(folder / package / "__init__.py", "")
        write(folder / package / "constants.py", "ONE = 1.0")
        write(folder / package / "losses.py", "from .constants import ONE" + LOSSES)
    site = folder.parent / f"{folder.name}-installed" / "site-packages"
    of_the_distribution = "OURS = 'of an installed distribution'\n" + PLAIN
    write(site / "adapters" / "__init__.py", of_the_distribution)
    write(site / "foreign_adapter.py", FOREIGN_ADAPTER)
    information = site / "foreign-1.0.dist-info"
    write(information / "METADATA", "Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    write(information / "entry_points.txt", "[focalbench.adapters]\nforeign = foreign_adapter:adapter\n")
    return folder


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def run(project, how, *arguments, **more):
    installed = project.parent / f"{project.name}-installed" / "site-packages"
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"} | more
    command = [*map(str, COMMANDS[how]), *map(str, arguments)]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def assert_fragile(done):
    """The verdict of a focal loss that is right, but for the digits that its cross entropy loses."""
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "fragile"


@pytest.mark.parametrize(
    ("how", "reference"),
    [
        ("script", "losses.py"),
        ("uv", "losses.py"),
        ("installed", "losses"),
        ("installed", "package/losses.py"),
        ("installed", "package.losses"),
        ("installed", "test/losses.py"),
        ("installed", "code/losses.py"),
    ],
)
def test_a_loss_is_called_with_all_that_it_imports(project, how, reference):
    done = run(project, how, "check", f"{reference}:reached", "--as", "focal")
    assert done.returncode == 2
    assert "reached True" in done.stderr


def test_check(project):
    assert_fragile(run(project, "installed", "check", "losses.py:focal", "--as", "focal", "--json"))


def test_a_file_is_checked_from_another_folder(project, tmp_path):
    command = [str(INSTALLED), "check", f"{project}/losses.py:focal", "--as", "focal", "--json"]
    assert_fragile(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))


@pytest.mark.parametrize(
    ("how", "reference", "adapter"),
    [
        ("script", "losses.py:focal", "focal"),
        ("installed", "package.losses:focal", "focal"),
        ("installed", "foreign", "foreign"),
    ],
)
def test_workers(project, how, reference, adapter, tmp_path):
    what = ["--suite", "agreement", "--profile", "smoke", "--loss", "focal", "--dtype", "float64"]
    done = run(project, how, "--adapter", reference, *what, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    mine = [record for record in records if record["key"].startswith(f"agreement/focal/{adapter}/")]
    assert mine
    assert [record["reason"] for record in mine if record["status"] != "ok"] == []
    assert "agrees" in {row["verdict"] for row in mine[0]["rows"]["agreement"]}


@pytest.mark.parametrize("integration", ["mmdetection", "ultralytics"])
def test_integrations_beside_the_projects_own_packages(project, integration):
    program = f"import adapters, focalbench_suite.adapters.own.{integration}; assert adapters.OURS == 1.0"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    start = f"import sys; sys.path.append({str(project)!r}); {program}"
    command = [sys.executable, "-P", "-c", start]
    done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_answers_to_a_name_of_its_own(room, tmp_path):
    command = [sys.executable, "-c", f"import {room}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"No module named '{room}'" in done.stderr
