"""``compare --rerun OLD``: time the old code again beside the new, since runs of different days are not paired.

OLD is a commit of this repository, whose `adapters` are taken out of git beside the present ones, or a folder that goes
first on the path: an older version of a library, as ``pip install --target FOLDER`` leaves it.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import focalbench_suite
from focalbench_suite import adapters as adapter_room
from focalbench_suite.adapters.canon import CANONICAL
from focalbench_suite.installation import CHECKOUT
from focalbench_suite.suites.throughput.calibrate import margins
from focalbench_suite.suites.throughput.gate import Outcome
from focalbench_suite.suites.throughput.gate import rerun as compare_sides
from focalbench_suite.suites.throughput.side import PairedCell

SHAPES = {"dense": (400, 20), "index": (400, 20), "bins": (1024, 17)}  # rows, classes: about a millisecond
FINE, REGRESSION, FAILED = 0, 1, 3
PRESENT_CANON = """
import importlib.util
import sys

specification = importlib.util.spec_from_file_location({0!r}, "{1}/__init__.py", submodule_search_locations=[{1!r}])
sys.modules[{0!r}] = importlib.util.module_from_spec(specification)
specification.loader.exec_module(sys.modules[{0!r}])
"""  # today's suites ask the canon, which commits before it do not have
PRESENT_LABEL = """
Loss.label = property(lambda loss: loss.adapter)
"""  # what commits before it call otherwise
OLD_IMPORT = re.compile(r"^(\s*(?:from|import)) adapters\b(.*)$", re.MULTILINE)


@dataclass
class Rerun:
    """The gate's outcome cell by cell, as something that can be printed and exited with."""

    old: str
    outcomes: list[Outcome]

    @property
    def regressions(self) -> list[Outcome]:
        """Cells that are slower now, seen twice."""
        return [outcome for outcome in self.outcomes if outcome.verdict == "slower"]

    @property
    def exit_status(self) -> int:
        """1 where a cell is slower, 3 where one could not be timed, else 0."""
        if self.regressions:
            return REGRESSION
        return FAILED if any(outcome.verdict == "failed" for outcome in self.outcomes) else FINE

    @property
    def markdown(self) -> str:
        """One line a cell, with what it was decided by."""
        lines = [
            f"# New against {self.old}, measured again side by side", "",
            "Times of new / old, value and gradient. A change counts when two pairs of processes show it.", "",
            "| cell | verdict | new / old | slowdown to find | launches | note |", "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for outcome in self.outcomes:
            launches = len(outcome.launches) + len(outcome.confirmation)
            lines.append(
                f"| {outcome.cell} | {outcome.verdict} | {outcome.ratio:.3f} | {outcome.find:.0%} | {launches}"
                f" | {outcome.reason} |"
            )
        return "\n".join(lines) + "\n"


def rerun(old: str, adapters: Sequence[str] = ("own",), losses: Sequence[str] = ()) -> Rerun:
    """Compare every loss of these adapters, as it is now, with what OLD makes of it.

    Raises `ValueError` with a sentence where OLD is neither a commit nor a folder.
    """
    cells = cells_of(adapters, losses)
    with code_of(old) as folder:
        return Rerun(old, compare_sides((folder,), (), cells, margins()))


def cells_of(adapters: Sequence[str], losses: Sequence[str]) -> list[PairedCell]:
    """A small cell for every loss of the adapters that takes logits: seconds a comparison.

    Raises `ValueError` with a sentence where there is none.
    """
    found = adapter_room.discover()
    if unknown := set(adapters) - found.keys():
        raise ValueError(f"--adapter: unknown adapter {min(unknown)!r}; choose from {', '.join(found)}")
    cells = []
    for name, adapter in found.items():
        for loss in adapter.losses if name in adapters and adapter.absence() is None else ():
            if (not losses or loss.name in losses) and CANONICAL[loss.name].of_logits:
                cells.append(PairedCell(loss.name, loss.label, *SHAPES[CANONICAL[loss.name].inputs]))
    if not cells:
        raise ValueError(f"nothing to compare: {', '.join(adapters)} has no loss of logits among those asked for")
    return cells


@contextmanager
def code_of(old: str) -> Iterator[Path]:
    """A folder to put first on the path."""
    if Path(old).is_dir():
        if not any(Path(old).iterdir()):
            raise ValueError(f"{old} is an empty folder; give a commit, or a folder with an older version of a library")
        yield Path(old).resolve()
        return
    if CHECKOUT is None:
        raise ValueError(f"{old} is no folder, and commits are read from a checkout; call run_all.py in one")
    command = ["git", "archive", "--end-of-options", old, "adapters"]  # a name is no option, whatever it begins with
    archive = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False)
    if archive.returncode:
        raise ValueError(f"{old} is neither a folder nor a commit with adapters in it")
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / focalbench_suite.__name__
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(package, filter="data")
        _lay_over_the_present(package)
        yield Path(folder)


def _lay_over_the_present(package: Path) -> None:
    """Make a package of which the old `adapters` are found first, and all else is today's.

    Commits from before the one import root say ``from adapters import …``; the name is the only thing that is changed.
    """
    present = str(Path(focalbench_suite.__file__).parent)
    (package / "__init__.py").write_text(f"__path__.append({present!r})\n")
    for file in (package / "adapters").rglob("*.py"):
        file.write_text(OLD_IMPORT.sub(rf"\1 {package.name}.adapters\2", file.read_text()))
    room = package / "adapters" / "__init__.py"
    lacks_label = "def find(" not in room.read_text()
    with room.open("a") as stream:
        if not (room.parent / "canon").exists():
            stream.write(PRESENT_CANON.format(f"{package.name}.adapters.canon", f"{present}/adapters/canon"))
        if lacks_label:
            stream.write(PRESENT_LABEL)
