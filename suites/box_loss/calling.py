"""How does a function of two boxes want to be called? Names are believed first, then forms are tried.

People write these as ``f(pred, target)``, ``bbox_iou(box1, box2, xywh=True, CIoU=False)``, over rows or columns, of
corners, of centres and sizes or of COCO's first corners and sizes, and return the overlap as often as one less it. A
`Form` is one way; that is taken whose answers are the loss that is asked for, else that whose answers are any loss that
is known.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from focalbench_suite import adapters
from focalbench_suite.suites.check.signature import CannotCall, parameters_of
from focalbench_suite.suites.explainer.here import sentence
from focalbench_suite.suites.overlap_families import fitted
from focalbench_suite.suites.overlap_mistakes import mistakes
from focalbench_suite.suites.overlaps import KINDS, PairLoss

TARGETS = (
    "target", "targets", "gt", "gts", "box2", "boxes2", "bbox2", "bboxes2", "b2", "y", "labels", "label", "y_true",
    "true", "gt_box", "gt_boxes", "gt_bboxes", "target_box", "target_boxes", "target_bboxes", "box_gt", "boxes_labels",
)  # fmt: skip
CORNERS = {"xywh": False, "x1y1x2y2": True, "xyxy": True, "is_xywh": False, "is_xyxy": True}
FORMATS = ("box_format", "fmt", "format", "box_mode", "boxes_format", "in_fmt")
FORMAT_WORDS = ("xyxy", "corners", "x1y1x2y2")
KIND_NAMES = ("iou_type", "kind", "loss_type", "iou_kind", "iou_mode", "type", "mode", "box_loss", "iou_loss_type")
WEIGHTS = ("weight", "weights", "avg_factor")
NEAR = 1e-5  # of the norm: an epsilon of 1e-7 in boxes of some pixels
FLAGS = ("giou", "diou", "ciou", "eiou", "siou", "wiou")
NAMES = {"iou": "IoU", "giou": "GIoU", "diou": "DIoU", "ciou": "CIoU"}
# pairs that overlap, and one that does not, so that a kind is told from another by its values alone
BOXES = ((8.0, 8.0, 40.0, 52.0), (50.0, 30.0, 120.0, 110.0), (2.0, 3.0, 9.0, 6.5))
MATES = ((12.0, 4.0, 44.0, 40.0), (70.0, 20.0, 122.0, 90.0), (10.0, 2.0, 17.5, 7.0))

# how people lay out a box's four numbers, of its corners (n, 4)
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "corners": lambda boxes: boxes,
    "centres and sizes": lambda boxes: torch.cat(
        ((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]), dim=1
    ),
    "first corners and sizes": lambda boxes: torch.cat((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), dim=1),
}


@dataclass(frozen=True)
class Form:
    """One way to call: `settings` by name, how boxes and targets are laid out, columns, one less an overlap."""

    settings: dict[str, Any] = field(default_factory=dict)
    swapped: bool = False
    layouts: tuple[str, str] = ("corners", "corners")
    columns: str = "rows"  # rows (N, 4), columns (4, N), or first: the first box in columns, the second in rows
    overlap: bool = False


@dataclass(frozen=True)
class BoundBoxes:
    """``bound(boxes, targets)`` with corners (N, 4) and the value of each pair (N,), each asked alone."""

    function: Callable[..., Any]
    made: dict[str, Any]
    name: str
    names: tuple[str, str]
    form: Form
    reduction: inspect.Parameter | None = None

    def __call__(self, boxes: Tensor, targets: Tensor) -> Tensor:
        """The loss of each pair, (N,)."""
        pairs = zip(boxes.split(1), targets.split(1), strict=True)
        return torch.stack([self.answer(box.clone(), target.clone()).sum() for box, target in pairs])

    def answer(self, boxes: Tensor, targets: Tensor, **more: Any) -> Tensor:
        """What it returns of a batch, one less it where that is an overlap; a matrix of all pairs by its diagonal."""
        return self.answer_to(*self.laid(boxes, targets), **more)

    def laid(self, boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes and targets as it wants them, of corners (N, 4)."""
        return self._laid(boxes, first=True), self._laid(targets, first=False)

    def answer_to(self, boxes: Tensor, targets: Tensor, **more: Any) -> Tensor:
        """The same of boxes and targets that are as it wants them."""
        called = self.function(**self.made) if isinstance(self.function, type) else self.function
        given = (targets, boxes) if self.form.swapped else (boxes, targets)
        found = called(*given, **self.form.settings | more)
        found = found[0] if isinstance(found, (tuple, list)) else found
        if not isinstance(found, Tensor):
            raise CannotCall(f"{self.name} returns a {type(found).__name__}, no tensor")
        if found.dim() == 2 and len(found) == found.shape[1] == targets.numel() // 4 > 1:
            found = found.diagonal()
        return 1 - found if self.form.overlap else found

    def _laid(self, boxes: Tensor, first: bool) -> Tensor:
        boxes = LAYOUTS[self.form.layouts[0 if first else 1]](boxes)
        return boxes.T if self.form.columns == "columns" or (self.form.columns == "first" and first) else boxes

    @property
    def how(self) -> str:
        """How it is called, in a line."""
        shapes = {"rows": ("(N, 4)", "(N, 4)"), "columns": ("(4, N)", "(4, N)"), "first": ("(4, N)", "(N, 4)")}
        shown = [f"{one} {shape}" for one, shape in zip(self.form.layouts, shapes[self.form.columns], strict=True)]
        data = [f"{self.names[i]} = {what} {shown[i]}" for i, what in enumerate(("boxes,", "targets,"))]
        data = data[::-1] if self.form.swapped else data
        settings = [f"{name}={value!r}" for name, value in self.form.settings.items()]
        made = f"({', '.join(f'{name}={value!r}' for name, value in self.made.items())})" if self.made else ""
        made = made or ("()" if isinstance(self.function, type) else "")
        return f"{'1 - ' if self.form.overlap else ''}{self.name}{made}({', '.join([*data, *settings])})"


def bind(reference: str, loss: str, given: tuple[tuple[str, Any], ...] = ()) -> BoundBoxes:
    """What ``FILE.py:NAME`` names, behind a call with corners (N, 4); raises `CannotCall` or `LookupError`."""
    return bound(adapters.load_object(reference), adapters.name_of(reference), loss, given)


def bound(function: Any, name: str, loss: str, given: tuple[tuple[str, Any], ...] = ()) -> BoundBoxes:
    """A function or class in the first form that gives the loss, or else any that is known, or else a number."""
    if not callable(function):
        raise CannotCall(f"{name} is a {type(function).__name__}; name a function or a class of two boxes")
    made, called = parameters_of(function)
    plain = [p for p in called if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(plain) < 2:
        raise CannotCall(f"{name} takes {len(plain)} arguments; a loss over pairs of boxes takes boxes and targets")
    swapped = plain[0].name.lower() in TARGETS and plain[1].name.lower() not in TARGETS
    names = (plain[1].name, plain[0].name) if swapped else (plain[0].name, plain[1].name)
    settled = dict(given)
    best: tuple[int, BoundBoxes] | None = None
    refusal = ""
    for of_made, of_call in itertools.product(_settings(made, loss, settled), _settings(plain[2:], loss, settled)):
        for form in _forms(of_call, swapped, made + plain, name, loss):
            candidate = BoundBoxes(function, of_made, name, names, form, _reduction(made, plain))
            rank, told = _rank(candidate, loss)
            refusal = refusal or told
            if rank is not None and (best is None or rank < best[0]):
                best = rank, candidate
            if rank == 0:
                return candidate
    if best is None:
        raise CannotCall(f"no call of {name} gives a number for each pair of boxes: {refusal}")
    return best[1]


def _reduction(made: list[inspect.Parameter], called: list[inspect.Parameter]) -> inspect.Parameter | None:
    return next((p for p in [*made, *called] if p.name == "reduction"), None)


def _settings(parameters: list[inspect.Parameter], loss: str, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What parameters beside the boxes are given, by their names; of a word for the kind each spelling is tried."""
    settled = {p.name: given[p.name] for p in parameters if p.name in given}
    words = {}
    for p in parameters:
        name = p.name.lower()
        if p.name in settled:
            continue
        if name in FLAGS:
            settled[p.name] = name == loss
        elif name in CORNERS:
            settled[p.name] = CORNERS[name]
        elif name in KIND_NAMES and (p.default is p.empty or isinstance(p.default, str)):
            own = [p.default] if isinstance(p.default, str) else []
            words[p.name] = [loss, NAMES.get(loss, loss), loss.upper(), *own]
        elif name in FORMATS:
            words[p.name] = [*FORMAT_WORDS, *([p.default] if isinstance(p.default, str) else [])]
        elif p.name in WEIGHTS and p.default is p.empty:
            settled[p.name] = None
        elif p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            raise CannotCall(f"nothing says what {p.name} should be; state it with --set {p.name}=VALUE")
    for chosen in itertools.product(*words.values()):
        yield settled | dict(zip(words, chosen, strict=True))


def _forms(
    settings: dict[str, Any], swapped: bool, parameters: list[inspect.Parameter], name: str, loss: str
) -> Iterator[Form]:
    """Forms in the order of trying: rows of corners first, and an overlap first where no name says loss."""
    told = any(p.name.lower() in (*CORNERS, *FORMATS) for p in parameters)  # then corners were asked for
    losses = [False, True] if "loss" in name.lower() else [True, False]
    if loss == "smooth_l1":
        losses = [False]  # which is never an overlap
    alike = [(layout, layout) for layout in LAYOUTS]
    layouts = alike[:1] if told else [*alike, *itertools.permutations(LAYOUTS, 2)]
    for columns, layout, overlap in itertools.product(("rows", "columns", "first"), layouts, losses):
        yield Form(settings, swapped, layout, columns, overlap)


def _rank(candidate: BoundBoxes, loss: str) -> tuple[int | None, str]:
    """0 for the loss itself, 1 for another known one, 2 for a loss, 3 for a number of each pair; None and why for none.

    A loss is 0 where the boxes are equal, and an overlap 1.
    """
    boxes, targets = (torch.tensor(each, dtype=torch.float64) for each in (BOXES, MATES))
    try:
        with torch.no_grad():
            batch = candidate.answer(boxes, targets)
            found = candidate(boxes, targets)
    except CannotCall as refusal:
        return None, str(refusal)
    except Exception as error:  # a user's function may raise anything; another form may be right
        return None, sentence(error).rstrip(": ")
    meet = KINDS["iou"][1](boxes, targets) < 1  # a logarithm of the overlap is infinite for the others
    if batch.numel() not in (1, len(boxes), boxes.numel()) or not found[meet].isfinite().all():
        return None, f"it returns the shape {tuple(batch.shape)} for {len(boxes)} pairs"
    if _near(found, KINDS[loss][1](boxes, targets)):
        return 0, ""
    for known in _known():
        exact = known(boxes, targets)
        scale = 1.0 if candidate.form.overlap else float(exact @ found.double() / (exact @ exact))
        if _near(found, scale * exact):
            return 1, ""
    if _of_power(found, KINDS["iou"][1](boxes, targets)) or any(fitted(found.double(), boxes, targets)):
        return 1, ""
    with torch.no_grad():
        alike = candidate(boxes, boxes)
    return (2 if bool((alike.abs() < 1e-3).all()) else 3), ""


def _known() -> list[PairLoss]:
    """All losses that are recognised by their values, those with something wrong in them among them."""
    return [known for _, known in KINDS.values()] + [wrong for kind in KINDS for _, wrong in mistakes(kind)]


def _of_power(found: Tensor, loss: Tensor) -> bool:
    """Whether the pairs that overlap have a power of the IoU, or its logarithm, in place of the loss of IoU."""
    meet = loss < 1
    some, overlap = found[meet].double(), 1 - loss[meet]
    powers = torch.log1p(-some) / overlap.log()
    return _near(some, -overlap.log()) or bool(
        powers.isfinite().all() and powers.std(correction=0) <= NEAR * powers.abs().max()
    )


def _near(found: Tensor, exact: Tensor) -> bool:
    return bool((found.double() - exact).norm() <= NEAR * exact.norm())
