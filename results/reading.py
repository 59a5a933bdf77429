"""A line of `records.jsonl` as it must be: the one place that says what a record is made of.

Runs are torn by kills and full disks, edited by hand, and come from other people. A line that is no record is named and
left out, so that it costs itself alone.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

DEEPEST = 64  # of lists and objects within each other; a record of ours has 8


class StoredCell(BaseModel):
    """What was run."""

    model_config = ConfigDict(extra="allow")
    suite: str
    loss: str
    adapter: str
    device: str
    dtype: str
    workload: str


class StoredRecord(BaseModel):
    """What a cell left behind; `suites.Record` says what each part means."""

    model_config = ConfigDict(extra="allow")
    key: str
    cell: StoredCell
    status: str
    reason: str
    rows: dict[str, list[dict[str, Any]]]
    data: dict[str, Any]
    seconds: float


def read(line: bytes) -> dict[str, Any]:
    """The record in a line; raises `ValueError` with a few words where it holds none.

    What no file can be written of, half of a surrogate pair, becomes a question mark.

    >>> read(b'{"key": "a"}')
    Traceback (most recent call last):
    ValueError: cell: Field required
    """
    try:
        record = json.loads(line.decode())
        if b"\\ud" in line.lower():
            record = json.loads(json.dumps(record, ensure_ascii=False).encode(errors="replace"))
        StoredRecord.model_validate(record, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")) from None
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    if objection := _objection(record):
        raise ValueError(objection)
    return record


def _objection(record: Any) -> str:
    """Why tables cannot hold a record's content: its depth, or a whole number of more than 64 bits; else empty."""
    level, depth = [record], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            return "too deeply nested"
        if any(isinstance(part, int) and abs(part) >= 2**63 for part in level):
            return "holds a number of more than 64 bits"
        level = [child for part in level for child in _children(part)]
    return ""


def _children(part: Any) -> list[Any]:
    return list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else []
