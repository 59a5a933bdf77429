"""Whole detector losses, term by term: the same head outputs and ground truth to a library and to our own.

No paper gives these losses as one formula, so the reference is the project's own composite in float64, on the very
inputs that the library gets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import Loss, Unsupported, find
from focalbench_suite.suites import errors, oracle
from focalbench_suite.suites.agreement import measure

SIDE, STRIDES, CLASSES, REG_MAX = 128, (8, 16, 32), 5, 16
# The bins that a loss is asked with: an end-to-end head has distributions (YOLOv10) or the sides themselves (YOLO26).
BINS = {"end_to_end_detection": (REG_MAX, 1)}
QUERIED, QUERIES = ("rtdetr_head",), 20  # heads whose outputs are boxes and class logits of queries, not maps
SCORES_SPREAD = 3.0  # of class logits of queries: with 1, another gamma of the matching cost changes no match
WITH_BINS = ("v8_detection", "gfl_head", "end_to_end_detection")  # whose sides are distributions
PRIOR_BIAS = -4.6  # one positive in a hundred, arXiv:1708.02002 section 4.1
BOX_BIAS = 2.0  # strides: of the sides of Ultralytics' Detect at the start
# Of heads that give their maps apart: channels of each group and the mean of its numbers.
MAPS: dict[str, Callable[[int], tuple[tuple[int, float], ...]]] = {
    "gfl_head": lambda classes: ((classes, PRIOR_BIAS), (4 * (REG_MAX + 1), 0.0)),
    "retinanet_head": lambda classes: ((9 * classes, PRIOR_BIAS), (9 * 4, 0.0)),
    "fcos_head": lambda classes: ((classes, PRIOR_BIAS), (4, BOX_BIAS), (1, 0.0)),
}
# How many roundings a term may be off, as it is a sum over some hundred anchors of numbers that went through an
# assignment. With 4, our own terms in float32 differ from those in float64; 8 and 16 give the same verdicts on our own,
# Ultralytics' and MMDetection's terms. 64 is half of bfloat16's digits: there, a total that is off by a quarter passes.
ROUNDINGS = 16
Row = dict[str, Any]


@dataclass(frozen=True)
class GroundTruth:
    """Ground truth of a batch: for each image its boxes (x1, y1, x2, y2 in pixels) and their classes.

    `size` is the height and width of all its images in pixels, multiples of the largest stride; `classes` are those
    that the head knows.
    """

    name: str
    boxes: tuple[tuple[tuple[float, float, float, float], ...], ...]
    labels: tuple[tuple[int, ...], ...]
    size: tuple[int, int] = (SIDE, SIDE)
    classes: int = CLASSES

    def of_classes(self, classes: int) -> GroundTruth:
        """The same boxes for a head that knows so many classes."""
        labels = tuple(tuple(label % classes for label in image) for image in self.labels)
        return replace(self, labels=labels, classes=classes)


SCENES = (
    GroundTruth("one object", (((20.0, 24.0, 76.0, 92.0),),), ((2,),)),
    GroundTruth(
        "several objects",
        (((8.0, 8.0, 40.0, 52.0), (50.0, 30.0, 120.0, 110.0), (70.0, 4.0, 100.0, 28.0)), ((16.0, 60.0, 90.0, 124.0),)),
        ((0, 3, 1), (4,)),
    ),
    GroundTruth("an image without objects", ((), ((30.0, 30.0, 98.0, 74.0), (4.0, 80.0, 44.0, 120.0))), ((), (1, 1))),
    GroundTruth("no objects", ((), ()), ((), ())),
    GroundTruth(
        "overlapping objects",
        (((20.0, 20.0, 84.0, 84.0), (28.0, 28.0, 92.0, 92.0), (20.0, 20.0, 84.0, 84.0), (36.0, 12.0, 76.0, 100.0)),),
        ((0, 0, 2, 4),),
    ),
    GroundTruth(
        "tiny and huge objects",
        (((1.0, 1.0, 127.0, 127.0), (60.0, 60.0, 64.0, 65.0), (0.0, 100.0, 30.0, 128.0)),),
        ((3, 0, 2),),
    ),
    # its sides are farther away than the last bin, at every stride
    GroundTruth("an object beyond the image", (((-600.0, -600.0, 728.0, 728.0),),), ((1,),)),
    # what mistakes width for height, or one size for all, is right in the images above
    GroundTruth("a smaller image", (((6.0, 10.0, 50.0, 58.0),),), ((3,),), (64, 64)),
    GroundTruth(
        "an image wider than high", (((12.0, 8.0, 60.0, 84.0), (84.0, 20.0, 152.0, 70.0)),), ((2, 0),), (96, 160)
    ),
)
ONE_CLASS = tuple(replace(scene.of_classes(1), name=f"{scene.name} of one class") for scene in SCENES[:5])
Terms = dict[str, tuple[numpy.ndarray, numpy.ndarray]]  # of each term its value and its gradient to all head outputs


def rows(
    loss: Loss, dtype: str, device: str, strict: bool = False, scenes: tuple[GroundTruth, ...] = SCENES
) -> list[Row]:
    """A row for each number of bins, scene, term and quantity.

    A single number is a multiple of any other, so a scale is one for all scenes: the first scene whose gradient is not
    zero fixes it, and the value there and all the other scenes must bear it out. With `strict`, what a call raises is
    raised.
    """
    return [row for bins in BINS.get(loss.name, (REG_MAX,)) for row in _rows(loss, dtype, device, strict, bins, scenes)]


def _rows(loss: Loss, dtype: str, device: str, strict: bool, bins: int, scenes: tuple[GroundTruth, ...]) -> list[Row]:
    named = {"device": device, "dtype": dtype, "form": "term", "cases": 1}
    own = find(loss.name, "own").call
    answers: list[tuple[str, Terms, Terms]] = []
    found: list[Row] = []
    for scene in scenes:
        title = scene.name if bins == REG_MAX else f"{scene.name}, reg_max {bins}"
        try:
            got = inputs_of(loss.name, scene, dtype, dtype, device, bins).terms(loss.call)
        except Exception as error:  # whatever a measured library raises is the finding
            if strict:
                raise
            verdict = "unsupported" if isinstance(error, Unsupported) else "error"
            reason = str(error) if isinstance(error, Unsupported) else measure.sentence(error)
            found.append(named | _refused(title, verdict, reason))
        else:
            ours = inputs_of(loss.name, scene, dtype, "float64", "cpu", bins).terms(own)
            answers.append((title, got, ours))
    scales = {term: _scale([(got[term], ours[term]) for _, got, ours in answers], dtype) for term in _names(answers)}
    return found + [
        named
        | {"probe": f"{title}: {term}", "quantity": quantity}
        | compare(got[term][i], _whole(ours[term][i]), dtype, ("our own term", "ours"), scales[term])
        for title, got, ours in answers
        for term in ours
        for i, quantity in enumerate(("value", "gradient"))
    ]


def _names(answers: list[tuple[str, Terms, Terms]]) -> list[str]:
    return list(answers[0][2]) if answers else []


def _scale(
    pairs: list[tuple[tuple[numpy.ndarray, numpy.ndarray], tuple[numpy.ndarray, numpy.ndarray]]], dtype: str
) -> float | None:
    """Theirs over ours where that is one number in every scene, for value and gradient; None where it is not."""
    gradients = [(got[1], ours[1]) for got, ours in pairs if ours[1].any()]
    if not gradients:
        return None
    got, ours = gradients[0]
    scale = float(ours @ got) / float(ours @ ours)
    wider = max(dtype, "float32", key=errors.epsilon)
    held = all(near(got[i], scale * ours[i], wider) for got, ours in pairs for i in range(2))
    return scale if scale and held else None


def near(actual: numpy.ndarray, expected: numpy.ndarray, dtype: str) -> bool:
    """Whether numbers differ by roundings alone, counted against the size of what is expected."""
    return _of_roundings(float(numpy.linalg.norm(actual - expected)), float(numpy.linalg.norm(expected)), dtype)


def _of_roundings(error: float, size: float, dtype: str) -> bool:
    return error <= ROUNDINGS * errors.epsilon(dtype) * size


def _refused(probe: str, verdict: str, reason: str) -> Row:
    return {"probe": probe, "quantity": "value", "points": 0, "verdict": verdict, "relation": reason}


def _whole(numbers: numpy.ndarray) -> oracle.Exact:
    """Doubles that are meant as they are."""
    return oracle.Exact(numbers, numpy.zeros_like(numbers))


def compare(
    actual: numpy.ndarray, expected: oracle.Exact, dtype: str, named: tuple[str, str], scale: float | None = None
) -> Row:
    """The columns of a row that judge numbers; `named` is what is expected and whose it is, as a reader is told.

    Where they differ by the factor `scale` in every batch, that is the relation.
    """
    found = errors.errors_of(actual, expected, dtype)
    row = {"points": int(actual.size), **found.worst}
    if found.nonfinite.any():
        return row | {"verdict": "nonfinite", "relation": f"{int(found.nonfinite.sum())} numbers are not finite"}
    size, error = (float(numpy.linalg.norm(numbers)) for numbers in (expected.high, expected.error(actual)))
    for rounding in dict.fromkeys((dtype, "float32")):
        if _of_roundings(error, size, rounding):
            note = "" if rounding == dtype else "; to float32's rounding only"
            return row | {"verdict": "agrees", "relation": f"= {named[0]}{note}"}
    if scale is not None:
        return row | {"verdict": "agrees_up_to_scale", "relation": f"= {scale:.6g} x {named[0]}, in every batch"}
    share = error / size if size else error
    return row | {"verdict": "differs", "relation": f"its error's norm is {share:.3g} of {named[1]}"}


@dataclass(frozen=True)
class Inputs:
    """What a criterion is called with: head outputs, a level each, in groups; boxes and labels, an image each."""

    heads: list[list[torch.Tensor]]
    boxes: list[torch.Tensor]
    labels: list[torch.Tensor]
    settings: dict[str, Any]

    def terms(self, call: Any, **more: Any) -> Terms:
        """Each term and its gradient to all head outputs, flat, as float64."""
        terms = call(*self.heads, self.boxes, self.labels, **self.settings, **more)
        leaves = [leaf for group in self.heads for leaf in group]
        return {term: (_numbers([value]), _numbers(_gradient(value, leaves))) for term, value in terms.items()}


def inputs_of(
    name: str, batch: GroundTruth, rounded: str, dtype: str, device: str = "cpu", bins: int = REG_MAX
) -> Inputs:
    """The inputs of a batch in `dtype`, the head outputs rounded to `rounded` first."""
    kind = getattr(torch, dtype)
    coarse = getattr(torch, rounded)
    groups = head_outputs(name, len(batch.boxes), bins, batch.size, batch.classes)
    heads = [[tensor.to(coarse).to(device, kind).requires_grad_() for tensor in group] for group in groups]
    boxes = [torch.tensor(image, dtype=kind, device=device).reshape(-1, 4) for image in batch.boxes]
    labels = [torch.tensor(image, dtype=torch.int64, device=device) for image in batch.labels]
    settings: dict[str, Any] = {"strides": STRIDES}
    settings = {} if name in QUERIED else settings
    settings |= {"image_size": batch.size} if name in (*MAPS, *QUERIED) else {"num_classes": batch.classes}
    settings |= {"reg_max": bins} if name in WITH_BINS else {}
    return Inputs(heads, boxes, labels, settings)


def _gradient(value: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]


def _numbers(tensors: list[torch.Tensor]) -> numpy.ndarray:
    return torch.cat([tensor.detach().reshape(-1).cpu().double() for tensor in tensors]).numpy()


@functools.lru_cache
def head_outputs(
    name: str, images: int, bins: int = REG_MAX, size: tuple[int, int] = (SIDE, SIDE), classes: int = CLASSES
) -> list[list[torch.Tensor]]:
    """Head outputs of a detector as it starts: class logits at the prior, noisy distributions or sides."""
    generator = torch.Generator().manual_seed(0)

    def noise(channels: int, shift: float) -> list[torch.Tensor]:
        shapes = [(images, channels, *(side // stride for side in size)) for stride in STRIDES]
        return [torch.randn(shape, generator=generator, dtype=torch.float64) + shift for shape in shapes]

    def branch() -> list[torch.Tensor]:
        scores, distances = noise(classes, PRIOR_BIAS), noise(4 * bins, BOX_BIAS if bins == 1 else 0.0)
        return [torch.cat(pair, dim=1) for pair in zip(distances, scores, strict=True)]

    if name in QUERIED:
        return [
            [spread * torch.randn(images, QUERIES, channels, generator=generator, dtype=torch.float64)]
            for channels, spread in ((4, 1.0), (classes, SCORES_SPREAD))
        ]
    if name in MAPS:
        return [noise(channels, shift) for channels, shift in MAPS[name](classes)]
    return [branch() for _ in range(2 if name == "end_to_end_detection" else 1)]
