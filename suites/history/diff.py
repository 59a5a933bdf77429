"""Which package goes from which version to which, read from the diff of a pull request that upgrades it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.utils import canonicalize_name

SIDE = r"^(?P<side>[-+ ])\s*"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
VERSION = r"[0-9][A-Za-z0-9.+!_-]*"
PINNED = (  # lines that hold a name and its version: requirements and pyproject; conda; poetry's pyproject
    re.compile(SIDE + rf"[\"'-]?\s*(?P<name>{NAME})\s*(\[[^\]]*\])?\s*={{2,3}}\s*(?P<version>{VERSION})"),
    re.compile(SIDE + rf"-\s*(?P<name>{NAME})=(?P<version>{VERSION})(=\S+)?\s*$"),
    re.compile(SIDE + rf"(?P<name>{NAME})\s*=\s*[\"'](?P<version>{VERSION})[\"']\s*,?\s*$"),
)
LOCKED_NAME = re.compile(SIDE + rf"\"?name\"?\s*[=:]\s*\"(?P<name>{NAME})\"")  # of uv.lock, poetry.lock, pdm.lock
LOCKED_VERSION = re.compile(SIDE + rf"\"?version\"?\s*[=:]\s*\"(=+)?(?P<version>{VERSION})\"")
PIPENV_NAME = re.compile(SIDE + rf"\"(?P<name>{NAME})\":\s*{{")  # of Pipfile.lock


class Upgraded(NamedTuple):
    """A package before and after."""

    package: str
    old: str
    new: str


def upgraded(diff: str) -> list[Upgraded]:
    r"""The packages that a unified diff gives another version, each by its normalised name.

    >>> upgraded("-kornia==0.6.12\n+kornia==0.9.0\n-torch>=2.1\n+torch>=2.2\n")
    [Upgraded(package='kornia', old='0.6.12', new='0.9.0')]
    >>> upgraded(' name = "monai"\n-version = "0.5.3"\n+version = "1.6.1"\n')
    [Upgraded(package='monai', old='0.5.3', new='1.6.1')]
    """
    sides: dict[str, dict[str, str]] = {"-": {}, "+": {}}
    for side, name, version in _versions(diff):
        if side in sides:
            sides[side][str(canonicalize_name(name))] = version
    old, new = sides["-"], sides["+"]
    return [Upgraded(name, old[name], new[name]) for name in old if new.get(name, old[name]) != old[name]]


def _versions(diff: str) -> Iterator[tuple[str, str, str]]:
    """Side, name and version of every line that tells a version."""
    current = ""
    for line in diff.splitlines():
        if line.startswith(("---", "+++", "@@", "diff ")):
            current = ""
        elif found := LOCKED_NAME.match(line) or PIPENV_NAME.match(line):
            current = found["name"]
        elif found := LOCKED_VERSION.match(line):
            if current:
                yield found["side"], current, found["version"]
        elif found := next(filter(None, (form.match(line) for form in PINNED)), None):
            yield found["side"], found["name"], found["version"]
