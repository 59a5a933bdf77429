"""Where this suite stands, in its checkout or installed, and which of its optional packages are there.

What is optional is said once, in ``pyproject.toml``; an installation carries that list along as its metadata.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterable
from pathlib import Path

DISTRIBUTION = "focalbench-suite"
HERE = Path(__file__).resolve().parent
IMPORT_ROOT = HERE.parent  # the folder from which `focalbench_suite` is imported
CHECKOUT = HERE.parents[1] if (HERE.parents[1] / "run_all.py").is_file() else None
MEASURED = "libraries"  # the extra whose packages may be absent: a library that is not there is a row that says so
OPTIONAL = re.compile(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"]")


class Incomplete(Exception):
    """A package is missing that an extra would bring; the message is one line that says which."""


def need(asker: str, *extras: str) -> None:
    """Raise `Incomplete` where a package is missing without which `asker` cannot start."""
    for package in needed(extras, requirements()):
        if not is_installed(package):
            what = f"{DISTRIBUTION}[{','.join(extras)}]"
            raise Incomplete(f"{asker} needs {package}, which is not installed: pip install '{what}'")


def needed(extras: Iterable[str], requirements: Iterable[str]) -> list[str]:
    """The packages that these extras bring, but for the measured libraries; metadata lists them extra by extra."""
    optional = [match.groups() for line in requirements if (match := OPTIONAL.match(line))]
    measured = {package for package, extra in optional if extra == MEASURED}
    return [package for package, extra in optional if extra in extras and package not in measured]


def requirements() -> list[str]:
    """What the installed suite's metadata says that it needs; nothing where its code was put on the path by hand."""
    return (importlib.metadata.requires(DISTRIBUTION) or []) if is_installed(DISTRIBUTION) else []


def is_installed(package: str) -> bool:
    """Whether a distribution of that name is there."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def python_path(*first: Path) -> str:
    """A child's ``PYTHONPATH``: the folders that come first, and the one from which it is to import the suite.

    A folder of installed packages is left out: the child finds it by itself, and in this variable it would come before
    the standard library.
    """
    installed = IMPORT_ROOT.name in ("site-packages", "dist-packages")
    return os.pathsep.join(map(str, first if installed else (*first, IMPORT_ROOT)))
