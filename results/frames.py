"""A run's tables in memory, and their rows as plain data."""

from __future__ import annotations

from typing import Any

import pandas as pd

Frames = dict[str, pd.DataFrame]
Row = dict[str, Any]


def rows(frame: pd.DataFrame) -> list[Row]:
    """The table's rows as plain dictionaries, with None for what is missing."""
    return [
        {name: None if value is pd.NA or value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
