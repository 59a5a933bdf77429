"""Schedules by name: how long, on what, with which detector's width. Everything that is equal between variants."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

REFERENCE_BATCH = 16  # images: the batch that every learning rate here is stated for


@dataclass(frozen=True)
class Schedule:
    """One training recipe.

    `size` is the longer image side in pixels, `iterations` are optimizer steps of `batch` images. `width` is the first
    stage's channels of the ResNet (64 is the paper's, 16 a quarter) and `depth` its layers; neck and head have
    4 · `width` channels, and the head `stacked_convs` convolutions before its last (None: as many as it is shipped
    with). A `frozen` backbone does not learn. `lr` is for 16 images and is scaled with the batch. `images_train` and
    `images_val` size the generated set. After every `checkpoint` steps a training can go on from there when it was
    killed (YOLO: from the end of that epoch); 0 starts it again.
    """

    name: str
    size: int
    batch: int
    iterations: int
    lr: float
    depth: int = 18
    width: int = 16
    stacked_convs: int | None = None
    frozen: bool = False
    shorter_side: int | None = None
    optimizer: str = "SGD"
    yolo_optimizer: str = "SGD"
    yolo_rate: float = 0.01  # peak, not scaled: what Ultralytics calls lr0
    images_train: int = 0
    images_val: int = 0
    warmup: float = 0.05
    milestones: tuple[float, ...] = (2 / 3, 8 / 9)  # shares of the iterations: 60k and 80k of the papers' 90k
    seeds: int = 1
    checkpoint: int = 0

    @property
    def learning_rate(self) -> float:
        """The peak learning rate for this batch, by the linear scaling rule (arXiv:1706.02677)."""
        return self.lr * self.batch / REFERENCE_BATCH


SMOKE = Schedule(
    "smoke",
    size=64,
    batch=2,
    iterations=3,
    lr=0.01,
    yolo_optimizer="AdamW",
    yolo_rate=0.003,
    images_train=6,
    images_val=4,
)
QUICK = Schedule(
    "quick",
    size=96,
    batch=8,
    iterations=160,
    lr=0.01,
    yolo_optimizer="AdamW",
    yolo_rate=0.003,
    images_train=200,
    images_val=50,
    milestones=(0.8, 0.95),
)
STEPS = dataclasses.replace(  # SGD at the rates that the libraries state, under which rounding is not blown up
    QUICK, name="steps", iterations=100, yolo_optimizer="SGD", yolo_rate=0.01 / 8, images_val=10
)
FULL = dataclasses.replace(QUICK, name="full", iterations=180, images_val=100, seeds=5)
MINI = Schedule(  # a head on kept features of a frozen backbone: what one CPU core learns in minutes
    "mini",
    size=256,
    batch=8,
    iterations=1800,
    lr=0.002,
    optimizer="AdamW",
    stacked_convs=2,
    frozen=True,
    checkpoint=200,
)
ONE_X = Schedule(
    "1x",
    size=1333,
    shorter_side=800,
    batch=16,
    iterations=90_000,
    lr=0.01,
    depth=50,
    width=64,
    warmup=500 / 90_000,
    checkpoint=1000,
)
SHORT = dataclasses.replace(  # for one GPU, from pretrained weights
    ONE_X, name="short", iterations=ONE_X.iterations // 10, warmup=10 * ONE_X.warmup, checkpoint=500
)
SCHEDULES = {schedule.name: schedule for schedule in (SMOKE, QUICK, STEPS, FULL, SHORT, MINI, ONE_X)}
