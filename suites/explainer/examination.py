"""One examination: whom is asked what, and what was found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy

from focalbench_suite.suites.explainer.calls import Call, Remembered
from focalbench_suite.suites.explainer.examples import Finding, pasted, whole
from focalbench_suite.suites.explainer.questions import Questions
from focalbench_suite.suites.explainer.vocabulary.option import Change


@dataclass
class Examination:
    """What is asked of which loss in which settings, and the findings.

    `ask` answers the calls of `questions`; `code` is Python that binds the same function to the name ``call`` in a
    pasted example.
    """

    questions: Questions
    ask: Remembered
    code: str
    settings: list[dict[str, Any]]
    findings: list[Finding] = field(default_factory=list)

    @property
    def loss(self) -> str:
        """The name of the loss that the function should be."""
        return self.questions.loss

    @property
    def varied(self) -> set[str]:
        """The parameters that the settings vary: those that the function takes."""
        return set(self.settings[0])

    def has(self, kind: str) -> bool:
        """Whether something of this kind was found."""
        return any(finding.kind == kind for finding in self.findings)

    def add(self, change: Change, severity: str, example: str = "", expected: Any = "", got: Any = "") -> None:
        """A finding, unless the same change has been found."""
        if all(finding.change != change for finding in self.findings):
            self.findings.append(Finding(change, severity, example, _shown(expected), _shown(got)))

    def show(
        self,
        change: Change,
        severity: str,
        call: Call,
        expected: Any = "",
        got: Any = "",
        printed: tuple[str | None, str] | None = None,
        before: bool = False,
    ) -> None:
        """A finding with the call that shows it; `printed` is what its example prints, all of the call by default."""
        example = pasted(self.code, self.loss, call, *(printed or whole(self.loss, call)), before=before)
        self.add(change, severity, example, expected, got)


def _shown(value: Any) -> str:
    return repr(float(value)) if isinstance(value, (float, numpy.floating)) else str(value)
