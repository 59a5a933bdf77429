"""How much slower a cell may be before it is told: one rule for all, and others for the cells that a file names.

The file is YAML. A pattern is a cell's name, in which ``*`` stands for anything; of several, the last that fits counts:

    "throughput/*": {margin: 0.15}
    "throughput/focal/own/*": {margin: 0.05, floor_ms: 0.001}
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Threshold(BaseModel):
    """What a time may change by without a word: a share of it, or so many milliseconds.

    The floor of a tenth of a microsecond is what a benchmark's own loop takes: 0.40 ns and 0.58 ns are nothing twice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    margin: Amount = 0.10
    floor_ms: Amount = 1e-4


@dataclass(frozen=True)
class Thresholds:
    """The threshold of every cell.

    >>> strict = Thresholds({"throughput/focal/*": Threshold(margin=0.02)})
    >>> strict.of("throughput/focal/own/cpu").margin, strict.of("throughput/varifocal/own/cpu").margin
    (0.02, 0.1)
    """

    patterns: dict[str, Threshold] = field(default_factory=dict)

    def of(self, cell: str) -> Threshold:
        """The threshold of a cell, by the last pattern that its name fits."""
        fitting = [limit for pattern, limit in self.patterns.items() if fnmatch.fnmatchcase(cell, pattern)]
        return fitting[-1] if fitting else Threshold()


def read_thresholds(file: Path) -> Thresholds:
    """Those of a file; raises `ValueError` with a sentence where it holds none."""
    try:
        content = yaml.safe_load(file.read_text())
        return Thresholds(TypeAdapter(dict[str, Threshold]).validate_python(content))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{file} is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ": ".join(map(str, first["loc"])) or "its content"
        raise ValueError(f"{file} holds no thresholds: {place}: {first['msg']}") from None
