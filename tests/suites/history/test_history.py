"""Releases made by the tests: what changed, since which one, and whether an upgrade is safe."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from focalbench_suite.installation import python_path
from focalbench_suite.suites.history.apart import observe_release
from focalbench_suite.suites.history.diff import upgraded
from focalbench_suite.suites.history.installing import NotInstalled, cache, folder_of
from focalbench_suite.suites.history.library import find_library
from focalbench_suite.suites.history.observation import ABSENT
from tests.suites.history import wheels

ROOT = Path(__file__).resolve().parents[3]


def run_all(*arguments):
    command = [sys.executable, str(ROOT / "run_all.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture(scope="module")
def tables(releases, tmp_path_factory):
    """The tables of a history of the focal loss that was asked for two releases and two that fail."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_OFFLINE", "1")
        patch.setenv("UV_FIND_LINKS", str(releases))
        patch.setenv("FOCALBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        done = run_all(
            "history", "--adapter", "kornia", "--loss", "focal", "--versions", "1.0,1.4,1.5,1.6", "--out", folder / "h"
        )
    assert done.returncode == 0, done.stderr
    return folder / "h" / "tables"


@pytest.fixture(scope="module")
def history(tables):
    """Its rows by release."""
    return pd.read_csv(tables / "history.csv", dtype=str, keep_default_na=False).set_index("version")


def test_halving_finds_the_first_release_of_a_change(history):
    assert set(history.index) == {"1.0", "1.2", "1.3", "1.4", "1.5", "1.6"}
    changed = history[history["change"] != ""]
    assert list(changed.index) == ["1.3"]
    row = changed.loc["1.3"]
    assert (row["first"], row["unsafe"], row["against"]) == ("True", "True", "1.2")
    assert "alpha" in row["kinds"].split()
    assert "exchanges alpha and 1-alpha" in row["change"]


def test_what_was_found_stands_there_once_with_the_newest_release_that_has_it(tables, history):
    newest = {address: version for version, row in history.iterrows() for address in row["findings"].split()}
    found = pd.read_csv(tables / "history_findings.csv", dtype=str, keep_default_na=False)
    assert dict(zip(found["address"], found["version"], strict=True)) == newest
    assert "1.2" in newest.values()  # what 1.3 has no more
    assert "exchanges alpha and 1-alpha" in found.set_index("code").loc["alpha_exchanged", "statement"]


def test_an_example_prints_the_number_of_the_release_that_it_runs_with(history, releases):
    row = history.loc["1.3"]
    for version, number in (("1.2", row["before"]), ("1.3", row["after"])):
        path = {"PYTHONPATH": python_path(folder_of("kornia", version)), "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", row["example"]], capture_output=True, text=True, env=path, check=True
        )
        assert done.stdout.split() == ["got", number]
    assert row["before"] != row["after"]


def test_a_release_whose_loss_cannot_be_imported_says_why_and_has_no_verdict(history):
    assert history.loc["1.5", "verdict"] == ""
    assert "no such torch" in history.loc["1.5", "note"]


def test_a_release_without_the_package_has_no_loss_and_not_the_environments(releases):
    found = observe_release(find_library("kornia"), "0.1", ("focal",))
    assert [(seen.loss, seen.state, seen.reason) for seen in found.losses] == [
        ("focal", ABSENT, "it has no package kornia")
    ]


def test_a_loss_is_imported_without_the_rest_of_a_package_that_fails(history):
    assert history.loc["1.6", "verdict"] == "different"
    assert history.loc["1.6", "note"] == "without the __init__ of kornia"


def test_a_sum_in_another_order_is_safe():
    done = run_all("upgrade", "kornia==1.1", "--from", "1.0", "--loss", "focal", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["losses"][0]["changes"] == []


def test_another_function_is_unsafe_and_said_in_words_with_both_numbers():
    done = run_all("upgrade", "kornia==1.3", "--from", "1.1")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("unsafe   kornia 1.1 to 1.3")
    assert "exchanges alpha and 1-alpha" in " ".join(done.stdout.split())
    assert "# kornia 1.1: " in done.stdout
    assert "# kornia 1.3: " in done.stdout


def test_a_release_that_cannot_be_imported_decides_nothing():
    done = run_all("upgrade", "kornia==1.5", "--from", "1.4", "--loss", "focal")
    assert done.returncode == 3, done.stdout
    assert "undecided" in done.stdout


def test_without_a_release_the_newest_is_meant():
    done = run_all("upgrade", "kornia", "--from", "1.4", "--loss", "focal", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new"] == "1.6"


def test_a_folder_with_the_package_is_as_good_as_a_release(releases):
    folder = folder_of("kornia", "1.3")
    done = run_all("upgrade", f"kornia=={folder}", "--from", "1.1", "--loss", "focal")
    assert done.returncode == 1, done.stderr
    assert "exchanges alpha and 1-alpha" in " ".join(done.stdout.split())


def test_a_pull_request_is_judged_by_its_diff(tmp_path):
    (tmp_path / "diff").write_text(
        "--- a/requirements.txt\n+++ b/requirements.txt\n@@ -1,3 +1,3 @@\n"
        "-kornia==1.1\n+kornia==1.3\n-numpy==1.26.0\n+numpy==2.4.0\n"
    )
    done = run_all("upgrade", "--diff", tmp_path / "diff", "--json")
    assert done.returncode == 1, done.stderr
    assert [(one["library"], one["old"], one["new"], one["safe"]) for one in json.loads(done.stdout)] == [
        ("kornia", "1.1", "1.3", False)
    ]
    (tmp_path / "diff").write_text("-numpy==1.26.0\n+numpy==2.4.0\n")
    done = run_all("upgrade", "--diff", tmp_path / "diff")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert "no library" in done.stdout


DIFFS = {
    "uv.lock": ' [[package]]\n name = "kornia"\n-version = "0.6.12"\n+version = "0.9.0"\n source = { registry = "" }\n',
    "Pipfile.lock": '         "kornia": {\n             "index": "pypi",\n-            "version": "==0.6.12"\n'
    '+            "version": "==0.9.0"\n',
    "pyproject.toml": "-    'Kornia[x]==0.6.12; python_version > \"3.9\"',\n+    'Kornia[x]==0.9.0',\n",
    "poetry's pyproject.toml": '-kornia = "0.6.12"\n+kornia = "0.9.0"\n',
    "environment.yml": "-  - kornia=0.6.12\n+  - kornia=0.9.0\n",
}


@pytest.mark.parametrize("file", DIFFS)
def test_versions_are_read_from_each_kind_of_file_that_pins_them(file):
    other = '--- a/other\n+++ b/other\n@@ -1 +1 @@\n-version = "1.0"\n+version = "2.0"\n'  # the project's own
    assert upgraded(DIFFS[file] + other) == [("kornia", "0.6.12", "0.9.0")]


@pytest.mark.parametrize(
    "diff", ["+kornia==0.9.0\n", "-kornia==0.6.12\n", "-kornia==0.9.0\n+kornia==0.9.0\n", "kornia"]
)
def test_what_comes_goes_or_stays_is_no_upgrade(diff):
    assert upgraded(diff) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["upgrade", "kornia==1.35"], ["no release 1.35", "1.4", "1.6"]),
        (["upgrade", "korni==1.3"], ["unknown library", "kornia"]),
        (["upgrade"], ["LIB==NEW", "--diff"]),
        (["upgrade", "kornia=="], ["LIB==NEW"]),
        (["upgrade", "kornia==1.3", "--loss", "varifocal"], ["kornia has no varifocal", "focal"]),
        (["upgrade", "monai==1.0"], ["no index", "monai"]),
        (["upgrade", "own==1.0"], ["no package"]),
        (["history", "--adapter", "kornia", "--since", "1.35"], ["no release 1.35"]),
        (["history", "--adapter", "kornia", "--since", "1.0", "--all-minor"], ["one of them"]),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    done = run_all(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


def test_what_cannot_be_installed_leaves_nothing_behind(releases, tmp_path, monkeypatch):
    (tmp_path / "kornia-2.0-py3-none-any.whl").write_text("half a download")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))  # uv may keep a whole wheel that had this path before
    monkeypatch.setenv("FOCALBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(NotInstalled, match="uv: "):
        folder_of("kornia", "2.0")
    assert [one.name for one in cache().rglob("*") if one.is_dir() and "kornia" in one.name] == []
    (tmp_path / "kornia-2.0-py3-none-any.whl").unlink()
    wheels.kornia(tmp_path, "2.0", wheels.RIGHT)
    assert (folder_of("kornia", "2.0") / "kornia" / "losses.py").is_file()
