"""The papers' formulas at 60 digits, written for these tests alone, and errors in units in the last place."""

from __future__ import annotations

import mpmath
import numpy as np
from mpmath import mpf

mpmath.mp.dps = 60


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def cross_entropy(x, y):
    p = sigmoid(x)
    return -(y * mpmath.log(p) if y else 0) - ((1 - y) * mpmath.log(1 - p) if y != 1 else 0)


def focal(x, y, gamma, alpha):
    p = sigmoid(x)
    p_t = p * y + (1 - p) * (1 - y)
    alpha_t = 1 if alpha is None else mpf(alpha) * y + (1 - mpf(alpha)) * (1 - y)
    return alpha_t * (1 - p_t) ** mpf(gamma) * cross_entropy(x, y)


def quality_focal(x, y, beta):
    return abs(y - sigmoid(x)) ** mpf(beta) * cross_entropy(x, y)


def varifocal(x, y, gamma, alpha):
    weight = y if y > 0 else mpf(alpha) * sigmoid(x) ** mpf(gamma)
    return weight * cross_entropy(x, y)


def softmax(row):
    powers = [mpmath.exp(x) for x in row]
    return [power / sum(powers) for power in powers]


def softmax_focal(row, label, gamma, weight=1):
    p = softmax(row)[label]
    return -mpf(weight) * (1 - p) ** mpf(gamma) * mpmath.log(p)


def distribution_focal(row, y):
    left = min(int(y), len(row) - 2)
    p = softmax(row)
    return -(left + 1 - y) * mpmath.log(p[left]) - (y - left) * mpmath.log(p[left + 1])


def slope(function, x):
    """The derivative of a function of one number."""
    return mpmath.diff(function, x)


def slopes(function, row):
    """The gradient of a function of a row."""
    return [mpmath.diff(lambda v, k=k: function([*row[:k], v, *row[k + 1 :]]), row[k]) for k in range(len(row))]


def numbers(values):
    """A tensor of any dtype as exact 60-digit numbers."""
    return [mpf(value) for value in values.detach().double().flatten().tolist()]


LAST_PLACE = {"float64": (52, -1022), "float32": (23, -126), "bfloat16": (7, -126), "float16": (10, -14)}


def ulp_error(result, truth, scale=None):
    """The largest error of a tensor in units in the last place of `truth` (or of `scale`, where that is given)."""
    bits, least = LAST_PLACE[str(result.dtype).removeprefix("torch.")]
    worst = 0.0
    for value, exact, size in zip(numbers(result), truth, scale or truth, strict=True):
        exponent = max(mpmath.frexp(size)[1] - 1, least) if size else least
        worst = max(worst, float(abs(value - exact) / mpf(2) ** (exponent - bits)))
    return worst


def logits(limit, count, seed=0):
    """Logits over the whole range and densely around 0, 0 and both ends among them."""
    random = np.random.default_rng(seed)
    wide, near = random.uniform(-limit, limit, count), random.normal(0, 3, count)
    return np.concatenate([wide, near, [0.0, limit, -limit, 1e-8, -1e-3]])
