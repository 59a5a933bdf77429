"""What a training run shows of itself: its conditions as hashes, and its course step by step."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from focalbench_suite.results.coco_map import FIRST_STEPS
from focalbench_suite.suites.processes import mean, rank
from focalbench_suite.suites.progress import Progress

LOSS_BOUND = 1e4  # beyond it a run has diverged: no host's loss starts above a few hundred
CURVE_POINTS = 200  # kept of a longer curve
WATCHED = ("weights", "images", "inputs", "optimizer", "curve")  # the fields of a recorder that a checkpoint keeps


class Diverged(Exception):
    """The loss is not a number, or beyond all bounds: a result, not a fault."""


@dataclass
class Recorder:
    """Watches one training run; both hosts feed it.

    `folder` is where the training keeps its checkpoints, from which it goes on after a kill; None keeps nothing. A
    checkpoint keeps the hashes and the curve, too: `state` gives them and `go_on` takes them up again.
    """

    folder: Path | None = None
    title: str = ""
    weights: str = ""
    images: str = ""
    inputs: str = ""
    optimizer: str = ""
    curve: list[dict[str, float]] = field(default_factory=list)
    steps: int = 0
    progress: Progress | None = None
    began: float = field(default_factory=time.perf_counter)
    _started: float = 0.0

    def start(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        """Take the hashes of the initial weights and of the optimizer's settings of a training of so many steps."""
        if not self.weights:  # else it goes on from a checkpoint
            weights = [part for name, t in sorted(model.state_dict().items()) for part in (name.encode(), _bytes(t))]
            self.weights = _chained("", *weights)
            groups = [group | {"params": [tuple(p.shape) for p in group["params"]]} for group in optimizer.param_groups]
            told = [sorted((name, str(value)) for name, value in group.items()) for group in groups]
            self.optimizer = _chained("", type(optimizer).__name__.encode(), repr(told).encode())
        self.steps = steps

    def state(self) -> dict[str, Any]:
        """What was watched so far, as plain data for a checkpoint."""
        return {name: getattr(self, name) for name in WATCHED} | {"seconds": self.seconds()}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of a checkpoint."""
        for name in WATCHED:
            setattr(self, name, state[name])
        self.began -= state["seconds"]

    def seconds(self) -> float:
        """What the training took so far, without the time from a checkpoint to the going on."""
        return time.perf_counter() - self.began

    def batch(
        self, identifiers: Iterable[Any], pixels: Iterable[torch.Tensor], objects: Iterable[torch.Tensor]
    ) -> None:
        """Take in a batch before its step: which images in which order, and what augmentation made of them.

        `objects` are boxes, class labels, and which image each is of.
        """
        if self.progress is None:  # not before: mmengine may have gone through the batches before a checkpoint again
            told = self.folder if rank() == 0 else None
            self.progress = Progress(told, self.title, len(self.curve), self.steps)
        self.images = _chained(self.images, repr(list(identifiers)).encode())
        self.inputs = _chained(self.inputs, *map(_bytes, (*pixels, *objects)))
        self._started = time.perf_counter()

    def step(self, terms: Mapping[str, float], rate: float, gradient_norm: float) -> None:
        """Take in a step that is done; raises `Diverged` where its loss says so, in all processes alike."""
        terms = mean(terms)
        total = sum(terms.values())
        seconds = time.perf_counter() - self._started
        self.optimizer = _chained(self.optimizer, repr(float(rate)).encode())
        self.curve.append({"loss": total, **terms, "lr": rate, "grad_norm": gradient_norm, "seconds": seconds})
        if self.progress:
            self.progress.step(len(self.curve))
        if not math.isfinite(total) or total > LOSS_BOUND:
            raise Diverged(f"loss {total:.4g} at step {len(self.curve)}")

    def conditions(self) -> dict[str, str]:
        """The hashes that two runs share when all but the loss is equal."""
        hashes = {"initial_weights": self.weights, "data_order": self.images, "augmented_inputs": self.inputs}
        hashes |= {"optimizer": self.optimizer}
        return {name: digest[:16] for name, digest in hashes.items()}

    def thinned(self) -> list[dict[str, float | None]]:
        """The curve as plain data, each step numbered: the first steps in full, evenly spaced points of the rest."""
        steps = len(self.curve)
        spaced = np.linspace(FIRST_STEPS, steps - 1, CURVE_POINTS).round().astype(int) if steps > FIRST_STEPS else []
        kept = sorted({*range(min(steps, FIRST_STEPS)), *map(int, spaced)})
        return [{"step": i + 1, **{k: finite(v) for k, v in self.curve[i].items()}} for i in kept]

    def final_loss(self) -> float | None:
        """The mean over the last tenth of the steps: a single batch says little."""
        tail = [point["loss"] for point in self.curve[-max(1, len(self.curve) // 10) :]]
        return finite(float(np.mean(tail))) if tail else None


def _chained(before: str, *contents: bytes) -> str:
    """The hash of all that came, of which only the last link need be kept."""
    digest = hashlib.sha256(before.encode())
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()


def finite(value: float) -> float | None:
    """The value, or None where it is no number: JSON has no word for that."""
    return float(value) if math.isfinite(value) else None
