"""Which releases to look at next, so that every change has its first release: a pure function of what is known.

Between two releases that do the same, all are taken to do the same: a change that was taken back before the next
release that was looked at is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

Thing = TypeVar("Thing")


def next_releases(
    releases: Sequence[str], seen: Mapping[str, Thing | None], same: Callable[[Thing, Thing], bool]
) -> list[str]:
    """The middle of every gap between two neighbours that differ; nothing where every change has its release.

    `releases` are all of them in order, `seen` what those did that were looked at (None: it could not be found out).

    >>> releases = ["1", "2", "3", "4", "5"]
    >>> next_releases(releases, {"1": "a", "5": "b"}, str.__eq__)
    ['3']
    >>> next_releases(releases, {"1": "a", "3": "a", "5": "b"}, str.__eq__)
    ['4']
    >>> next_releases(releases, {"1": "a", "3": "a", "4": "b", "5": "b"}, str.__eq__)
    []
    """
    known = [(at, thing) for at, name in enumerate(releases) if (thing := seen.get(name)) is not None]
    wanted = []
    for (low, before), (high, after) in pairwise(known):
        between = [name for name in releases[low + 1 : high] if name not in seen]
        if between and not same(before, after):
            wanted.append(between[len(between) // 2])
    return wanted
