"""Errors in units in the last place, by hand."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from focalbench_suite.suites import errors
from focalbench_suite.suites.oracle import Exact


@pytest.mark.parametrize("dtype", list(errors.FORMATS))
def test_formats_are_torchs(dtype):
    info = torch.finfo(getattr(torch, dtype))
    assert errors.epsilon(dtype) == info.eps
    assert errors.largest(dtype) == info.max
    assert errors.smallest(dtype) == info.tiny


@pytest.mark.parametrize(
    ("number", "dtype", "expected"),
    [
        (1.0, "float32", 2.0**-23),
        (0.999, "float32", 2.0**-24),
        (-6.0, "bfloat16", 2.0**-5),
        (1e-50, "float32", 2.0**-149),
        (0.0, "float16", 2.0**-24),
        (3.0, "float64", 2.0**-51),
    ],
)
def test_unit_in_the_last_place(number, dtype, expected):
    assert errors.ulp(numpy.array(number), dtype) == expected


def exactly(*numbers):
    return Exact(numpy.array(numbers), numpy.zeros(len(numbers)))


def test_an_error_of_one_and_a_half_units():
    found = errors.errors_of(numpy.array([1.0 + 1.5 * 2.0**-23]), exactly(1.0), "float32")
    assert found.ulp[0] == 1.5
    assert found.worst["max_rel_error"] == 1.5 * 2.0**-23


def test_zero_for_a_normal_number_is_lost_and_for_a_tiny_one_is_not():
    found = errors.errors_of(numpy.zeros(2), exactly(1e-30, 1e-60), "float32")
    assert found.lost.tolist() == [True, False]
    assert math.isnan(found.relative[1])


def test_nonfinite_counts_only_where_the_exact_number_fits_the_dtype():
    found = errors.errors_of(numpy.array([math.nan, math.inf, math.inf]), exactly(1.0, 7e4, 6e4), "float16")
    assert found.nonfinite.tolist() == [True, False, True]


def test_undefined_points_are_left_out():
    found = errors.errors_of(numpy.array([5.0, 1.0]), exactly(math.nan, 1.0), "float64")
    assert found.worst == {"max_ulp": 0.0, "max_abs_error": 0.0, "max_rel_error": 0.0}
