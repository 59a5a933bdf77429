"""The scan for lost digits and non-finite values, on losses that are known to have or not to have them."""

from __future__ import annotations

import pytest

from focalbench_suite import adapters
from focalbench_suite.suites.agreement.subject import of
from focalbench_suite.suites.explainer import numerics
from focalbench_suite.suites.explainer.here import Here


def scan(loss, adapter, *dtypes):
    subject = of(adapters.find(loss, adapter))
    return [f.plain for f in numerics.scan(Here(subject.call), loss, subject.code, dtypes or ("float32",))]


@pytest.fixture(scope="module")
def torchvision():
    return scan("focal", "torchvision", "float32", "bfloat16")


@pytest.mark.parametrize(
    "loss", ["cross_entropy", "focal", "quality_focal", "varifocal", "softmax_focal", "distribution_focal"]
)
def test_our_own_losses_lose_nothing(loss):
    assert scan(loss, "own") == []


def test_cross_entropy_from_logits_loses_easy_negatives(torchvision):
    told = next(
        f for f in torchvision if f["statement"].startswith("value of easy negatives loses its digits in float32")
    )
    assert told["kind"] == "precision"
    assert "relative error 0.0008 at logit -8" in told["statement"]
    assert "exactly 0 at -16" in told["statement"]
    assert abs(float(told["got"]) / float(told["expected"]) - 1) == pytest.approx(7.7e-4, rel=0.1)


def test_in_bfloat16_nothing_is_left_at_the_prior(torchvision):
    told = next(
        f for f in torchvision if f["statement"].startswith("value of easy negatives loses its digits in bfloat16")
    )
    assert "exactly 0 at -4.59375" in told["statement"]
    assert float(told["got"]) == 0.0


def test_a_power_below_one_has_no_finite_slope_where_the_sigmoid_saturates(torchvision):
    told = [f["statement"] for f in torchvision if f["kind"] == "nonfinite"]
    assert told[0] == (
        "in float32 with gamma = 0.5, gradient is NaN at logit -18, target 0 (10 of 45 grid points) and at logit 17, "
        "target 1 (11 of 45 grid points)"
    )
    assert len(told) == len({statement.partition(",")[0] for statement in told}), "one of each dtype and setting"


def test_no_digits_are_lost_of_another_function():
    def shifted(logits, targets, gamma, alpha):
        return logits.sigmoid().sum() + 1

    assert [f for f in numerics.scan(Here(shifted), "focal", "", ("float32",)) if f.kind == "precision"] == []
