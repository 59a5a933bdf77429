"""One batch, asked of a criterion and of our own: which anchors are positive, and what the readers of the terms need.

Ours is asked with losses of its own terms that note what they are given; a criterion shows its gradients alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import find
from focalbench_suite.adapters.own.heads import integral
from focalbench_suite.suites.agreement import terms
from focalbench_suite.suites.criterion.box_term import BoxScene
from focalbench_suite.suites.criterion.class_term import Scene
from focalbench_suite.suites.criterion.distribution_term import SideScene

SIDES = 4


@dataclass(frozen=True)
class Head:
    """What our own criterion of a name computes: the box term's name, its overlap and what weighs its boxes.

    `class_loss` is the loss of the canon in its class term, `class_divisor` what that is divided by.
    """

    box: str
    overlap: str
    weights: str
    class_loss: str
    class_divisor: str


HEADS = {
    "v8_detection": Head(
        "box", "ciou", "the assigned scores", "cross_entropy", "the sum of the assigned scores, at least 1"
    ),
    "gfl_head": Head(
        "bbox",
        "giou",
        "the best class scores of positives",
        "quality_focal",
        "the number of positives, an image without any as one",
    ),
}


@dataclass
class Noted:
    """What our own losses are given, as arrays: class logits and scores, boxes, bins, weights, and the divisors."""

    logits: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    scores: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    class_divisor: float = 0.0
    boxes: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    targets: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    bins: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    places: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    weights: numpy.ndarray = field(default_factory=lambda: numpy.zeros(0))
    total: float = 0.0

    def classification(self, logits: torch.Tensor, targets: torch.Tensor, avg_factor: Any) -> torch.Tensor:
        """In the place of our class term's loss."""
        self.logits, self.scores, self.class_divisor = _array(logits), _array(targets), float(avg_factor)
        return logits.sum()

    def overlap(self, boxes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """In the place of our box term's overlap."""
        self.boxes, self.targets = _array(boxes), _array(targets)
        return boxes.sum(1)

    def distribution(
        self, bins: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor, avg_factor: Any
    ) -> torch.Tensor:
        """In the place of our distribution term's loss."""
        self.bins, self.places = _array(bins).reshape(-1, SIDES, bins.shape[1]), _array(targets).reshape(-1, SIDES)
        self.weights, self.total = _array(weight)[::SIDES], float(avg_factor) / SIDES
        return bins.sum()


@dataclass(frozen=True)
class Asked:
    """One batch: which anchors (B, A) have a gradient of their box, there and in ours, and what is read of each term.

    `box_term` has the boxes whose anchors both take, in the order of ours.
    """

    theirs: numpy.ndarray
    ours: numpy.ndarray
    class_term: Scene
    box_term: BoxScene
    distribution_term: SideScene

    @property
    def agreed(self) -> bool:
        """Whether the same anchors are positive."""
        return bool((self.theirs == self.ours).all())

    @classmethod
    def of(
        cls, call: Callable[..., Any], name: str, scene: terms.GroundTruth, own_call: Callable[..., Any] | None = None
    ) -> Asked:
        """Ask a criterion, and our own, for one batch in float64.

        With an `own_call` in the place of ours, of which the criterion is a part, only gradients are compared: the
        values hold the other parts.
        """
        own, noted, head = find(name, "own"), Noted(), HEADS[name]
        gains = next(iter(own.defaults.values()))
        given = terms.inputs_of(name, scene, "float64", "float64")
        theirs = given.terms(call)
        hooks = {term: getattr(noted, term) for term in ("classification", "distribution", "overlap")}
        ours = given.terms(own_call or own.call, **hooks)
        leaves = [leaf for group in given.heads for leaf in group]

        def channels(term: str) -> tuple[numpy.ndarray, numpy.ndarray]:
            return _channels(name, leaves, theirs[term][1] / gains[term])

        outputs = _channels(name, leaves, torch.cat([leaf.detach().reshape(-1) for leaf in leaves]).numpy())[0]
        taken, image, anchor = _anchors(outputs, noted.bins[:, 0, 0])
        positive = _positives(name, leaves, theirs), _positives(name, leaves, ours)
        both = positive[0][image, anchor]
        taken, image, anchor = taken[both], image[both], anchor[both]
        divisors = _divisors(scene, noted, head)

        def of_sides(term: str) -> numpy.ndarray:
            found = channels(term)[0][image, :, anchor]
            return found.reshape(noted.bins[taken].shape)

        slopes, outside = _slopes(noted.bins[taken], of_sides(head.box))
        gradient = channels("cls")[1]
        label = numpy.broadcast_to(numpy.arange(gradient.shape[1])[:, None], gradient.shape)
        flat = [each.reshape(-1) for each in (noted.logits, noted.scores, gradient, label)]
        by_side = noted.bins[taken].reshape(-1, noted.bins.shape[2]), of_sides("dfl").reshape(-1, noted.bins.shape[2])
        return cls(
            *positive,
            Scene(flat[0], flat[1], flat[2], flat[3], _class_divisors(scene, noted, head)),
            BoxScene(
                noted.boxes[taken],
                noted.targets[taken],
                slopes,
                noted.weights[taken],
                float("nan") if own_call else float(theirs[head.box][0][0]) / gains[head.box],
                divisors,
                outside,
            ),
            SideScene(
                *by_side,
                noted.places[taken].reshape(-1),
                noted.weights[taken].repeat(SIDES),
                {told: SIDES * size for told, size in divisors.items()},
            ),
        )


def _array(tensor: torch.Tensor) -> numpy.ndarray:
    return tensor.detach().numpy()


def _anchors(outputs: numpy.ndarray, first: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Which positive, image and anchor belong together: no two anchors have the same first number in their outputs."""
    return (first[:, None, None] == outputs[:, 0]).nonzero()


def _slopes(bins: numpy.ndarray, gradient: numpy.ndarray) -> tuple[numpy.ndarray, float]:
    """The slopes (n, 4) to the corners, of a gradient (n, 4, K) to the bins whose means are the distances to them.

    And what share of the gradient's norm goes another way than through these means.
    """
    logits = torch.tensor(bins, requires_grad=True)
    (through,) = torch.autograd.grad(integral(logits).sum(), logits)
    means = through.numpy()
    by_side = (gradient * means).sum(2) / (means**2).sum(2)
    left = float(numpy.linalg.norm(gradient - by_side[:, :, None] * means))
    size = float(numpy.linalg.norm(gradient))
    return by_side * [-1, -1, 1, 1], left / size if size else 0.0


def _divisors(scene: terms.GroundTruth, noted: Noted, head: Head) -> dict[str, float]:
    """What a term of boxes may be divided by, our own divisor first."""
    return {
        f"the sum of {head.weights}, at least 1": noted.total,
        f"the sum of {head.weights}": float(noted.weights.sum()),
        "the number of positives, at least 1": max(float(len(noted.weights)), 1.0),
        "the number of objects, at least 1": max(float(sum(map(len, scene.boxes))), 1.0),
        "the number of images": float(len(scene.boxes)),
        "nothing (a sum)": 1.0,
    }


def _class_divisors(scene: terms.GroundTruth, noted: Noted, head: Head) -> dict[str, float]:
    """What a class term may be divided by, our own divisor first."""
    scores = noted.scores
    images, _, anchors = scores.shape
    plain = {
        head.class_divisor: noted.class_divisor,
        "the sum of the assigned scores": float(scores.sum()),
        "the number of positives, at least 1": max(float((scores > 0).any(axis=1).sum()), 1.0),
        "the number of objects, at least 1": max(float(sum(map(len, scene.boxes))), 1.0),
        "the number of images": float(images),
        "the number of predictions (a mean)": float(scores.size),
        "the number of images and of anchors": float(images * anchors),
        "nothing (a sum)": 1.0,
    }
    # a mean over anchors, where a number for each was meant
    return plain | {f"{told}; and by the number of anchors": size * anchors for told, size in plain.items()}


def _positives(name: str, leaves: list[torch.Tensor], found: terms.Terms) -> numpy.ndarray:
    """The anchors (B, A) whose box channels have a gradient of any term but the class term."""
    boxes = [abs(gradient) for term, (_, gradient) in found.items() if term != "cls"]
    return numpy.asarray(_channels(name, leaves, numpy.sum(boxes, axis=0))[0].any(axis=1))


def _channels(name: str, leaves: list[torch.Tensor], flat: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Box and class channels (B, K, A) of numbers that lie in the order of all head outputs."""
    cuts = numpy.cumsum([leaf.numel() for leaf in leaves])[:-1]
    maps = [part.reshape(*leaf.shape[:2], -1) for part, leaf in zip(numpy.split(flat, cuts), leaves, strict=True)]
    if name == "gfl_head":
        half = len(maps) // 2
        return numpy.concatenate(maps[half:], axis=2), numpy.concatenate(maps[:half], axis=2)
    whole = numpy.concatenate(maps, axis=2)
    return whole[:, : SIDES * terms.REG_MAX], whole[:, SIDES * terms.REG_MAX :]
