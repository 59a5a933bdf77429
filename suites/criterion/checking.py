"""The terms of a criterion against our own in float64, the anchors that it takes, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy
import torch
from rich.console import Group
from rich.text import Text

from focalbench_suite import adapters
from focalbench_suite.adapters import find
from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.suites.agreement import terms
from focalbench_suite.suites.check.checking import Verdict
from focalbench_suite.suites.check.child import ask_apart
from focalbench_suite.suites.check.signature import CannotCall
from focalbench_suite.suites.criterion.class_term import Reading, Scene, read_class_term
from focalbench_suite.suites.criterion.kinds import ORDER, Criterion, criterion_of
from focalbench_suite.suites.default_dtype import default_dtype
from focalbench_suite.suites.explainer.here import sentence

PATIENCE_S = 300.0  # a criterion answers some dozens of batches, and the library's import takes seconds
CLASS_TERMS = {"v8_detection": "cross_entropy", "gfl_head": "quality_focal"}
OWN_DIVISORS = {
    "v8_detection": "the sum of the assigned scores, at least 1",
    "gfl_head": "the number of positives, an image without any as one",
}
SAME = "the same in every batch"
COLOURS = {"same": "green", "different": "red"}


@dataclass(frozen=True)
class CriterionVerdict(Verdict):
    """What is said of one criterion: `verdict` is same | different, `terms` a sentence for each term of the loss.

    It has no findings: what differs is a term, and the sentences tell of it.

    `assignment` says whether it takes our positives, `class_term` what its class term computes where that is another,
    `unused` the loss modules that it holds and never calls.
    """

    terms: Mapping[str, str] = field(default_factory=dict)
    assignment: str = ""
    class_term: Reading | None = None
    unused: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """What the criterion is, in a line."""
        name = f"the {self.loss.replace('_', ' ')} loss"
        never = f"; it never calls its {' and '.join(self.unused)}" if self.unused else ""
        if self.verdict == "same":
            return f"{name}: nothing in it is another{never}"
        return f"not {name}: {', '.join(term for term, told in self.terms.items() if told != SAME)}{never}"

    @property
    def plain(self) -> dict[str, Any]:
        """Plain data, for a program that reads it."""
        names = ("loss", "verdict", "head", "how", "terms", "assignment")
        read = None if self.class_term is None else vars(self.class_term)
        return {name: getattr(self, name) for name in names} | {
            "findings": [],
            "class_term": read,
            "unused": list(self.unused),
        }

    def rendered(self) -> Group:
        """The answer for a terminal: the head line, then a line for each term and for the assignment."""
        colour = COLOURS[self.verdict]
        lines = [Text.assemble((self.verdict, f"bold {colour}"), f"   {self.head}")]
        lines.append(Text.assemble(("called as ", "dim"), self.how))
        for term, told in self.terms.items():
            lines.append(
                Text.assemble((f"{term:<5}", f"bold {COLOURS['same' if told == SAME else 'different']}"), told)
            )
            if term == "cls" and self.class_term is not None:
                lines += [Text.assemble((f"     {what} ", "dim"), text) for what, text in self.class_term.lines]
        lines.append(Text.assemble(("takes ", "dim"), self.assignment))
        return Group(*lines)


def check_criterion(reference: str | None, function: Any, loss: str) -> CriterionVerdict:
    """Is what `reference` names (or `function` is) the detector loss `loss`?

    It runs in a process of its own. Raises `CannotCall` with one line where it cannot be asked: where it raises, ends
    the process, changes its inputs, or returns no terms.
    """
    what = reference or "the criterion"
    return ask_apart(partial(_checked, reference, function, loss, what), what, PATIENCE_S)


def _checked(reference: str | None, function: Any, loss: str, what: str) -> CriterionVerdict:
    """In the child: load and ask; raises `CannotCall` with one line."""
    try:
        return _verdict(_loaded(reference, function, loss), loss)
    except CannotCall as refusal:
        raise CannotCall(" ".join(str(refusal).split())) from None
    except LookupError as error:  # the criterion's own, not one of a name that is looked up
        raise CannotCall(f"{what} raised {sentence(error).rstrip(': ')}") from None


def _loaded(reference: str | None, function: Any, loss: str) -> Criterion:
    if find_spec("ultralytics"):
        ensure_quiet()  # before a user's file imports it
    try:
        found = adapters.load_object(reference or "") if function is None else function
    except LookupError as error:
        raise CannotCall(str(error)) from None
    return criterion_of(found, reference or str(getattr(found, "__name__", "it")), loss)


def _verdict(criterion: Criterion, name: str) -> CriterionVerdict:
    told = _terms(criterion, name)
    with default_dtype("float64"):  # in which libraries make their zeros: float32's would round what is read off
        asked = [Asked.of(criterion.loss.call, name, scene) for scene in terms.SCENES]
    reading = None
    if told["cls"] != SAME:
        agreed = all((one.theirs == one.ours).all() for one in asked)
        scenes = [one.class_term for one in asked]
        unread = Reading("not read, since other anchors are positive")
        reading = read_class_term(CLASS_TERMS[name], scenes) if agreed else unread
    verdict = "same" if set(told.values()) == {SAME} else "different"
    return CriterionVerdict(
        loss=name,
        verdict=verdict,
        reduction="terms",
        formula=reading.formula if reading else "",
        how=criterion.how,
        terms=told,
        assignment=_assignment(asked),
        class_term=reading,
        unused=tuple(criterion.unused),
    )


def _terms(criterion: Criterion, name: str) -> dict[str, str]:
    """A sentence for each term, from the same comparison as the agreement suite's."""
    rows = terms.rows(criterion.loss, "float32", "cpu", strict=True)
    return {term: _of_term([row for row in rows if row["probe"].endswith(f": {term}")]) for term in ORDER[name]}


def _of_term(rows: list[terms.Row]) -> str:
    verdicts = {row["verdict"] for row in rows}
    if verdicts == {"agrees"}:
        return SAME
    if "nonfinite" in verdicts:
        where = next(row["probe"].partition(":")[0] for row in rows if row["verdict"] == "nonfinite")
        return f"NaN or infinity, first with {where}"
    if verdicts <= {"agrees", "agrees_up_to_scale"}:
        return next(row["relation"] for row in rows if row["verdict"] == "agrees_up_to_scale").lstrip("= ")
    return "another function: no one scale over all batches makes it ours"


@dataclass(frozen=True)
class Asked:
    """One batch: which anchors (B, A) have a gradient of their box, there and in ours, and the class term."""

    theirs: numpy.ndarray
    ours: numpy.ndarray
    class_term: Scene

    @classmethod
    def of(cls, call: Callable[..., Any], name: str, scene: terms.GroundTruth) -> Asked:
        """Ask a criterion, and our own, for one batch in float64."""
        own, noted = find(name, "own"), []

        def noting(logits: torch.Tensor, targets: torch.Tensor, avg_factor: Any) -> torch.Tensor:
            noted.append((logits.detach().numpy(), targets.numpy(), float(avg_factor)))
            return logits.sum()

        theirs = terms.terms_of(call, name, scene, "float64", "float64", "cpu")
        ours = terms.terms_of(partial(own.call, classification=noting), name, scene, "float64", "float64", "cpu")
        ((logits, scores, divisor),) = noted
        gain = next(iter(own.defaults.values()))["cls"]
        leaves = [leaf for group in terms.head_outputs(name, len(scene.boxes)) for leaf in group]
        gradient = _channels(name, leaves, theirs["cls"][1])[1] / gain
        label = numpy.broadcast_to(numpy.arange(logits.shape[1])[:, None], logits.shape)
        divisors = _divisors(OWN_DIVISORS[name], divisor, scores, sum(map(len, scene.boxes)))
        flat = [each.reshape(-1) for each in (logits, scores, gradient, label)]
        class_term = Scene(flat[0], flat[1], flat[2], flat[3], divisors, logits.shape[2])
        return cls(_positives(name, leaves, theirs), _positives(name, leaves, ours), class_term)


def _divisors(own: str, ours: float, scores: numpy.ndarray, objects: int) -> dict[str, float]:
    """What a class term may be divided by, our own divisor first."""
    images, _, anchors = scores.shape
    return {
        own: ours,
        "the sum of the assigned scores": float(scores.sum()),
        "the number of positives, at least 1": max(float((scores > 0).any(axis=1).sum()), 1.0),
        "the number of objects, at least 1": max(float(objects), 1.0),
        "the number of images": float(images),
        "the number of predictions (a mean)": float(scores.size),
        "the number of images and of anchors": float(images * anchors),
        "nothing (a sum)": 1.0,
    }


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
    return whole[:, : 4 * terms.REG_MAX], whole[:, 4 * terms.REG_MAX :]


def _assignment(asked: list[Asked]) -> str:
    """Whether the same anchors are positive in every batch, and how many are not."""
    alike = sum((one.theirs == one.ours).all() for one in asked)
    if alike == len(asked):
        return f"the same positives, in {alike} of {len(asked)} batches"
    more = sum(int((one.theirs & ~one.ours).sum()) for one in asked)
    less = sum(int((~one.theirs & one.ours).sum()) for one in asked)
    ours = sum(int(one.ours.sum()) for one in asked)
    told = f"{more} that ours does not take, and {less} of our {ours} not"
    return f"other positives: {told}; the same in {alike} of {len(asked)} batches"
