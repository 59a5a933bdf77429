"""The shapes people train with, and the tensors of each. A workload is an entry of `WORKLOADS`, found by its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from focalbench_suite.adapters.canon import CANONICAL

DENSE = tuple(name for name, loss in CANONICAL.items() if loss.inputs in ("dense", "index"))
BINS = tuple(name for name, loss in CANONICAL.items() if loss.inputs == "bins")
MAIN = ("own", "torchvision", "ultralytics", "mmdetection", "articles")
SCALED = ("own", "torchvision", "mmdetection")
LIBRARIES = ("own", "torchvision", "ultralytics", "mmdetection")
TO_AUTOTUNE = ("torchvision",)
TO_COMPILE = ("torchvision", "ultralytics", "mmdetection", "fvcore")


@dataclass(frozen=True)
class Workload:
    """`rows` x `classes` logits (bins for the losses of `BINS`; of every anchor for a detector loss).

    `image` is the image side in pixels and `batch` the images of a detector loss; `adapters` limits who is timed
    (empty: all in float32, the main ones in half precision), and `compiled` names the devices on which the peers that
    people compile are timed under torch.compile, too. A `step` is a training step with the loss in it.
    """

    name: str
    rows: int
    classes: int
    losses: tuple[str, ...]
    profiles: tuple[str, ...] = ("full",)
    devices: tuple[str, ...] = ("cpu", "cuda")
    dtypes: tuple[str, ...] = ("float32",)
    image: int = 0
    batch: int = 0
    adapters: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()
    step: bool = False


def anchors(image: int, strides: tuple[int, ...] = (8, 16, 32), per_cell: int = 1) -> int:
    """How many anchors a square image of this side has; levels are rounded up as the papers' networks do."""
    return sum((-(-image // stride)) ** 2 for stride in strides) * per_cell


GPU_TOO = ("gpu", "full")
PYRAMID = (8, 16, 32, 64, 128)
ANCHORS_A_CELL = 9  # of RetinaNet (arXiv:1708.02002 section 4): three scales by three aspect ratios

WORKLOADS = {
    workload.name: workload
    for workload in (
        # smoke: the same code, small enough for seconds
        Workload("yolov8-160px-b1", anchors(160), 80, DENSE, ("smoke",), adapters=MAIN),
        Workload("gfl-64-positives", 64 * 4, 17, BINS, ("smoke",), adapters=MAIN),
        Workload("yolov8-head-160px-b1", anchors(160), 80, ("v8_detection",), ("smoke",), image=160, batch=1),
        Workload("gfl-head-160px-b1", anchors(160, PYRAMID), 80, ("gfl_head",), ("smoke",), image=160, batch=1),
        # quick: one image a batch where people use eight or more
        Workload("yolov8-640px-b1", anchors(640), 80, DENSE, ("quick",)),
        Workload("gfl-800-positives", 800 * 4, 17, BINS, ("quick",)),
        Workload("yolov8-head-640px-b1", anchors(640), 80, ("v8_detection",), ("quick",), image=640, batch=1),
        Workload("gfl-head-640px-b1", anchors(640, PYRAMID), 80, ("gfl_head",), ("quick",), image=640, batch=1),
        # gpu: in one call on a GPU machine, beside some of those below
        Workload("yolov8-640px-b16", 16 * anchors(640), 80, DENSE, ("gpu",), ("cuda",), ("float32", "bfloat16"),
                 compiled=("cuda",)),
        # full: what is trained with
        Workload("yolov8-640px-b8", 8 * anchors(640), 80, DENSE, dtypes=("float32", "bfloat16"), compiled=("cpu",)),
        Workload("yolov8-640px-b128", 128 * anchors(640), 80, DENSE, devices=("cuda",),
                 dtypes=("float32", "bfloat16"), compiled=("cuda",)),
        Workload("retinanet-800px-b1", anchors(800, PYRAMID, ANCHORS_A_CELL), 80, ("focal", "quality_focal"), GPU_TOO,
                 dtypes=("float32", "bfloat16"), adapters=MAIN, compiled=("cuda",)),
        Workload("retinanet-800px-b16", 16 * anchors(800, PYRAMID, ANCHORS_A_CELL), 80, ("focal", "quality_focal"),
                 devices=("cuda",), dtypes=("float32", "bfloat16"), adapters=MAIN),
        Workload("gfl-6400-positives", 6400 * 4, 17, BINS, GPU_TOO, dtypes=("float32", "bfloat16"),
                 compiled=("cpu", "cuda")),
        Workload("yolov8-head-640px-b8", 8 * anchors(640), 80, ("v8_detection",), GPU_TOO, image=640, batch=8),
        Workload("gfl-head-800px-b2", 2 * anchors(800, PYRAMID), 80, ("gfl_head",), GPU_TOO, image=800, batch=2),
        # full, share of a training step
        Workload("training-step-retinanet-r18-256px-b2", 0, 80, ("focal",), devices=("cpu",), image=256,
                 batch=2, adapters=LIBRARIES, step=True),
        Workload("training-step-retinanet-r18-640px-b16", 0, 80, ("focal",), GPU_TOO, devices=("cuda",), image=640,
                 batch=16, adapters=LIBRARIES, step=True),
        # full, cost against size: the flat start is launch overhead
        *(Workload(f"scaling-rows-1e{n}", 10**n, 1, ("focal",), adapters=SCALED) for n in range(3, 8)),
        *(Workload(f"scaling-classes-{n}", 10_000, n, ("focal",), adapters=SCALED) for n in (1, 80, 365, 1203)),
        *(Workload(f"scaling-bins-{n}", 20_000, n, ("distribution_focal",), adapters=SCALED) for n in (8, 16, 32, 64)),
    )
}  # fmt: skip


@dataclass
class InputSet:
    """One input set: what a loss is called with. `leaves` are the tensors that get a gradient."""

    arguments: tuple[Any, ...]
    leaves: tuple[torch.Tensor, ...]
    targets: tuple[torch.Tensor, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)

    @property
    def bytes_read(self) -> int:
        """What a loss must read at least: every leaf and every target once."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.leaves, *self.targets))

    @property
    def bytes_written(self) -> int:
        """What a backward pass must write at least: a gradient for every leaf."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.leaves)


def canonical_inputs(loss: str, workload: Workload, dtype: str, device: str, seed: int) -> InputSet:
    """Random inputs of a loss in canonical form, the same for the same seed.

    Logits are what a detector gives early in training: far below zero with a spread of 2. One row in a hundred is
    positive; soft losses get a uniform quality there.
    """
    generator = torch.Generator().manual_seed(seed)
    kind = CANONICAL[loss].inputs
    if kind == "detector":
        return _detector_inputs(loss, workload, dtype, device, generator)
    rows, classes = workload.rows, workload.classes
    logits = (torch.randn(rows, classes, generator=generator) * 2).to(device, getattr(torch, dtype))
    if kind == "bins":
        targets = torch.rand(rows, generator=generator) * (classes - 1)
    elif kind == "index":
        targets = torch.randint(classes, (rows,), generator=generator)
    else:
        logits -= 3
        targets = torch.zeros(rows, classes, dtype=logits.dtype)
        positive = torch.randperm(rows, generator=generator)[: max(rows // 100, 1)]
        soft = CANONICAL[loss].soft
        quality = torch.rand(len(positive), generator=generator) if soft else torch.ones(len(positive))
        targets[positive, torch.randint(classes, (len(positive),), generator=generator)] = quality.to(targets.dtype)
    targets = targets.to(device)
    return InputSet((logits, targets), (logits,), (targets,))


def _detector_inputs(loss: str, workload: Workload, dtype: str, device: str, generator: torch.Generator) -> InputSet:
    """Head outputs of random values, and eight boxes an image that lie inside it and have some size."""
    image, batch, classes, bins = workload.image, workload.batch, workload.classes, 16
    kind = {"device": device, "dtype": getattr(torch, dtype)}
    boxes, labels = [], []
    for _ in range(batch):
        center = (torch.rand(8, 2, generator=generator) * 0.6 + 0.2) * image
        half = (torch.rand(8, 2, generator=generator) * 0.15 + 0.04) * image
        boxes.append(torch.cat([center - half, center + half], dim=1).to(device))
        labels.append(torch.randint(classes, (8,), generator=generator).to(device))

    def maps(channels: int, strides: tuple[int, ...], shift: float = 0.0) -> list[torch.Tensor]:
        sides = [-(-image // stride) for stride in strides]
        return [(torch.randn(batch, channels, side, side, generator=generator) + shift).to(**kind) for side in sides]

    if loss == "v8_detection":
        strides = (8, 16, 32)
        features = maps(4 * bins + classes, strides)
        settings = {"strides": strides, "num_classes": classes, "reg_max": bins}
        return InputSet((features, boxes, labels), tuple(features), keywords=settings)
    scores, distributions = maps(classes, PYRAMID, shift=-3), maps(4 * (bins + 1), PYRAMID)
    settings = {"image_size": (image, image), "strides": PYRAMID, "reg_max": bins}
    return InputSet((scores, distributions, boxes, labels), (*scores, *distributions), keywords=settings)
