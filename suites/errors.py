"""How wrong is a number? Errors against exact values in units in the last place, absolute and relative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from focalbench_suite.suites.oracle import Exact

# name -> bits of the significand with the hidden one, exponent of the smallest and of the largest normal number
FORMATS = {
    "float64": (53, -1022, 1023),
    "float32": (24, -126, 127),
    "float16": (11, -14, 15),
    "bfloat16": (8, -126, 127),
}


def epsilon(dtype: str) -> float:
    """The distance from 1 to the next larger number of `dtype`."""
    return 2.0 ** (1 - FORMATS[dtype][0])


def largest(dtype: str) -> float:
    """The largest finite number of `dtype`."""
    bits, _, high = FORMATS[dtype]
    return (2 - 2.0 ** (1 - bits)) * 2.0**high


def smallest(dtype: str) -> float:
    """The smallest normal number of `dtype`."""
    return 2.0 ** FORMATS[dtype][1]


def ulp(exact: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """The unit in the last place of `dtype` at each exact value (the subnormal spacing below the normal range)."""
    bits, low, _ = FORMATS[dtype]
    exponent = numpy.where(exact == 0, low, numpy.frexp(exact)[1] - 1)  # frexp's fraction lies in [0.5, 1)
    return numpy.ldexp(1.0, numpy.maximum(exponent, low) - (bits - 1))


@dataclass(frozen=True)
class Errors:
    """Errors of each point, in arrays of one shape; NaN where the exact value is undefined."""

    ulp: numpy.ndarray
    absolute: numpy.ndarray
    relative: numpy.ndarray
    nonfinite: numpy.ndarray
    lost: numpy.ndarray

    @property
    def worst(self) -> dict[str, float | None]:
        """The design's three columns over the finite points; None where there is no point to compare."""
        return {
            "max_ulp": _largest(self.ulp),
            "max_abs_error": _largest(self.absolute),
            "max_rel_error": _largest(self.relative),
        }


def _largest(numbers: numpy.ndarray) -> float | None:
    finite = numbers[numpy.isfinite(numbers)]
    return float(finite.max()) if finite.size else None


def errors_of(actual: numpy.ndarray, exact: Exact, dtype: str) -> Errors:
    """The errors of `actual` (float64 copies of numbers of `dtype`).

    `nonfinite` marks NaN or infinity where the exact value is a number of `dtype`; `lost` marks an exact 0 where it is
    a normal number of `dtype`. The relative error is left out (NaN) where the exact value is below the normal range.
    """
    with numpy.errstate(all="ignore"):
        size = numpy.abs(exact.high)
        absolute = numpy.abs(exact.error(actual))
        defined = numpy.isfinite(exact.high)
        relative = numpy.where(size >= smallest(dtype), absolute / size, numpy.nan)
        return Errors(
            ulp=absolute / ulp(exact.high, dtype),
            absolute=absolute,
            relative=relative,
            nonfinite=defined & ~numpy.isfinite(actual) & (size <= largest(dtype)),
            lost=defined & (actual == 0) & (size >= smallest(dtype)),
        )
