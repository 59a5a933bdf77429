"""The oracle against hand-worked values, published figures and numerical differentiation."""

from __future__ import annotations

import math

import numpy
import pytest
from mpmath import diff, mp, mpf

from focalbench_suite.adapters import CANONICAL
from focalbench_suite.adapters.canon.pairs import Pair
from focalbench_suite.suites import oracle

X = [-100.0, -8.0, -4.59511985013459, -0.5, 0.0, 0.75, 3.0, 100.0]
Z = (0.25, -1.5, 3.0, 0.0)


def value(loss, x, y, **parameters):
    return float(oracle.exact(loss, [[x]], [[y]], **parameters)[0].high[0, 0])


def row(loss, z, y, **parameters):
    return float(oracle.exact(loss, [z], [y], **parameters)[0].high[0])


def test_cross_entropy_at_zero_is_the_logarithm_of_two():
    assert value("cross_entropy", 0.0, 1.0) == pytest.approx(math.log(2), rel=1e-15)


def test_focal_at_zero_by_hand():
    assert value("focal", 0.0, 1.0, gamma=2.0, alpha=0.25) == pytest.approx(0.25 * 0.25 * math.log(2), rel=1e-15)
    assert value("focal", 0.0, 0.0, gamma=2.0, alpha=0.25) == pytest.approx(0.75 * 0.25 * math.log(2), rel=1e-15)
    assert value("focal", 0.0, 0.25, gamma=1.0, alpha=0.25) == pytest.approx(0.625 * 0.5 * math.log(2), rel=1e-15)


def test_focal_paper_says_100_times_lower_at_nine_tenths():
    x = math.log(9)
    ratio = value("cross_entropy", x, 1.0) / value("focal", x, 1.0, gamma=2.0, alpha=None)
    assert ratio == pytest.approx(100, rel=1e-12)


def test_focal_paper_says_at_most_4_times_lower_below_one_half():
    assert value("cross_entropy", 0.0, 1.0) / value("focal", 0.0, 1.0, gamma=2.0, alpha=None) == pytest.approx(4)


def test_quality_focal_vanishes_where_the_estimate_is_the_quality():
    assert value("quality_focal", 0.0, 0.5, beta=2.0) == 0.0
    assert value("quality_focal", 0.0, 1.0, beta=2.0) == pytest.approx(0.25 * math.log(2), rel=1e-15)


def test_varifocal_weights_positives_by_their_quality_and_negatives_by_focus():
    assert value("varifocal", 0.0, 0.5, gamma=2.0, alpha=0.75) == pytest.approx(0.5 * math.log(2), rel=1e-15)
    assert value("varifocal", 0.0, 0.0, gamma=2.0, alpha=0.75) == pytest.approx(0.75 * 0.25 * math.log(2), rel=1e-15)


def test_softmax_focal_of_equal_logits_by_hand():
    expected = 3.0 * (2 / 3) ** 2 * math.log(3)
    assert row("softmax_focal", [0.5] * 3, 1, gamma=2.0, alpha=(1.0, 3.0, 2.0)) == pytest.approx(expected, rel=1e-15)


def test_distribution_focal_between_and_at_the_bins():
    uniform = [0.0] * 4
    assert row("distribution_focal", uniform, 1.25) == pytest.approx(math.log(4), rel=1e-15)
    peaked = [0.0, 50.0, 0.0, 0.0]
    assert row("distribution_focal", peaked, 1.0) == pytest.approx(3 * math.exp(-50), rel=1e-12)
    assert row("distribution_focal", uniform, 3.0) == pytest.approx(math.log(4), rel=1e-15)
    assert math.isnan(row("distribution_focal", uniform, 3.25))
    weighted = oracle.exact("distribution_focal", [uniform], [1.25], weight=[2.5])[0].high[0]
    assert weighted == pytest.approx(2.5 * math.log(4), rel=1e-15)


def test_generalized_focal_has_the_others_as_special_cases():
    logits, p = [0.0, 1.25], 1.25
    quality = value("quality_focal", p, 0.75, beta=2.0)
    assert row("generalized_focal", logits, 0.75, beta=2.0) == pytest.approx(quality, rel=1e-14)
    assert row("generalized_focal", logits, 1.0, beta=2.0) == pytest.approx(
        value("focal", p, 1.0, gamma=2.0, alpha=None), rel=1e-14
    )
    assert row("generalized_focal", Z, 1.5, beta=0.0) == pytest.approx(row("distribution_focal", Z, 1.5), rel=1e-14)


@pytest.mark.parametrize(("logits", "target"), [
    ([0.0, 52.0, 0.0], 1.0), ([0.0, 120.0, 3.0], 1.0), ([200.0, 0.0, -7.0], 0.0), ([0.0, 1.0, 150.0], 2.0),
])  # fmt: skip
def test_generalized_focal_keeps_its_digits_where_a_bin_is_saturated(logits, target):
    with mp.workdps(400):
        exponentials = [mp.exp(mpf(z)) for z in logits]
        s = [e / mp.fsum(exponentials) for e in exponentials]
        left = min(int(target), len(s) - 2)
        distance = target - (left * s[left] + (left + 1) * s[left + 1])
        expected = distance**2 * -mp.log(s[int(target)])
    assert expected < 1e-60
    assert row("generalized_focal", logits, target, beta=2.0) == pytest.approx(float(expected), rel=1e-13, abs=0)


def cases(*inputs):
    """Every loss of the canon with these inputs, in every setting in which functions are explained."""
    losses = [loss for loss in CANONICAL.values() if loss.exact and loss.inputs in inputs]
    return [(loss.name, setting) for loss in losses for setting in loss.explained]


@pytest.mark.parametrize(("loss", "parameters"), cases("dense"))
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_dense_gradient_is_the_derivative_of_the_value(loss, parameters, y):
    function = CANONICAL[loss].exact
    gradient = oracle.exact(loss, [X], [[y] * len(X)], **parameters)[1].high[0]
    exact = {name: None if v is None else mpf(v) for name, v in parameters.items()}
    with mp.workdps(120):
        for x, slope in zip(X, gradient, strict=True):
            assert slope == pytest.approx(float(diff(lambda t: function(t, mpf(y), **exact)[0], mpf(x))), rel=1e-9)


@pytest.mark.parametrize(("loss", "parameters"), cases("index", "bins"))
@pytest.mark.parametrize("y", [1.0, 1.75, 3.0])
def test_row_gradient_is_the_derivative_of_the_value(loss, parameters, y):
    y = int(y) if CANONICAL[loss].inputs == "index" else y
    gradient = oracle.exact(loss, [Z], [y], **parameters)[1].high[0]
    weight = CANONICAL[loss].of_role("row_weights")  # which multiplies outside of the formula
    factor = parameters[weight.name][0] if weight else 1.0
    exact = {
        name: v if v is None or isinstance(v, tuple) else mpf(v)
        for name, v in parameters.items()
        if weight is None or name != weight.name
    }
    with mp.workdps(80):
        for j, slope in enumerate(gradient):
            shifted = lambda t, j=j: CANONICAL[loss].exact([*map(mpf, Z[:j]), t, *map(mpf, Z[j + 1 :])], y, **exact)[0]  # noqa: E731
            assert slope == pytest.approx(factor * float(diff(shifted, mpf(Z[j]))), rel=1e-10)


BOX, TARGETS = (8.0, 6.0, 40.0, 52.0), ((12.0, 4.0, 44.0, 40.0), (10.0, 8.0, 30.0, 20.0), (90.0, 60.0, 120.0, 95.0))


@pytest.mark.parametrize(("loss", "parameters"), cases("boxes"))
@pytest.mark.parametrize("target", TARGETS, ids=["overlapping", "inside", "apart"])
def test_pair_gradient_is_the_derivative_of_the_value(loss, parameters, target):
    """CIoU's trade-off is a constant: its loss is differentiated with that of the pair itself."""
    gradient = oracle.exact(loss, [BOX], [target], **parameters)[1].high[0]

    def value(box):
        if loss != "ciou":
            return CANONICAL[loss].exact(box, target)[0]
        fixed, moved = (Pair.of(each, target) for each in ([*map(mpf, BOX)], box))
        trade_off = fixed.aspect().value / (1 - fixed.iou().value + fixed.aspect().value)
        return 1 - moved.iou().value + moved.distance().value + trade_off * moved.aspect().value

    with mp.workdps(80):
        for j, slope in enumerate(gradient):
            shifted = lambda t, j=j: value([*map(mpf, BOX[:j]), t, *map(mpf, BOX[j + 1 :])])  # noqa: E731
            assert slope == pytest.approx(float(diff(shifted, mpf(BOX[j]))), rel=1e-12, abs=1e-18)


def test_boxes_by_hand():
    """2 x 2 inside 4 x 2, centres 1 apart, in a hull of 4 x 2 whose diagonal squared is 20."""
    box, target = [[0.0, 0.0, 2.0, 2.0]], [[0.0, 0.0, 4.0, 2.0]]
    aspect = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    found = {loss: oracle.exact(loss, box, target)[0].high.item() for loss in ("iou", "giou", "diou", "ciou")}
    assert found["iou"] == found["giou"] == 0.5
    assert found["diou"] == pytest.approx(0.5 + 1 / 20, rel=1e-15)
    assert found["ciou"] == pytest.approx(0.5 + 1 / 20 + aspect**2 / (0.5 + aspect), rel=1e-15)
    (apart,) = oracle.exact("giou", box, [[4.0, 0.0, 6.0, 2.0]])[0].high
    assert apart == pytest.approx(1 + 1 / 3, rel=1e-15)


def test_poly1_by_hand():
    # four equal logits: -log(1/4) + 2 (1 - 1/4)
    assert row("poly1", [0.5] * 4, 2, epsilon=2.0) == pytest.approx(math.log(4) + 1.5, rel=1e-15)


def test_easy_negative_keeps_its_digits():
    tiny = value("focal", -100.0, 0.0, gamma=2.0, alpha=None)
    assert tiny == pytest.approx(math.exp(-300), rel=1e-12)


def test_errors_are_measured_below_the_last_digit_of_float64():
    third, _ = oracle.exact("cross_entropy", [[0.0]], [[1.0]])
    rounding = third.error(numpy.array([[math.log(2)]]))[0, 0]
    with mp.workdps(50):
        assert rounding == pytest.approx(float(mpf(math.log(2)) - mp.log(2)), rel=1e-12)


def test_sum_is_exact():
    values, _ = oracle.exact("cross_entropy", [[-30.0, 30.0, 0.0]], [[0.0, 0.0, 1.0]])
    with mp.workdps(50):
        truth = mp.log1p(mp.exp(-30)) + mp.log1p(mp.exp(30)) + mp.log(2)
        assert float(mpf(float(values.sum().high)) + mpf(float(values.sum().low)) - truth) == pytest.approx(
            0, abs=1e-30
        )


def test_the_bins_of_a_label_on_a_bin_are_that_one_and_the_next():
    # probabilities 1/3: y = 1 lies on the sum over bins 1 and 2, y = 0 and y = 2 lie 1/3 and 1 from theirs
    found = [row("generalized_focal", [0.0, 0.0, 0.0], y, beta=2.0) for y in (0.0, 1.0, 2.0)]
    assert found == pytest.approx([math.log(3) / 9, 0.0, math.log(3)], rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_a_scaled_exact_number_is_exact_to_32_digits(size):
    third, rest, factor = size / 3, size * 1.2e-17, 0.1 * size
    scaled = oracle.Exact(numpy.array([third, -third]), numpy.array([rest, -rest])).scaled(factor)
    with mp.workdps(60):
        wanted = (mpf(third) + mpf(rest)) * mpf(factor)
        found = [mpf(float(high)) + mpf(float(rest)) for high, rest in zip(scaled.high, scaled.low, strict=True)]
        assert abs(found[0] - wanted) < abs(wanted) * mpf(10) ** -31
        assert found[1] == -found[0]


def test_a_product_beyond_what_halves_can_hold_has_no_rest():
    scaled = oracle.Exact(numpy.array([1e305, math.inf]), numpy.array([0.0, 0.0])).scaled(2.0)
    assert scaled.high.tolist() == [2e305, math.inf]
    assert scaled.low.tolist() == [0.0, 0.0]


def test_what_the_paper_does_not_define_is_nan_without_a_rest():
    for exact in oracle.exact("focal", [[0.0]], [[1.5]], gamma=2.0, alpha=0.25):
        assert numpy.isnan(exact.high).all()
        assert (exact.low == 0).all()


def test_a_sum_that_is_no_number_has_no_rest():
    total = oracle.Exact(numpy.array([1.0, math.inf]), numpy.array([0.0, 0.0])).sum()
    assert math.isnan(total.high)
    assert total.low == 0.0


def test_an_error_is_counted_from_both_halves_of_an_exact_number():
    """The exact number is 1 + 2^-60; the double after 1 is 2^-52 larger than 1."""
    exact = oracle.Exact(numpy.array([1.0, 1.0]), numpy.array([2.0**-60, 2.0**-60]))
    assert exact.error(numpy.array([1.0, 1.0 + 2.0**-52])).tolist() == [-(2.0**-60), 2.0**-52 - 2.0**-60]
