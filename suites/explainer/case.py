"""One examination: what is asked, how, and what was found so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.suites.agreement.subject import Subject
from focalbench_suite.suites.explainer.examples import Finding
from focalbench_suite.suites.explainer.vocabulary.option import Change
from focalbench_suite.suites.explainer.words import sentence


@dataclass
class Case:
    """What is asked of which loss, in which settings and dtype, and the findings."""

    subject: Subject
    labels: str
    settings: list[dict[str, Any]]
    dtype: torch.dtype
    findings: list[Finding]

    @property
    def loss(self) -> str:
        return self.subject.loss

    @property
    def varied(self) -> set[str]:
        """The parameters that the settings vary: those that the function takes."""
        return set(self.settings[0])

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    def add(self, change: Change, severity: str, example: str = "", expected: Any = "", got: Any = "") -> None:
        known = {(finding.kind, finding.statement) for finding in self.findings}
        if (change.kind, sentence(change)) not in known:
            numbers = (repr(float(n)) if isinstance(n, (float, numpy.floating)) else str(n) for n in (expected, got))
            self.findings.append(Finding(change.kind, sentence(change), severity, example, *numbers))
