"""A line of `records.jsonl` as it must be, and `environment.json`: the one place that reads what a run folder holds.

Runs are torn by kills and full disks, edited by hand, and come from other people. A line that is no record is named and
left out, so that it costs itself alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError

from focalbench_suite.results import content

DEEPEST = 64  # of lists and objects within each other; a record of ours has 8
LONG_NUMBER = re.compile(rb"(?<![\d.])\d{19,}")  # 2^63 has 19 digits; those after a decimal point do not count
OPENING, CLOSING = b"[{", b"]}"
NO_BRACKET = bytes(set(range(256)) - set(OPENING + CLOSING))


class StoredCell(BaseModel):
    """What was run."""

    model_config = ConfigDict(extra="allow")
    suite: str
    loss: str
    adapter: str
    device: str
    dtype: Literal["float64", "float32", "bfloat16", "float16"]
    workload: str


class StoredRecord(BaseModel):
    """What a cell left behind; `suites.Record` says what each part means."""

    model_config = ConfigDict(extra="allow")
    key: str
    cell: StoredCell
    status: Literal["ok", "unsupported", "absent", "failed", "timeout"]
    reason: str
    rows: dict[str, list[dict[str, Any]]]
    data: dict[str, Any]
    seconds: content.Finite


class StoredSelection(BaseModel):
    """What was asked for, as far as a report repeats it."""

    model_config = ConfigDict(extra="allow")
    profile: str = ""
    categories: list[str] = []
    losses: list[str] = []
    adapters: list[str] = []
    devices: list[str] = []
    dtypes: list[str] = []
    variants: list[str] = []
    seed: int = 0


class StoredEnvironment(BaseModel):
    """What a run was measured on; an earlier version may have said less."""

    model_config = ConfigDict(extra="allow")
    time: str = ""
    command: str = ""
    commit: str = ""
    project: str = ""
    cpu: str | None = None
    gpu: str | None = None
    cores: int | None = None
    pace_us: dict[str, PositiveFloat] = {}
    packages: dict[str, str | None] = {}
    adapters: dict[str, str | None] = {}
    selection: StoredSelection = StoredSelection()


def read_environment(text: bytes) -> dict[str, Any]:
    """What a run was measured on; raises `ValueError` with a few words where the file does not say it."""
    found = _plain(text)
    if not isinstance(found, dict):
        raise ValueError("holds no object")
    _validated(lambda: StoredEnvironment.model_validate(found, strict=True))
    if objection := _objection(text, found):
        raise ValueError(objection)
    return found


def read(line: bytes) -> dict[str, Any]:
    """The record in a line; raises `ValueError` with a few words where it holds none.

    What no file can be written of, half of a surrogate pair, becomes a question mark.

    >>> read(b'{"key": "a"}')
    Traceback (most recent call last):
    ValueError: cell: Field required
    """
    record = _plain(line)
    _validated(lambda: _validate(record))
    if objection := _objection(line, record):
        raise ValueError(objection)
    return record


def _plain(text: bytes) -> Any:
    """JSON as plain data; raises `ValueError` with a few words where it is none."""
    try:
        found = json.loads(text.decode())
        if b"\\ud" in text.lower():
            found = json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    return found


def _validate(record: Any) -> None:
    stored = StoredRecord.model_validate(record, strict=True)
    content.validate(stored.cell.suite, stored.status, record["rows"], record["data"])


def _validated(validate: Callable[[], object]) -> None:
    """Raise `ValueError` with the place and the words of the first thing that is not as it must be."""
    try:
        validate()
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")) from None
    except RecursionError:
        raise ValueError("too deeply nested") from None


def _objection(text: bytes, record: Any) -> str:
    """Why tables cannot hold a record's content: its depth, or a whole number of more than 64 bits; else empty.

    A record holds thousands of numbers, so its text is asked first whether it could be so at all.
    """
    if _deepest(text) <= DEEPEST and not LONG_NUMBER.search(text):
        return ""
    level, depth = [record], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            return "too deeply nested"
        if any(isinstance(part, int) and abs(part) >= 2**63 for part in level):
            return "holds a number of more than 64 bits"
        level = [child for part in level for child in _children(part)]
    return ""


def _deepest(text: bytes) -> int:
    """How deep the brackets of a text go; those within its strings count, too, which only costs a second look."""
    brackets = np.frombuffer(text.translate(None, NO_BRACKET), dtype=np.uint8)
    return int(np.where(np.isin(brackets, list(OPENING)), 1, -1).cumsum().max(initial=0))


def _children(part: Any) -> list[Any]:
    return list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else []
