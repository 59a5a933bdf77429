"""`assert_loss` and accepted differences as a project has them: its own tests, run by its own pytest."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from focalbench_suite.suites.check import BadFile, read_accepted

ROOT = Path(__file__).resolve().parents[3]
LOSSES = """
import torch
import torch.nn.functional as F

def right(logits, targets, gamma=2.0, alpha=0.25):
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    missed = (1 - p) * targets + p * (1 - targets)
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * missed**gamma * entropy).mean()

def exchanged(logits, targets, gamma=2.0, alpha=0.25):
    return right(logits, targets, gamma, 1 - alpha)

def scaled(logits, targets, gamma=2.0, alpha=0.25, factor=1.0):
    return factor * right(logits, targets, gamma, alpha)
"""
TESTS = """
from focalbench_suite import assert_loss
from losses import exchanged, right, scaled

def test_right():
    assert assert_loss(right, "focal").verdict == "fragile"

def test_given():
    assert_loss(scaled, "focal", given={"factor": 1.0})

def test_strict():
    assert_loss(right, "focal", strict=True)

def test_different():
    assert_loss(exchanged, "focal")

def test_new():
    assert_loss(exchanged, "focal", accept="none.yaml")

def test_accepted():
    assert_loss(exchanged, "focal", accept="accepted.yaml")

def test_gone():
    assert_loss(right, "focal", accept="accepted.yaml")

def test_bad_file():
    assert_loss(right, "focal", accept="bad.yaml")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose accepted differences are those that `check --accept` proposed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "losses.py").write_text(LOSSES)
    (folder / "test_losses.py").write_text(TESTS)
    (folder / "none.yaml").write_text("")
    (folder / "bad.yaml").write_text("- code: alpha_exchanged\n")
    done = check(folder, "exchanged", "none.yaml")
    assert done.returncode == 1
    (folder / "accepted.yaml").write_text(proposed(done.stderr).replace("...", "our labels name the background"))
    return folder


def proposed(text):
    """The lines of the entries that a message holds."""
    return "\n".join(line for line in text.splitlines() if line.startswith(("- ", "  "))) + "\n"


def check(folder, name, accept):
    command = [sys.executable, ROOT / "run_all.py", "check", f"losses.py:{name}", "--as", "focal", "--accept", accept]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def outcome(project):
    """What the project's pytest says, test by test."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--color=no", "-p", "no:cacheprovider", "test_losses.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["right", "given", "accepted"])
def test_a_right_loss_and_an_accepted_difference_pass(outcome, name):
    assert f"PASSED test_losses.py::test_{name}\n" in outcome


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "different",
            [
                "not the focal loss: different",
                "different   not the focal loss: alpha; reduced by mean",
                "1. alpha",
                "expected",
            ],
        ),
        ("strict", ["not the focal loss: fragile"]),
        ("new", ["a new difference: alpha: ", "to accept it, add to none.yaml:", "- code: "]),
        ("gone", ["accepted in accepted.yaml but gone: ", "(our labels name the background); take the entry out"]),
        ("bad_file", ["bad.yaml, entry 1: code and why are needed, kind and loss allowed, nothing else"]),
    ],
)
def test_the_message_of_a_failure_is_the_explanation(outcome, name, words):
    assert f"FAILED test_losses.py::test_{name}" in outcome
    told = outcome.partition(f"_ test_{name} _")[2].partition("\n____")[0]
    assert [word for word in words if word not in told] == []


def test_a_failure_shows_the_line_of_the_test_and_no_other_code(outcome):
    told = outcome.partition("_ test_different _")[2].partition("\n____")[0]
    assert '>       assert_loss(exchanged, "focal")' in told or '>   assert_loss(exchanged, "focal")' in told
    assert "asserting.py" not in told.replace("suites/check/asserting.py:", "", 1) or "raise AssertionError" not in told


def test_the_same_file_serves_the_command(project):
    assert check(project, "exchanged", "accepted.yaml").returncode == 0
    gone = check(project, "right", "accepted.yaml")
    assert gone.returncode == 1
    assert "but gone: " in gone.stderr
    assert yaml.safe_load((project / "accepted.yaml").read_text())[0]["kind"] == "alpha"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- code: alpha_exchanged\n", "entry 1: code and why are needed"),
        ("- {code: a, why: b, when: c}\n", "entry 1: code and why are needed, kind and loss allowed, nothing else"),
        ("- {code: a, why: }\n", "entry 1: why is no text"),
        ("code: a\n", "is no list"),
        ("- [\n", "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, text, words):
    file = tmp_path / "faulty.yaml"
    file.write_text(text)
    with pytest.raises(BadFile) as refused:
        read_accepted(file)
    assert len(str(refused.value).splitlines()) == 1
    assert words in str(refused.value)
    assert "faulty.yaml" in str(refused.value)


def test_a_bad_file_is_told_before_the_loss_is_asked(project):
    done = check(project, "nothing", "bad.yaml")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "run_all.py: bad.yaml, entry 1: code and why are needed, kind and loss allowed, nothing else"
    ]
