"""The coefficients in the kernels are those that `polynomials.py` makes, to the last digit."""

import re
from pathlib import Path

import pytest
from mpmath import mpf

from focalbench_suite.adapters import own
from focalbench_suite.adapters.own.polynomials import (
    HEADER_TABLES,
    LOG1P,
    TRITON_SCHEMES,
    Approximation,
    header_table,
    minimax,
    rounded,
    triton_scheme,
)

ROOM = Path(own.__file__).parent
HEADER = (ROOM / "kernels.h").read_text()
TRITON = (ROOM / "triton_arithmetic.py").read_text()
TABLES = [table for tables in HEADER_TABLES.values() for table in tables]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table[0]} {table[2]}")
def test_a_table_of_the_header_is_what_the_script_makes(table):
    assert header_table(*table) + "\n" in HEADER


@pytest.mark.parametrize("scheme", TRITON_SCHEMES, ids=lambda scheme: scheme[0])
def test_a_scheme_of_the_triton_kernels_is_what_the_script_makes(scheme):
    function, *rest = scheme
    body = TRITON[TRITON.index(f"def {function}(") :].partition("\n@triton.jit")[0]
    assert triton_scheme(*rest) + "\n" in body


def test_every_table_is_the_scripts():
    assert len(re.findall(r"static const real \w+\[\]", HEADER)) == len(TABLES)
    assert len(re.findall(r"^    p = \d", TRITON, re.MULTILINE)) == len(TRITON_SCHEMES)


def test_the_best_line_for_a_parabola_worked_by_hand():
    """x² on [0, 1] less x - 1/8 is 1/8, -1/8 and 1/8 at 0, 1/2 and 1."""
    parabola = Approximation(lambda x: x**2, lambda x: mpf(1), mpf(0), mpf(1))
    coefficients, error = minimax(parabola, 1)
    assert [float(each) for each in (*coefficients, error)] == pytest.approx([-0.125, 1, 0.125], abs=1e-12)


def test_rounding_costs_no_more_than_a_tenth_of_the_error():
    """22 coefficients rounded each by itself to 53 bits would make the error 20 times as large."""
    exact, least = minimax(LOG1P, 21)
    alone = [mpf(float(each)) for each in exact]
    assert rounded(LOG1P, 21, 53)[1] < 1.1 * least
    assert max(abs(LOG1P.error(alone, mpf(k) / 64)) for k in range(65)) > 20 * least
