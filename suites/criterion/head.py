"""What the class term of a head of maps or queries computes: RetinaNet's, FCOS's and RT-DETR's.

Their own forms are asked with a loss of the class term that notes what it is given. Where each logit has its gradient
is found by its value, which no two share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch

from focalbench_suite.adapters import find
from focalbench_suite.suites.agreement import terms
from focalbench_suite.suites.criterion.class_term import Reading, Scene, read_class_term
from focalbench_suite.suites.default_dtype import default_dtype


class ClassTerm(NamedTuple):
    """The loss of the canon in a class term, what it is divided by, and whether each image is divided by its own."""

    loss: str
    divisor: str
    by_image: bool


CLASS_TERMS = {
    "retinanet_head": ClassTerm("focal", "an image's positives, at least 1, and the number of images", True),
    "fcos_head": ClassTerm("focal", "the number of positives, at least 1", False),
    "rtdetr_head": ClassTerm("varifocal", "the number of objects, at least 1", False),
}
SIDES = 4
Noted = list[tuple[numpy.ndarray, numpy.ndarray, float]]  # logits (n, C), scores (n, C) and the divisor of each call


@dataclass(frozen=True)
class Answer:
    """One batch: which anchors or queries have a gradient of their box, there and in ours, and the class term's scenes.

    `beyond` says that class logits have a gradient that ours leaves out.
    """

    theirs: numpy.ndarray
    ours: numpy.ndarray
    scenes: list[Scene]
    beyond: bool

    @property
    def agreed(self) -> bool:
        """Whether the same are positive."""
        return bool((self.theirs == self.ours).all())


def answers_of(call: Callable[..., Any], name: str, scenes: tuple[terms.GroundTruth, ...]) -> list[Answer]:
    """A criterion and our own, asked for every batch."""
    with default_dtype("float64"):  # as in `checking`
        return [_answer(call, name, scene) for scene in scenes]


def read_class_of(name: str, answers: list[Answer]) -> Reading:
    """What the class term of a criterion computes, of those batches that have objects."""
    if not all(one.agreed for one in answers):
        return Reading("not read, since other anchors are positive")
    if any(one.beyond for one in answers):
        return Reading("not read, since logits have a gradient that ours leaves out")
    scenes = [scene for one in answers for scene in one.scenes if scene.scores.any()]
    return read_class_term(CLASS_TERMS[name].loss, scenes)


def _answer(call: Callable[..., Any], name: str, scene: terms.GroundTruth) -> Answer:
    noted: Noted = []

    def classification(logits: torch.Tensor, targets: torch.Tensor, avg_factor: Any) -> torch.Tensor:
        noted.append((logits.detach().numpy(), targets.detach().numpy(), float(avg_factor)))
        return logits.sum()

    given = terms.inputs_of(name, scene, "float64", "float64")
    ours, theirs = given.terms(find(name, "own").call, classification=classification), given.terms(call)
    gradient = theirs["cls"][1]
    values = torch.cat([leaf.detach().reshape(-1) for group in given.heads for leaf in group]).numpy()
    order = numpy.argsort(values)
    places = [order[numpy.searchsorted(values, logits, sorter=order)] for logits, _, _ in noted]
    left = gradient.copy()
    left[numpy.concatenate([place.ravel() for place in places])] = 0
    images = len(scene.boxes) if CLASS_TERMS[name].by_image else 1
    scenes = [
        _scene(name, logits, scores, gradient[place], images * divisor, images)
        for (logits, scores, divisor), place in zip(noted, places, strict=True)
    ]
    return Answer(_taken(name, given, theirs), _taken(name, given, ours), scenes, bool(left.any()))


def _taken(name: str, given: terms.Inputs, found: terms.Terms) -> numpy.ndarray:
    """Whose box has a gradient: (n,) anchors of all maps, or queries."""
    sizes = [leaf.numel() for group in given.heads for leaf in group]
    leaves = [leaf for group in given.heads for leaf in group]
    parts = dict(zip(map(id, leaves), numpy.split(found["bbox"][1], numpy.cumsum(sizes)[:-1]), strict=True))
    if name in terms.QUERIED:
        return parts[id(given.heads[0][0])].reshape(-1, SIDES).any(1)
    maps = [parts[id(leaf)].reshape(len(leaf), -1, SIDES, leaf[0, 0].numel()) for leaf in given.heads[1]]
    return numpy.concatenate([each.any(2).ravel() for each in maps])


def _scene(
    name: str, logits: numpy.ndarray, scores: numpy.ndarray, gradient: numpy.ndarray, divisor: float, images: int
) -> Scene:
    label = numpy.broadcast_to(numpy.arange(logits.shape[1]), logits.shape)
    flat = [each.reshape(-1) for each in (logits, scores, gradient, label)]
    divisors = {
        CLASS_TERMS[name].divisor: divisor,
        "the number of predictions (a mean)": float(images * scores.size),
        "nothing (a sum)": 1.0,
    }
    return Scene(flat[0], flat[1], flat[2], flat[3], divisors)
