"""Values and gradients of the losses beside 60 digits, in every precision."""

import math

import pytest
import torch
from torch import nn

from focalbench_suite.adapters.own import (
    cross_entropy_loss,
    distribution_focal_loss,
    focal_loss,
    integral,
    quality_focal_loss,
    readable,
    softmax_focal_loss,
    varifocal_loss,
)
from tests.adapters.own import truth

LABELS = {"negative": 0.0, "positive": 1.0, "soft": None}
SIGMOID = {
    "focal": (focal_loss, truth.focal, {"alpha": 0.25}, "gamma"),
    "quality_focal": (quality_focal_loss, truth.quality_focal, {}, "beta"),
    "varifocal": (varifocal_loss, truth.varifocal, {"alpha": 0.75}, "gamma"),
}


def samples(label, dtype, limit=80.0, count=24):
    """Logits and targets that the dtype holds exactly."""
    x = torch.tensor(truth.logits(limit, count)).to(dtype)
    if LABELS[label] is not None:
        return x, torch.full_like(x, LABELS[label])
    y = torch.rand(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, (0.02 + 0.96 * y).to(dtype)


def value_and_gradient(function, x, *arguments, **parameters):
    x = x.clone().requires_grad_()
    value = function(x, *arguments, reduction="none", **parameters)
    return value.detach(), *torch.autograd.grad(value.sum(), x)


def exact(formula, x, y, *parameters):
    pairs = list(zip(truth.numbers(x), truth.numbers(y), strict=True))
    values = [formula(a, b, *parameters) for a, b in pairs]
    return values, [truth.slope(lambda v, b=b: formula(v, b, *parameters), a) for a, b in pairs]


def exact_rows(formula, rows, *arguments):
    """The formula's value of each row and all its derivatives, given each row's arguments."""
    values, slopes = [], []
    for row, *named in zip(rows, *arguments, strict=True):
        values.append(formula(truth.numbers(row), *named))
        slopes += truth.slopes(lambda r, named=named: formula(r, *named), truth.numbers(row))
    return values, slopes


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", SIGMOID)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.5, 2.0, 5.0])
def test_float32_is_within_one_unit_in_the_last_place(name, label, power):
    function, formula, parameters, exponent = SIGMOID[name]
    x, y = samples(label, torch.float32)
    value, gradient = value_and_gradient(function, x, y, **{exponent: power}, **parameters)
    values, slopes = exact(formula, x, y, power, *parameters.values())
    assert truth.ulp_error(value, values) <= 1.01
    assert truth.ulp_error(gradient, slopes) <= 1.01


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", SIGMOID)
@pytest.mark.parametrize("power", [0.0, 1.5, 2.0])
def test_float64_keeps_its_digits(name, label, power):
    function, formula, parameters, exponent = SIGMOID[name]
    x, y = samples(label, torch.float64, count=8)
    value, gradient = value_and_gradient(function, x, y, **{exponent: power}, **parameters)
    values, slopes = exact(formula, x, y, power, *parameters.values())
    scale = None if LABELS[label] is not None else [max(abs(s), 0.01) for s in slopes]  # soft gradients cross zero
    assert truth.ulp_error(value, values) <= 64
    assert truth.ulp_error(gradient, slopes, scale) <= 64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", SIGMOID)
@pytest.mark.parametrize("power", [1.5, 2.0])
def test_half_precision_is_correctly_rounded_to_one_unit(name, power, dtype):
    function, formula, parameters, exponent = SIGMOID[name]
    for label in LABELS:
        x, y = samples(label, dtype, count=12)
        value, gradient = value_and_gradient(function, x, y, **{exponent: power}, **parameters)
        values, slopes = exact(formula, x, y, power, *parameters.values())
        assert truth.ulp_error(value, values) <= 1
        assert truth.ulp_error(gradient, slopes) <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_softmax_focal_and_its_gradient(dtype, gamma):
    rows = (torch.randn(12, 5, generator=torch.Generator().manual_seed(0)) * 12).to(dtype)
    labels, weights = torch.arange(12) % 5, torch.linspace(0.5, 2, 5)
    value, gradient = value_and_gradient(softmax_focal_loss, rows, labels, gamma=gamma, alpha=weights)
    formula = lambda row, label: truth.softmax_focal(row, label, gamma, float(weights[label]))  # noqa: E731
    expected, slopes = exact_rows(formula, rows, labels.tolist())
    limit = 64 if dtype == torch.float64 else 1.01
    assert truth.ulp_error(value, expected) <= limit
    assert truth.ulp_error(gradient, slopes) <= limit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_distribution_focal_and_its_gradient(dtype):
    rows = (torch.randn(12, 9, generator=torch.Generator().manual_seed(0)) * 9).to(dtype)
    targets = torch.tensor([0, 8, 7.5, 0.25, 3, 3.125, 4.5, 6.875, 1.5, 7, 5.25, 2.75], dtype=torch.float64)
    value, gradient = value_and_gradient(distribution_focal_loss, rows, targets)
    expected, slopes = exact_rows(truth.distribution_focal, rows, truth.numbers(targets))
    limit = 16 if dtype == torch.float64 else 1.01
    assert truth.ulp_error(value, expected) <= limit
    assert truth.ulp_error(gradient, slopes, [max(abs(s), 1e-12) for s in slopes]) <= limit


def test_gradient_of_quality_focal_stays_exact_where_it_crosses_zero():
    y = torch.linspace(0.05, 0.95, 37)
    x = torch.logit(y.double()).float()
    _, gradient = value_and_gradient(quality_focal_loss, x, y, beta=1.0)
    _, slopes = exact(truth.quality_focal, x, y, 1)
    scale = [
        truth.cross_entropy(a, b) * truth.sigmoid(a) for a, b in zip(truth.numbers(x), truth.numbers(y), strict=True)
    ]
    assert truth.ulp_error(gradient, slopes, scale) <= 1


def test_readable_form_is_the_papers_formula():
    for label in LABELS:
        x, y = samples(label, torch.float32, count=8)
        for power in (0.0, 0.5, 1.5, 2.0):
            for formula, arguments, result in (
                (truth.focal, (power, None), readable.focal(x, y, power, None)),
                (truth.focal, (power, 0.3), readable.focal(x, y, power, 0.3)),
                (truth.quality_focal, (power,), readable.quality_focal(x, y, power)),
                (truth.varifocal, (power, 0.75), readable.varifocal(x, y, power, 0.75)),
                (truth.varifocal, (power, 1), readable.varifocal(x, y, power, None)),
            ):
                values = [formula(a, b, *arguments) for a, b in zip(truth.numbers(x), truth.numbers(y), strict=True)]
                assert truth.ulp_error(result.float(), values) <= 1


@pytest.mark.parametrize("function", [focal_loss, quality_focal_loss, varifocal_loss])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_gradients_are_finite_at_every_finite_logit(function, dtype):
    largest = torch.finfo(dtype).max
    x = torch.tensor([-largest, -1000, -105, -90, -1e-30, 0, 50, 88, 104, 800, largest], dtype=torch.float64).to(dtype)
    for power in (0.0, 0.01, 0.5, 1.0, 2.0, 7.5):
        for y in (0.0, 0.3, 0.5, 1.0):
            exponent = {"beta": power} if function is quality_focal_loss else {"gamma": power}
            value, gradient = value_and_gradient(function, x, torch.full_like(x, y), **exponent)
            assert gradient.isfinite().all()
            assert value.isfinite().all()


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_logit_that_is_not_a_number_is_seen_in_its_row_alone(place, dtype):
    x = torch.tensor([[0.5, 0.25, -1.0], [0.5, 0.25, -1.0]], dtype=dtype)
    x[0, place] = float("nan")
    for loss, targets in (
        (focal_loss, torch.zeros(2, 3)),
        (softmax_focal_loss, torch.tensor([0, 0])),
        (distribution_focal_loss, torch.tensor([0.5, 0.5])),
    ):
        for value in value_and_gradient(loss, x, targets):
            assert value[0].isnan().any()
            assert value[1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("distance", [40.0, 70.0, 500.0, 900.0])
def test_rows_far_apart_keep_their_digits(distance, dtype):
    rows = torch.tensor([[0.0, 1, 2, 0.5], [0, 1, 2, 0.5], [2, 0, 1, 0.5]], dtype=torch.float64)
    rows[1] -= distance
    rows[2, 1] -= distance
    targets = torch.tensor([1.25, 1.25, 1.25], dtype=torch.float64)
    value, gradient = value_and_gradient(distribution_focal_loss, rows.to(dtype), targets)
    expected, slopes = exact_rows(truth.distribution_focal, rows.to(dtype), truth.numbers(targets))
    limit = 16 if dtype == torch.float64 else 1.01
    assert truth.ulp_error(value, expected) <= limit
    assert truth.ulp_error(gradient, slopes, [max(abs(s), 1e-12) for s in slopes]) <= limit


def test_whatever_a_nan_carries_it_is_seen_in_loss_and_gradient():
    x = torch.tensor([0x7FF8000000000005], dtype=torch.int64).view(torch.float64)
    for gamma in (0.0, 2.0):
        assert all(each.isnan().all() for each in value_and_gradient(focal_loss, x, torch.zeros(1), gamma=gamma))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_logits_as_far_apart_as_can_be_have_the_loss_that_they_have(dtype):
    largest = torch.finfo(dtype).max
    rows = torch.tensor([[largest, -largest, 0.0], [1.0, -torch.inf, 2.0]], dtype=torch.float64).to(dtype)
    value, gradient = value_and_gradient(softmax_focal_loss, rows, torch.tensor([0, 0]), gamma=0.0)
    assert value.tolist() == [0.0, pytest.approx(math.log(1 + math.e), rel=4e-3)]
    assert gradient.isfinite().all()
    value, gradient = value_and_gradient(distribution_focal_loss, rows[:1], torch.tensor([0.0]))
    assert value.item() == 0
    assert gradient.isfinite().all()


def test_a_background_that_does_not_count_does_not_count_however_large_it_is():
    x = torch.full((2,), torch.finfo(torch.bfloat16).max, dtype=torch.bfloat16)
    assert focal_loss(x, torch.zeros_like(x), alpha=1.0, reduction="sum").item() == 0


def test_a_large_incoming_gradient_is_spread_over_rows_that_lie_far_apart():
    rows = torch.tensor([[0.0, 0, 0], [-60, -60, -60]], dtype=torch.bfloat16, requires_grad=True)
    value = softmax_focal_loss(rows, torch.tensor([0, 0]), gamma=0.0, reduction="none")
    value.backward(torch.tensor([1, 1e13], dtype=torch.bfloat16))
    assert (rows.grad[1] / 1e13).tolist() == [pytest.approx(v, rel=8e-3) for v in (-2 / 3, 1 / 3, 1 / 3)]


def test_a_total_of_millions_keeps_its_digits():
    x = torch.randn(67200, 80, generator=torch.Generator().manual_seed(0)) * 3 - 4
    y = (torch.rand(67200, 80, generator=torch.Generator().manual_seed(1)) < 0.01).float()
    expected = readable.focal(x, y, 2.0, 0.25).sum().item()
    assert focal_loss(x, y, reduction="sum").item() == pytest.approx(expected, rel=1e-7)


def test_cross_entropy_is_torchs():
    x, y = samples("soft", torch.float64)
    expected = nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    assert torch.allclose(cross_entropy_loss(x, y, reduction="none"), expected, rtol=1e-12, atol=0)


def test_integral_is_the_expectation():
    rows = torch.randn(6, 17, generator=torch.Generator().manual_seed(0)) * 5
    values = [sum(k * p for k, p in enumerate(truth.softmax(truth.numbers(row)))) for row in rows]
    assert truth.ulp_error(integral(rows), values) <= 1
