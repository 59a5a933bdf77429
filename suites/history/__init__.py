"""Through time: which release of a library changed which loss, and would an upgrade change one?

A release is installed beside the environment (`installing`) and asked in a process of its own that imports that release
(`apart`, `observing`): the answers to designed questions, and what the explainer makes of them. Two releases are held
against each other by their answers (`changes`); where releases lie between two that differ, the first one that has the
change is found by halving (`halving`). `upgrade` is the same for one pair, which `diff` reads from a pull request.
"""

from __future__ import annotations

from focalbench_suite.suites.history.library import Library, find_library
from focalbench_suite.suites.history.releases import NoReleases
from focalbench_suite.suites.history.upgrade import Upgrade, upgrade
from focalbench_suite.suites.history.walk import History, choose, walk

__all__ = ["History", "Library", "NoReleases", "Upgrade", "choose", "find_library", "upgrade", "walk"]
