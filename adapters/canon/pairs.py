"""Two boxes with mpmath, as the four losses over pairs of boxes use them: every number with its slopes to four corners.

Where the predicted box's corner lies on the target's, a slope is the mean of that to either side.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmath import mp, mpf

CORNERS = 4  # x1, y1, x2, y2 of the predicted box


@dataclass(frozen=True)
class Number:
    """A number and its derivatives to the predicted box's corners, by the rules of sums, products and quotients."""

    value: mpf
    slopes: tuple[mpf, ...] = (mpf(0),) * CORNERS

    def __add__(self, other: Number) -> Number:
        return self._with(other, self.value + other.value, mpf(1), mpf(1))

    def __sub__(self, other: Number) -> Number:
        return self._with(other, self.value - other.value, mpf(1), mpf(-1))

    def __mul__(self, other: Number) -> Number:
        return self._with(other, self.value * other.value, other.value, self.value)

    def over(self, other: Number) -> Number:
        """The quotient; 0 where the divisor is nothing."""
        if other.value == 0:
            return Number(mpf(0))
        quotient = self.value / other.value
        return self._with(other, quotient, 1 / other.value, -quotient / other.value)

    def _with(self, other: Number, value: mpf, here: mpf, there: mpf) -> Number:
        return Number(value, tuple(here * a + there * b for a, b in zip(self.slopes, other.slopes, strict=True)))


ONE = Number(mpf(1))


@dataclass(frozen=True)
class Pair:
    """The predicted box and its target, each as (x1, y1, x2, y2)."""

    box: tuple[Number, ...]
    target: tuple[Number, ...]

    @classmethod
    def of(cls, box: list[mpf], target: tuple[float, ...]) -> Pair:
        """The pair of a box in exact numbers and a target in doubles."""
        corners = [tuple(mpf(i == j) for j in range(CORNERS)) for i in range(CORNERS)]
        return cls(tuple(map(Number, box, corners)), tuple(Number(mpf(x)) for x in target))

    def iou(self) -> Number:
        """Intersection over union, 0 where there is no union."""
        return self.intersection().over(self.union())

    def intersection(self) -> Number:
        """The area of both."""
        sides = [_least(self.box[i + 2], self.target[i + 2]) - _largest(self.box[i], self.target[i]) for i in range(2)]
        return Number(mpf(0)) if min(side.value for side in sides) < 0 else sides[0] * sides[1]

    def union(self) -> Number:
        """The area of either."""
        areas = [_width(box) * _height(box) for box in (self.box, self.target)]
        return areas[0] + areas[1] - self.intersection()

    def hull(self) -> tuple[Number, Number]:
        """Width and height of the enclosing box."""
        width, height = (
            _largest(self.box[i + 2], self.target[i + 2]) - _least(self.box[i], self.target[i]) for i in range(2)
        )
        return width, height

    def distance(self) -> Number:
        """The squared distance of the centres over the squared diagonal of the enclosing box  (1911.08287 eq. 6)."""
        half = Number(mpf(1) / 2)
        gaps = [(self.target[i] + self.target[i + 2] - self.box[i] - self.box[i + 2]) * half for i in range(2)]
        width, height = self.hull()
        return (gaps[0] * gaps[0] + gaps[1] * gaps[1]).over(width * width + height * height)

    def aspect(self) -> Number:
        """v, the squared difference of the aspect angles times 4/pi²  (1911.08287 eq. 9)."""
        gap = _angle(self.target) - _angle(self.box)
        return gap * gap * Number(4 / mp.pi**2)


def _width(box: tuple[Number, ...]) -> Number:
    return box[2] - box[0]


def _height(box: tuple[Number, ...]) -> Number:
    return box[3] - box[1]


def _angle(box: tuple[Number, ...]) -> Number:
    """arctan(width / height), 0 for a point."""
    width, height = _width(box), _height(box)
    square = width.value**2 + height.value**2
    if square == 0:
        return Number(mpf(0))
    slopes = zip(width.slopes, height.slopes, strict=True)
    return Number(
        mp.atan2(width.value, height.value),
        tuple((height.value * a - width.value * b) / square for a, b in slopes),
    )


def _largest(a: Number, b: Number) -> Number:
    if a.value == b.value:
        return Number(a.value, tuple((x + y) / 2 for x, y in zip(a.slopes, b.slopes, strict=True)))
    return a if a.value > b.value else b


def _least(a: Number, b: Number) -> Number:
    return _largest(a, b) if a.value == b.value else (a if a.value < b.value else b)
