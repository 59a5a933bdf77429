"""Releases in their order, and what a library's history comes to.

``python -m focalbench_suite.results.history`` prints the table in the README of the committed histories.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from packaging.version import Version

REFERENCE = Path(__file__).parent / "reference" / "history"
BEGINNINGS = {"release_has", "release_can_be_called"}  # codes of a loss that begins to be there, or to answer


def table(records: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows of every release, by library and loss and then in the order of the releases."""
    rows = [row for record in records for row in record.get("rows", {}).get("history", ())]
    return pd.DataFrame(sorted(rows, key=_place))


def _place(row: dict[str, Any]) -> tuple[str, str, str, Version]:
    return row["library"], row["loss"], row["adapter"], Version(row["version"])


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a library: releases looked at and of them those without a verdict, changes of a loss, unsafe ones.

    That a loss is new, or begins to answer, is no change of it.

    >>> old = {"library": "a", "version": "1.9", "loss": "focal", "adapter": "a", "verdict": "same", "codes": ""}
    >>> new = old | {"version": "1.10", "codes": "release_value", "unsafe": True}
    >>> summary(pd.DataFrame([old | {"unsafe": False}, new]))[["first", "last", "changes", "unsafe"]].values.tolist()
    [['1.9', '1.10', 1, 1]]
    """
    return pd.DataFrame([_summed(str(name), rows) for name, rows in frame.groupby("library")])


def _summed(library: str, rows: pd.DataFrame) -> dict[str, Any]:
    versions = sorted(rows["version"].astype(str).unique(), key=Version)
    answered = rows[rows["verdict"].astype(bool)]["version"].astype(str)
    changed = rows[[bool(set(codes.split()) - BEGINNINGS) for codes in rows["codes"]]]
    return {
        "library": library,
        "first": versions[0],
        "last": versions[-1],
        "releases": len(versions),
        "without_verdict": len(set(versions) - set(answered)),
        "losses": len(rows[rows["loss"] != ""][["loss", "adapter"]].drop_duplicates()),
        "changes": len(changed),
        "unsafe": int((changed["unsafe"].astype(str) == "True").sum()),
    }


def committed(folder: Path = REFERENCE) -> pd.DataFrame:
    """The rows of every history that is committed."""
    return _of_every(folder, "history")


def committed_findings(folder: Path = REFERENCE) -> pd.DataFrame:
    """What was found of any release in every history that is committed."""
    return _of_every(folder, "history_findings")


def _of_every(folder: Path, name: str) -> pd.DataFrame:
    files = sorted(folder.glob(f"*/{name}.csv"))
    frames = [pd.read_csv(file, dtype=str, keep_default_na=False) for file in files]
    return pd.concat(frames, ignore_index=True).fillna("")  # an older table has fewer columns


def markdown(frame: pd.DataFrame) -> str:
    """The summary as a table for a README."""
    named = summary(frame).rename(columns=lambda name: name.replace("_", " "))
    return named.to_markdown(index=False, disable_numparse=True)


if __name__ == "__main__":
    print(markdown(committed()))
