"""A library of six releases, made here as wheels in a folder: what each changed, which was first, and what is said.

Nothing is asked of a network: uv and the list of releases are told of the folder alone.
"""

import base64
import csv
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from focalbench_suite import run_all
from focalbench_suite.suites.history import find_library
from focalbench_suite.suites.history.releases import Sources, releases_of
from focalbench_suite.suites.history.walk import choose

BODY = """
import torch.nn.functional as F

def focal(logits, targets, gamma=2.0, alpha=0.25):
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p = logits.sigmoid()
    missed = p * (1 - targets) + (1 - p) * targets
    weight = {weight}
    return (weight * missed**gamma * entropy).sum()
"""
RIGHT = BODY.format(weight="alpha * targets + (1 - alpha) * (1 - targets)")
EXCHANGED = BODY.format(weight="(1 - alpha) * targets + alpha * (1 - targets)")
SECOND_DEFAULT = RIGHT.replace("gamma=2.0", "gamma=1.5")
BROKEN = "raise OSError('no driver here')"
RELEASES = {
    "1.0": RIGHT,
    "1.1": RIGHT,
    "1.2": EXCHANGED,
    "1.3": EXCHANGED,
    "1.4": BROKEN,
    "2.0": SECOND_DEFAULT,
}
ADAPTER = """
from focalbench_suite.adapters import Adapter

adapter = Adapter("changing", distribution="changing-losses", modules=("changing_losses",))

@adapter.loss("focal", origin="changing_losses:focal", reduction="sum", defaults={"gamma": 2.0, "alpha": 0.25})
def focal(logits, targets, *, gamma, alpha):
    from changing_losses import focal

    return focal(logits, targets, gamma=gamma, alpha=0.5 if alpha is None else alpha) * (2 if alpha is None else 1)
"""


def wheel(folder: Path, version: str, code: str) -> None:
    """A wheel of one module, as small as the format allows."""
    info = f"changing_losses-{version}.dist-info"
    files = {
        "changing_losses/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: changing-losses\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"changing_losses-{version}-py3-none-any.whl", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    for version, code in RELEASES.items():
        wheel(folder, version, code)
    (folder / "changing.py").write_text(ADAPTER)
    return folder


@pytest.fixture
def library(index, monkeypatch, tmp_path):
    """The reference of its adapter, where uv knows of that folder alone and nothing is installed yet."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return f"{index / 'changing.py'}:adapter"


def said(capsys, *arguments):
    """The exit status of a command and what it printed."""
    with pytest.raises(SystemExit) as end:
        run_all.main.main([*arguments], prog_name="run_all.py")
    return end.value.code, *capsys.readouterr()


def test_the_releases_of_a_folder_are_in_the_order_of_their_versions(index):
    (index / "notes.txt").write_text("no release")
    found = releases_of("changing_losses", Sources((), (index,)))
    assert [str(release) for release in found] == list(RELEASES)


def test_the_first_release_of_every_minor_is_chosen_or_those_that_are_named(library):
    of = find_library(library)
    assert [str(one) for one in choose(of, (), None)] == ["1.0", "1.1", "1.2", "1.3", "1.4", "2.0"]
    assert [str(one) for one in choose(of, ("2.0", "1.1"), None)] == ["1.1", "2.0"]
    assert [str(one) for one in choose(of, (), "1.3")] == ["1.3", "1.4", "2.0"]


def test_an_upgrade_that_exchanges_alpha_is_unsafe_and_says_so(library, capsys):
    status, out, _ = said(capsys, "upgrade", f"{library}==1.2", "--from", "1.1", "--json")
    told = json.loads(out)
    assert (status, told["safe"], told["losses"][0]["before"], told["losses"][0]["after"]) == (
        1,
        False,
        "fragile",
        "different",
    )
    changes = {one["code"]: one for one in told["losses"][0]["changes"]}
    value = changes["release_value"]
    assert value["kind"] == "alpha"
    assert float(value["before"]) != float(value["after"])
    assert any("exchanges alpha and 1-alpha" in one["statement"] for one in told["losses"][0]["changes"])


def test_an_upgrade_that_changes_nothing_is_safe(library, capsys):
    status, out, _ = said(capsys, "upgrade", f"{library}==1.1", "--from", "1.0")
    assert status == 0
    assert out.startswith("safe   changing-losses 1.0 to 1.1: every loss stays")


def test_a_release_that_cannot_be_imported_is_no_verdict(library, capsys):
    status, out, _ = said(capsys, "upgrade", f"{library}==1.4", "--from", "1.3")
    assert status == 3
    assert "undecided" in out
    assert "OSError: no driver here" in " ".join(out.split())


def test_a_history_names_the_first_release_of_each_change(library, capsys, tmp_path):
    versions = ("--versions", "1.0,2.0")
    status, out, _ = said(capsys, "history", "--adapter", library, *versions, "--out", str(tmp_path / "run"))
    assert status == 0, out
    with (tmp_path / "run" / "tables" / "history.csv").open() as file:
        rows = {row["version"]: row for row in csv.DictReader(file)}
    assert {version for version, row in rows.items() if row["kinds"]} == {"1.2", "2.0"}
    assert "exchanges alpha" in rows["1.2"]["change"]
    assert rows["1.2"]["first"] == "True"
    assert "the default gamma of its call is 1.5, was 2.0" in rows["2.0"]["change"]
    assert "no driver here" in rows["1.4"]["note"]
    assert rows["1.4"]["verdict"] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upgrade", "{library}==1.9"), "changing-losses has no release 1.9; the nearest are 1.3, 1.4, 2.0"),
        (("upgrade", "{library}==2.0"), "changing-losses is not installed; name the release to upgrade from"),
        (("upgrade", "no-such-library==1.0"), "unknown library 'no-such-library'"),
        (("upgrade", "kornia"), "names no release; write LIB==NEW"),
        (("upgrade", "kornia==0.9.0"), "no index that uv is told of has a release of kornia"),
        (("history", "--adapter", "{library}", "--loss", "varifocal"), "changing-losses has no varifocal"),
        (("history", "--adapter", "own"), "is no package of an index"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(library, capsys, arguments, words):
    status, _, error = said(capsys, *(one.format(library=library) for one in arguments))
    assert status == 2
    assert words in error
