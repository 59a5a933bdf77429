"""Runs in one folder: each a Parquet file, or a run as it was measured; what is broken costs itself alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from focalbench_suite.results.store import Run
from focalbench_suite.results.trend.points import COLUMNS, NUMBERS, SHORT, WORDS, points


def keep(folder: Path, paths: Sequence[str | Path], commit: str) -> list[Path]:
    """Put what runs say into the folder, a Parquet file each; the same run is kept once, however often it is put there.

    `commit` is that of what does not say its own. Raises `ValueError` with a sentence, and keeps none of them, where
    one of `paths` is no run.
    """
    frames = [points(path, commit) for path in paths]
    for path, frame in zip(paths, frames, strict=True):
        if objection := _objection(frame):
            raise ValueError(f"{path} {objection}")
    return [_write(folder, frame) for frame in frames]


def _write(folder: Path, frame: pd.DataFrame) -> Path:
    time, measured = frame["time"].iloc[0], frame["commit"].iloc[0]
    digest = hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()[:8]
    stamp = pd.Timestamp(time).strftime("%Y%m%dT%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{stamp}-{re.sub(r'[^0-9A-Za-z]', '', measured)[:SHORT] or 'none'}-{digest}.parquet"
    part = file.with_suffix(".part")
    frame.to_parquet(part, index=False)
    part.rename(file)  # a file of that name is whole
    return file


def read(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """What the folder's runs say, in the order in which they were measured, and a line for each that cannot be read."""
    frames, objections = [], []
    for place in sorted(folder.iterdir()):
        if place.suffix != ".parquet" and not Run(place).records_file.is_file():
            continue
        try:
            frame = _stored(place) if place.suffix == ".parquet" else points(place)
            if objection := _objection(frame):
                raise ValueError(f"{place} {objection}")
            frames.append(frame[list(COLUMNS)])
            if place.suffix != ".parquet" and (lines := Run(place).unreadable()):
                objections.append(f"{place}: {len(lines)} lines are no records and left out, the first {lines[0]}")
        except ValueError as error:
            objections.append(f"{error}; it is left out")
    if not frames:
        return pd.DataFrame(columns=COLUMNS), objections
    found = pd.concat(frames, ignore_index=True).drop_duplicates(["time", "commit", "machine", "table", "what"])
    found["time"] = pd.to_datetime(found["time"], utc=True, format="ISO8601")
    return found.sort_values("time", kind="stable", ignore_index=True), objections


def _stored(file: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(file)
    except (ValueError, OSError) as error:
        raise ValueError(f"{file} is no Parquet file: {' '.join(str(error).split())[:200]}") from None
    return frame if "pace" in frame else frame.assign(pace=float("nan"))  # of before it was measured


def _objection(frame: pd.DataFrame) -> str:
    """Why these are no points; empty where they are."""
    if missing := [name for name in COLUMNS if name not in frame]:
        return f"has no column {missing[0]}"
    if not len(frame):
        return "has no row"
    if not all(isinstance(value, str) for name in WORDS for value in frame[name]):
        return "has a row without a word where one belongs"
    if not all(pd.api.types.is_numeric_dtype(frame[name]) for name in NUMBERS):
        return "has a value that is no number"
    if (frame.loc[frame["table"] == "throughput", "value"] <= 0).any():
        return "has a time that cannot be"
    if pd.to_datetime(frame["time"], utc=True, format="ISO8601", errors="coerce").isna().any():
        return "does not say when it was measured"
    return ""
