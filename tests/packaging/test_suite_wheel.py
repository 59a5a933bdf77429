"""The suite as a wheel, alone and beside the losses' own, each in an empty environment of its own.

The versions are those of the environment that the tests run in, so what is installed comes from uv's cache.
"""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE = {"click", "filelock", "hypothesis", "mpmath", "numpy", "packaging", "pyyaml", "rich", "torch"}
LOSS = """
import torch.nn.functional as F

def mine(logits, targets, gamma=2.0, alpha=0.25):
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * entropy).mean()
"""
NEEDS_UV = pytest.mark.skipif(shutil.which("uv") is None, reason="environments are made by uv")


def called(*command, check=True, **options):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=check, **options)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The wheels of the suite and of the losses, by the names of their packages."""
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, ROOT / "adapters" / "own"):
        called(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, project)
    return {wheel.name.partition("-")[0]: wheel for wheel in out.glob("*.whl")}


@pytest.fixture(scope="module")
def environment(wheels, tmp_path_factory):
    """Make an environment of these wheels and what they need, and nothing else; its folder of commands."""

    def made(*names):
        folder = tmp_path_factory.mktemp("environment")
        constraints = folder / "constraints.txt"
        installed = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
        mine = ("focalbench", "focalbench-suite")
        constraints.write_text("".join(f"{k}=={v}\n" for k, v in installed.items() if k.lower() not in mine))
        called("uv", "venv", "--python", sys.executable, folder / "venv")
        python = folder / "venv" / "bin" / "python"
        called("uv", "pip", "install", "--python", python, "-c", constraints, *(wheels[name] for name in names))
        return python.parent

    return made


@pytest.fixture(scope="module")
def both(environment):
    return environment("focalbench_suite", "focalbench")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "losses.py").write_text(LOSS)
    return tmp_path


def test_it_holds_one_package_with_all_rooms_and_no_measurements(wheels):
    wheel = zipfile.ZipFile(wheels["focalbench_suite"])
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in names} == {"focalbench_suite"}
    assert {Path(name).parts[1] for name in names} == {
        "__init__.py", "adapters", "commands", "installation.py", "results", "run_all.py", "suites",
    }  # fmt: skip
    rooms = [ROOT / room for room in ("adapters", "results", "suites")]
    committed = called("git", "ls-files", *rooms, cwd=ROOT).stdout.split() or pytest.skip("no checkout")
    left_out = ("results/reference/", "adapters/own/pyproject.toml")
    wanted = {f"focalbench_suite/{file}" for file in committed if not file.startswith(left_out)}
    assert wanted <= names
    assert not any("/runs/" in name or "/reference/" in name or "__pycache__" in name for name in names)


def test_it_is_the_same_by_way_of_the_source_archive(wheels, tmp_path):
    called(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path, ROOT)
    again = zipfile.ZipFile(next(tmp_path.glob("*.whl")))
    assert again.namelist() == zipfile.ZipFile(wheels["focalbench_suite"]).namelist()


def test_the_command_is_the_checkouts(wheels):
    wheel = zipfile.ZipFile(wheels["focalbench_suite"])
    assert wheel.read("focalbench_suite/run_all.py") == (ROOT / "run_all.py").read_bytes()


def test_the_base_installation_needs_what_check_needs(wheels):
    wheel = zipfile.ZipFile(wheels["focalbench_suite"])
    metadata = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    needs = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert {need.partition("<")[0].partition(">")[0] for need in needs} == BASE


@NEEDS_UV
def test_check_and_assert_loss_work_with_the_base_installation(both, project):
    done = called(both / "focalbench", "check", "losses.py:mine", "--as", "focal", "--json", cwd=project, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "fragile"
    program = (
        "from losses import mine; from focalbench_suite import assert_loss; print(assert_loss(mine, 'focal').loss)"
    )
    assert called(both / "python", "-c", program, cwd=project).stdout == "focal\n"


@NEEDS_UV
@pytest.mark.parametrize(
    ("arguments", "asker", "extras"),
    [
        ("list", "list", "results,workers"),
        ("", "a run of every suite", "all"),
        ("--suite agreement", "--suite agreement", "agreement"),
        ("--suite throughput", "--suite throughput", "throughput"),
        ("--suite coco-map --coco .", "--suite coco-map", "coco-map"),
        ("--suite claims", "--suite claims", "claims"),
        ("report RUN", "report", "results"),
        ("compare OLD NEW", "compare", "results"),
        ("trend FOLDER", "trend", "results"),
        ("compare --rerun HEAD", "compare --rerun", "throughput"),
        ("calibrate", "calibrate", "throughput"),
        ("history --adapter kornia", "history", "history"),
        ("upgrade kornia==0.9.0", "upgrade", "history"),
    ],
)
def test_what_an_extra_would_bring_is_said_in_one_line(both, tmp_path, arguments, asker, extras):
    done = called(both / "focalbench", *arguments.split(), cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = rf"focalbench: {asker} needs [\w-]+, which is not installed: pip install 'focalbench-suite\[{extras}\]'\n"
    assert re.fullmatch(said, done.stderr)


@NEEDS_UV
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("baseline RUN NAME", "baseline writes into"),
        ("site OUT", "site reads"),
        ("finding", "finding reads"),
    ],
)
def test_what_is_committed_is_of_a_checkout(both, tmp_path, arguments, told):
    done = called(both / "focalbench", *arguments.split(), cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == f"focalbench: {told} results/reference of a checkout; call run_all.py in one\n"


@NEEDS_UV
def test_a_package_that_the_users_module_misses_is_not_taken_for_an_extra(both, tmp_path):
    (tmp_path / "losses.py").write_text("import pandas" + LOSS)
    done = called(both / "focalbench", "check", "losses.py:mine", "--as", "focal", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr == "focalbench: losses.py cannot be imported: ModuleNotFoundError: No module named 'pandas'\n"


@NEEDS_UV
def test_an_installed_command_knows_no_commit(both, project):
    """Not even that of the project in which it stands."""
    called("git", "init", "-q", cwd=project)
    program = (
        "from focalbench_suite import installation, run_all\n"
        "print(installation.CHECKOUT, installation.python_path() or 'nothing')"
    )
    assert called(both / "python", "-c", program, cwd=project).stdout == "None nothing\n"


@NEEDS_UV
def test_both_wheels_work_in_one_process(both, project):
    program = (
        "import torch, focalbench\n"
        "from focalbench_suite.adapters import own\n"
        "x, y = torch.randn(4, 3, requires_grad=True), torch.tensor([[0.0, 1.0, 0.3]] * 4)\n"
        "losses = [room.focal_loss(x, y) for room in (focalbench, own)]\n"
        "slopes = [torch.autograd.grad(loss, x)[0] for loss in losses]\n"
        "assert torch.equal(*losses) and torch.equal(*slopes)\n"
        "print(focalbench.__file__ != own.__file__)"
    )
    assert called(both / "python", "-c", program, cwd=project).stdout == "True\n"


@NEEDS_UV
def test_the_losses_need_torch_alone(environment, tmp_path):
    commands = environment("focalbench")
    program = (
        "import importlib.util, torch, focalbench, pathlib\n"
        "x = torch.zeros(2, 2, requires_grad=True)\n"
        "focalbench.quality_focal_loss(x, torch.full((2, 2), 0.3)).backward()\n"
        "assert importlib.util.find_spec('focalbench_suite') is None\n"
        "assert pathlib.Path(focalbench.__file__).with_name('py.typed').is_file()\n"
        "print(x.grad.isfinite().all().item())"
    )
    assert called(commands / "python", "-c", program, cwd=tmp_path).stdout == "True\n"
