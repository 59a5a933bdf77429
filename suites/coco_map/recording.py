"""What a training run shows of itself: its conditions as hashes, and its course step by step."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from results.coco_map import FIRST_STEPS

LOSS_BOUND = 1e4  # beyond it a run has diverged: no host's loss starts above a few hundred
CURVE_POINTS = 200  # kept of a longer curve


class Diverged(Exception):
    """The loss is not a number, or beyond all bounds: a result, not a fault."""


@dataclass
class Recorder:
    """Watches one training run; both hosts feed it."""

    weights: str = ""
    images: Any = field(default_factory=hashlib.sha256)
    inputs: Any = field(default_factory=hashlib.sha256)
    curve: list[dict[str, float]] = field(default_factory=list)
    _started: float = 0.0

    def start(self, model: torch.nn.Module) -> None:
        """Take the hash of the initial weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        self.weights = digest.hexdigest()[:16]

    def batch(self, identifiers: Iterable[Any], pixels: Iterable[torch.Tensor], boxes: Iterable[torch.Tensor]) -> None:
        """Take in a batch before its step: which images in which order, and what augmentation made of them."""
        self.images.update(repr(list(identifiers)).encode())
        for tensor in (*pixels, *boxes):
            self.inputs.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        self._started = time.perf_counter()

    def step(self, terms: Mapping[str, float], rate: float, gradient_norm: float) -> None:
        """Take in a step that is done; raises `Diverged` where its loss says so."""
        total = sum(terms.values())
        seconds = time.perf_counter() - self._started
        self.curve.append({"loss": total, **terms, "lr": rate, "grad_norm": gradient_norm, "seconds": seconds})
        if not math.isfinite(total) or total > LOSS_BOUND:
            raise Diverged(f"loss {total:.4g} at step {len(self.curve)}")

    def conditions(self) -> dict[str, str]:
        """The hashes that two runs share when all but the loss is equal."""
        return {
            "initial_weights": self.weights,
            "data_order": self.images.hexdigest()[:16],
            "augmented_inputs": self.inputs.hexdigest()[:16],
        }

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


def finite(value: float) -> float | None:
    """The value, or None where it is no number: JSON has no word for that."""
    return float(value) if math.isfinite(value) else None


@dataclass
class Outcome:
    """What a host hands back: detections on the val set as COCO results, and how the training went.

    `status` is ok | diverged; `own_map` is the host's own figure where it has an evaluator of its own.
    """

    status: str
    reason: str
    detections: list[dict[str, Any]]
    recorder: Recorder
    own_map: dict[str, float] = field(default_factory=dict)


@contextlib.contextmanager
def default_dtype(name: str) -> Iterator[None]:
    """Hosts make anchors and targets in torch's default dtype, so that float64 is only whole with it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)
