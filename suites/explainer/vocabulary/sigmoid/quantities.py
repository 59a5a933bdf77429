"""The quantities of which the factors of the sigmoid losses are made: p, p_t, the cross entropy."""

from __future__ import annotations

from focalbench_suite.suites.explainer.vocabulary.expression import Namespace

SIGMOID = Namespace(
    "sigmoid",
    fields={
        "x": "x",
        "y": "y",
        "positives": "f",
        "mean_hit": "mean p_t",
        "inside": "all x in [0, 1]",
        "ones": "ones",
        "zeros": "zeros",
        "share": "share",
    },
    quantities={
        "p": ("p", "sigmoid(x)"),
        "q": ("1-p", "sigmoid(-x)"),  # without the cancellation of 1 - p
        "hit": ("p_t", "y*p + (1 - y)*q"),
        "miss": ("1-p_t", "y*q + (1 - y)*p"),
        "bce": ("BCE", "softplus(x) - x*y"),
        "log_p": ("log p", "-softplus(-x)"),
        "log_q": ("log(1-p)", "-softplus(x)"),
        "x_t": ("x_t", "x*(2*y - 1)"),
        "alpha_t": ("alpha_t", "y*alpha + (1 - y)*(1 - alpha)"),
        "C": ("C", "count_c(x)"),
    },
    element=lambda points: points.x,
)

RULES = ("y > 0.5", "y >= 0.5", "y == 1", "y > 0")  # how people read a soft label as a hard one
# Epsilons that show within |logit| <= 5, where p is at least 0.0067; where a smaller one cuts the loss off, the scan of
# large logits tells.
ADDED = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05)
LIMITS = (0.01, 0.05, 0.1)


def blend(positive: str, negative: str) -> str:
    """What a positive and a negative get; a soft label gets of both."""
    if positive == negative:
        return positive
    return f"({positive})*y + ({negative})*(1 - y)"


def choose(rule: str, positive: str, negative: str) -> str:
    """What a positive and a negative get, where a rule says which a soft label is."""
    return f"where({rule}, {positive}, {negative})"
