"""The quantities of the distribution focal loss: a row of logits (P, K) is one element, and two bins make its loss."""

from __future__ import annotations

from focalbench_suite.suites.explainer.vocabulary.expression import Namespace

BINS = Namespace(
    "bins",
    fields={"x": "x", "y": "y", "bins": "bins", "fraction": "y-y_l", "share": "share"},
    quantities={
        "K": ("K", "count_c(x)"),
        "rest": ("y_r-y", "1 - fraction"),
        "parts": ("[y_r-y, y-y_l]", "pair(rest, fraction)"),
        "S": ("[S_l, S_r]", "at(softmax(x), bins)"),
        "log_S": ("log [S_l, S_r]", "at(log_softmax(x), bins)"),
        "S_mixed": ("((y_r-y) S_l + (y-y_l) S_r)", "sum_c(parts*S)"),
        "expected": ("E", "sum_c(softmax(x)*index_c(x))"),
        "off": ("(E-y)", "expected - y"),
    },
    element=lambda points: points.x[..., :1],
)

# epsilons that show at the moderate logits that are asked; smaller ones, the scan of large logits tells
ADDED = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05)
LIMITS = (0.01, 0.05, 0.1)
