"""Claims about defaults that a library documents, read from what is installed."""

from __future__ import annotations

from typing import Any

from focalbench_suite.suites.claims import installed
from focalbench_suite.suites.claims.claim import Claim, Shown


def dig(tree: Any, path: str) -> Any:
    """The value at a dotted path of nested dicts."""
    for key in path.split("."):
        tree = tree[key]
    return tree


def default(package: str, file: str, owner: str, argument: str, printed: str, loss: str) -> Claim:
    """A documented default argument."""
    return Claim(
        f"{owner}, arguments",
        f"the default of {argument}",
        printed,
        lambda read: number_or_word(installed.defaults(package, file, owner)[argument], printed),
        loss,
    )


def number_or_word(value: Any, printed: str) -> float | Shown:
    """An installed value in the form that a claim is judged by: a number, or whether a word is the printed one."""
    return Shown(value == printed, value) if isinstance(value, str) else float(value)
