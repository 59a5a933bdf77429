"""The line that says what a function is, against lines written by hand."""

import pytest

from focalbench_suite.suites.check.calling import Options
from focalbench_suite.suites.check.checking import check
from focalbench_suite.suites.explainer.headline import head_line
from tests.suites.explainer.losses import wrong


class Told:
    """As much of a finding as the line is made of."""

    def __init__(self, kind, severity):
        self.kind, self.severity = kind, severity


NAN, LOST, SCALED = Told("nonfinite", "fragile"), Told("precision", "fragile"), Told("normaliser", "note")


@pytest.mark.parametrize(
    ("loss", "reduction", "findings", "line"),
    [
        ("focal", "none", [], "the focal loss"),
        ("cross_entropy", "mean", [SCALED], "cross entropy; reduced by mean"),
        ("softmax_focal", "sum", [NAN, LOST, NAN], "the softmax focal loss, but with NaN or infinity and with lost "
         "digits; reduced by sum"),
        ("focal", "unknown", [NAN, Told("soft_labels", "different"), Told("alpha", "different")],
         "not the focal loss: soft labels, alpha"),
        ("focal", "mean", [Told("soft_labels", "different")],
         "the focal loss on hard labels, another function for soft ones; reduced by mean"),
    ],
)  # fmt: skip
def test_the_line_is_what_one_would_write(loss, reduction, findings, line):
    assert head_line(loss, reduction, findings) == line


def test_a_check_says_that_line_of_its_findings():
    verdict = check(wrong.gamma_as_factor, "focal", Options())
    assert verdict.head == head_line("focal", verdict.reduction, verdict.findings)
    assert verdict.head.startswith("not the focal loss: gamma")
