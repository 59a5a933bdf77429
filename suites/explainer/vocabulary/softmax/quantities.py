"""The quantities of the softmax focal loss: a row of logits (P, C) is one element, its class y is (P, 1)."""

from __future__ import annotations

from focalbench_suite.suites.explainer.vocabulary.expression import Namespace

SOFTMAX = Namespace(
    "softmax",
    fields={"x": "x", "y": "y", "share": "share"},
    quantities={
        "C": ("C", "count_c(x)"),
        "hot": ("onehot", "one_hot(x, y)"),
        "p": ("p", "softmax(x)"),
        "log_p": ("log p", "log_softmax(x)"),
        "x_y": ("x_y", "at(x, y)"),
        "log_p_y": ("log p_t", "at(log_p, y)"),
        "p_y": ("p_t", "exp(log_p_y)"),
        "miss": ("1-p_t", "sum_c(p*(1 - hot))"),  # without the cancellation of 1 - p_t
        "bce": ("BCE(x, onehot)", "softplus(x) - x*hot"),
        "sigmoid_miss": ("|onehot - sigmoid(x)|", "hot*sigmoid(-x) + (1 - hot)*sigmoid(x)"),
        "alpha_y": ("alpha[y]", "at(alpha, y)"),
        "alpha_ratio": ("alpha/alpha[y]", "alpha/at(alpha, y)"),
    },
    element=lambda points: points.x[..., :1],
)

SMOOTHING = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3)  # 0.2 of four classes is 0.15 of the other three
# epsilons that show at the moderate logits that are asked; smaller ones, the scan of large logits tells
ADDED = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05)
LIMITS = (0.01, 0.05, 0.1)
# code: what the labels of a row become when they are smoothed by e
SMOOTHED = {
    "smoothed_over_classes": "(1 - e)*hot + e/C",
    "smoothed_over_others": "(1 - e)*hot + e*(1 - hot)/(C - 1)",
    "smoothed_without_sharing": "(1 - e)*hot",
    "smoothed_as_binary": "(1 - e)*hot + e/2",
    "smoothed_and_added": "(1 - e)*hot + e",
    "smoothed_over_one_class_less": "(1 - e)*hot + e/(C - 1)",
}
