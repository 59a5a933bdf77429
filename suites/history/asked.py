"""What a release is asked of a loss: the probes of the agreement suite, under every reduction that it offers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, Loss
from focalbench_suite.suites.agreement import measure
from focalbench_suite.suites.agreement.probes import Probe, ProbeCall, probes
from focalbench_suite.suites.explainer.calls import Answer, Call
from focalbench_suite.suites.explainer.examples import pasted

DTYPES = ("float64", "float32", "bfloat16", "float16")  # in the order in which a difference is shown
OWN = ""  # what the loss does when the user names no reduction


@dataclass(frozen=True)
class Question:
    """One call of a probe, in one dtype, under one reduction."""

    probe: Probe
    case: ProbeCall
    dtype: str
    reduction: str

    @property
    def name(self) -> str:
        """Equal for the same question to another release, in whatever form that one is called."""
        case = self.case
        asked = repr((case.logits, case.targets, case.parameters, case.strided, self.dtype, self.reduction))
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    def answer(self, loss: Loss) -> Answer:
        """What the loss says to it."""
        return measure.ask(callable_of(loss, self.reduction), loss.name, self.case, self.dtype)


def questions(loss: Loss) -> Iterator[Question]:
    """All questions to a loss: its own reduction first, the others on what the papers define."""
    asked = probes(loss.name, loss.off)
    words = [OWN, *(word for word in loss.reductions if word != loss.reduction)]
    for dtype in DTYPES:
        for word in words:
            for probe in asked:
                if word == OWN or probe.scope == "function":
                    yield from (Question(probe, case, dtype, word) for case in probe.cases)


def callable_of(loss: Loss, reduction: str) -> Callable[..., Any]:
    """The canonical callable of a loss under one of its reductions."""

    def call(logits: Any, targets: Any, **parameters: Any) -> Any:
        classes = logits.shape[-1] if logits.dim() else 1
        native = loss.native(targets, classes)
        if reduction == OWN:
            return loss.reduced(logits, native, **parameters)
        return loss.call(logits, native, reduction=reduction, **parameters)

    return call


def find(loss: str, label: str, reduction: str = OWN, reference: str = "") -> Callable[..., Any]:
    """The canonical callable of a loss of an adapter, for a pasted example.

    >>> import torch
    >>> call = find("focal", "own", "sum")
    >>> round(call(torch.tensor([[0.0]]), torch.tensor([[1.0]]), gamma=2.0, alpha=0.25).item(), 4)
    0.0433
    """
    return callable_of(adapters.find(loss, label, reference), reduction)


def code(question: Question, loss: Loss, reference: str, shown: str) -> str:
    """Python that puts the question to the release that is installed where it runs, and prints what is `shown`."""
    case = question.case
    targets = numpy.asarray(case.targets, dtype=int if CANONICAL[loss.name].inputs == "index" else float)
    given = [repr(loss.name), repr(loss.label)]
    given += [repr(question.reduction)] if question.reduction or reference else []
    given += [repr(reference)] if reference else []
    bound = f"from focalbench_suite.suites.history.asked import find\ncall = find({', '.join(given)})"
    call = Call(case.logits, targets, case.parameters, question.dtype)
    return pasted(bound, loss.name, call, None, shown, strided=case.strided)
