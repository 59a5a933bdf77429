"""What a host is asked for and what it hands back: one training, in the same words for every host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from focalbench_suite.results.pairs import HALF
from focalbench_suite.suites.coco_map.data import Dataset
from focalbench_suite.suites.coco_map.recording import Recorder
from focalbench_suite.suites.coco_map.schedules import Schedule


@dataclass(frozen=True)
class Training:
    """One training of a detector; a host is a function `train` from it to what was `Trained`.

    `change` is what takes the place of the host's own loss (`suites.coco_map.variants` says in which words). `backbone`
    names a checkpoint to start from, None trains from scratch. In half precision the weights stay float32 and autocast
    chooses what is computed in it, as both hosts' own switches for mixed precision do.
    """

    host: str
    change: Mapping[str, Any]
    dataset: Dataset
    schedule: Schedule
    seed: int
    device: str
    dtype: str
    backbone: str | None
    recorder: Recorder

    @property
    def autocast(self) -> str | None:
        """The dtype of autocast; None where all is computed in the dtype of the weights."""
        return self.dtype if self.dtype in HALF else None

    @property
    def weights(self) -> str:
        """The dtype of the weights."""
        return "float32" if self.autocast else self.dtype


@dataclass
class Trained:
    """What a host hands back: detections on the val set as COCO results, and how the training went.

    `status` is ok | diverged; `own_map` is the host's own figure where it has an evaluator of its own.
    """

    status: str
    reason: str = ""
    detections: list[dict[str, Any]] = field(default_factory=list)
    own_map: dict[str, float] = field(default_factory=dict)
