"""Bad command lines: each ends with exit status 2 and one line on standard error, and nothing is made or changed."""

from __future__ import annotations

import random
from pathlib import Path

import click
import pytest

from focalbench_suite.run_all import main

SHORT, LONG = 30, 150
WORDS = (
    "nope", "", " ", "-", "--", "\n", "a\nb", "é", "\N{DUCK}", "\udcff", "x" * 5000, "$HOME", "%s%n", "../..", "[/red]",
    "null", "0x10", "1e3", "1.5", "-1", "9" * 40, "∞", "\x1b[31m",
)  # fmt: skip
PLACES = (
    "missing", "a file", "an empty folder", "a file/below", "", " ", "x" * 300, "y/" * 3000, "\udcff",
    "a link to itself",     "/dev/null", "/proc/self/mem", "a\nb",
)  # fmt: skip
REFERENCES = (
    "", ":", "a.py:", ":x", "missing.py:x", "an empty folder:x", "a file:x", "mod..x:f", ".:f", "os:path", "os:getcwd",
    "torch:nope", "nope", "a.py:x:y", "x" * 300 + ".py:f", "\udcff.py:f", "broken.py:f", "binary.py:f", "numbers.py:f",
    "empty.py", "empty.py:f", "/dev/null:f", "a\nb.py:f", "builtins:print", "builtins:None", "numbers.py:g",
)  # fmt: skip
BAD = {  # of options that take any text: what none of them can be
    "--adapter": (
        "nope",
        "missing.py:f",
        "broken.py:f",
        "torchvision.nope",
        " ",
        "a file:x",
        "\udcff",
        "[/red]",
        "own,own",
    ),
    "--coco": PLACES,
    "--categories": ("person", "a,b"),  # without a COCO folder
    "--backbone": ("missing", "timm:nope", "torchvision:nope", "package:nope", "", "an empty folder", "x" * 300),
    "--schedule": ("nope", "", "Smoke", "1X", "\udcff"),
    "--variant": ("nope", "retinanet/nope", "/", "nope/own", "[/red]"),
    "--cell": ("nope", "", "claims/nope", "a\nb", "\udcff"),
    "--out": ("a file", "a file/below", "", "x" * 300, "a link to itself/run", "/proc/nope/run", "/dev/null/run"),
    "--resume": PLACES,
    "--baseline": PLACES,
    "--versions": ("nope", "1.0,,", "\udcff"),
    "--since": ("nope", "", "a\nb"),
    "--from": ("nope", "", "[/red]"),
    "--set": ("novalue", "=1", "1x=2", "", " =3", "a b=1"),
    "--accept": ("missing", "an empty folder", "a file", "binary.py", "a link to itself"),
    "--thresholds": ("missing", "an empty folder", "a file", "binary.py", "a link to itself", ""),
    "--page": ("an empty folder", "a file/below", "", "x" * 300),
    "--rerun": ("nope", "a file", "an empty folder", "", "HEAD~100000", "--help", "\udcff"),
}
ARGUMENTS = {
    "references": REFERENCES,
    "folder": PLACES,
    "old": PLACES,
    "new": PLACES,
    "target": ("kornia", "==", "a==", "==1", "nope==1", "\udcff==1", "own==1", "a\nb==1", ""),
    "name": ("../x", "/x", "", "a//b", "."),
    "sources": ("missing", "a file", "an empty folder", "binary.py", "a link to itself", "x" * 300, "\udcff"),
    "out": ("a file", "a file/below", "", "x" * 300, "a link to itself/site", "/proc/nope/site", "/dev/null/site"),
    "address": ("nope", "", " ", "kornia-focal", "\udcff", "a\nb", "x" * 5000, "[/red]"),
}
QUICK = [
    "--suite",
    "claims",
    "--profile",
    "smoke",
    "--cell",
    "claims/cross_entropy/own/cpu/float64/Focal Loss, arXiv:1708.02002",
]
COMMANDS = {"main": main, **main.commands}
WHOLE = {  # a call of each command whose arguments could be right
    "main": QUICK,
    "list": ["list", *QUICK],
    "check": ["check", "numbers.py:f"],
    "scan": ["scan", "an empty folder"],
    "compare": ["compare", "a file", "a file"],
    "report": ["report", "an empty folder"],
    "baseline": ["baseline", "an empty folder", "mine"],
    "data": ["data", "an empty folder"],
    "calibrate": ["calibrate"],
    "history": ["history", "--adapter", "own"],  # which is no package, so that no index is asked
    "upgrade": ["upgrade", "own==2.0"],
    "trend": ["trend", "an empty folder"],
    "site": ["site", "a file"],
    "finding": ["finding", "nope"],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to call from, with files that are none of what a command takes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("nothing of use\n")
    (tmp_path / "an empty folder").mkdir()
    (tmp_path / "a link to itself").symlink_to("a link to itself")
    (tmp_path / "empty.py").touch()
    (tmp_path / "broken.py").write_text("def f(logits, targets:\n")
    (tmp_path / "binary.py").write_bytes(bytes(range(256)))
    (tmp_path / "numbers.py").write_text("f = 3\n\ndef g(path):\n    return path\n")
    return tmp_path


def test_a_bad_command_line_is_one_line(seed, folder, call):
    before = _files(folder)
    arguments = command_line(random.Random(seed), list(COMMANDS)[seed % len(COMMANDS)])
    ended = call(*arguments)
    assert (ended.status, len(ended.lines)) == (2, 1), (arguments, ended)
    assert ended.out == "" or arguments[0] == "check", (arguments, ended)  # of several a table says why there is none
    assert _files(folder) == before, arguments


def _files(folder: Path) -> list[Path]:
    """What stands in a folder, without what Python keeps of a module that it has compiled."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


def command_line(dice: random.Random, name: str) -> list[str]:
    """A call of a command with one thing in it that cannot be."""
    command = COMMANDS[name]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.is_flag]
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    kind = dice.choice(("option", "option", "option", "argument", "unknown", "cut", "flag"))
    if kind == "argument" and arguments:
        return bad_argument(dice, name, arguments)
    if kind == "cut" and options:
        return [*WHOLE[name], dice.choice(options).opts[0]]
    if kind == "flag":
        return [*WHOLE[name], f"--help={dice.choice(WORDS)}"]
    if kind == "option" and options:
        option = dice.choice(options)
        # of a resumed run nothing else may be said
        whole = [] if option.opts[0] == "--resume" else ["compare"] if option.opts[0] == "--rerun" else WHOLE[name]
        return [*whole, option.opts[0], bad_value(dice, option)]
    return [*WHOLE[name], dice.choice(("--nope", "--", "-x", "nope", "--suit", "---", "--no-json", "-")), "nope"]


def bad_value(dice: random.Random, option: click.Option) -> str:
    """What this option cannot be: another word, a number beyond its range, a text that names nothing."""
    if isinstance(option.type, click.IntRange):
        return dice.choice(("-1", "", "1.5", "nope", "9" * 40, "1e3", "0x10", "\udcff"))
    return dice.choice(WORDS if isinstance(option.type, click.Choice) else BAD[option.opts[0]])


def bad_argument(dice: random.Random, name: str, arguments: list[click.Argument]) -> list[str]:
    """The command with arguments that name nothing, or with too few of them."""
    values = [dice.choice(ARGUMENTS[one.name]) for one in arguments]
    if dice.random() < 0.2 and name != "finding":  # which then lists all of them
        return [name]
    return [name, "--", *values]
