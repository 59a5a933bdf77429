"""Capabilities, on losses that are made to have or to lack one."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from focalbench_suite.adapters import Adapter, Unsupported
from focalbench_suite.suites.agreement import capability


def answers(function, profile="quick"):
    adapter = Adapter("mine")
    adapter.loss("cross_entropy", reduction="mean")(function)
    return {row["capability"]: row for row in capability.rows(adapter.losses[0], "cpu", profile)}


@pytest.fixture(scope="module")
def plain():
    return answers(lambda x, y: cross_entropy(x, y.to(x.dtype)))


def test_a_plain_loss_can_everything_but_an_empty_mean(plain):
    lacking = {name for name, row in plain.items() if row["supported"] == "no"}
    assert lacking == {"empty input"}
    assert plain["empty input"]["detail"] == "no rows: nan"


def test_what_is_not_measured_says_so(plain):
    assert plain["torch.compile"] == {
        "capability": "torch.compile",
        "supported": None,
        "detail": "not measured in this profile",
    }


def test_a_change_of_arguments_is_seen():
    found = answers(lambda x, y: cross_entropy(x, y.clamp_(0.1, 0.9)))
    assert found["keeps its arguments"]["supported"] == "no"
    assert "changes its targets in place" in found["keeps its arguments"]["detail"]


def test_float32_inside_is_seen():
    found = answers(lambda x, y: cross_entropy(x.float(), y.float()).double())
    assert found["keeps float64"]["supported"] == "no"
    assert found["float16"]["supported"] == "yes"


def test_a_detached_gradient_has_no_second():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return cross_entropy(x, y)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, up):
            x, y = ctx.saved_tensors
            return up * (x.sigmoid() - y) / x.numel(), None

    assert answers(Once.apply)["double backward"]["supported"] == "no"


def test_chance_is_seen():
    found = answers(lambda x, y: cross_entropy(x, y) * (1 + torch.rand(())))
    assert found["deterministic"] == {
        "capability": "deterministic",
        "supported": "no",
        "detail": "three calls gave different bits",
    }


def test_a_loss_that_cannot_be_called_says_why_everywhere():
    def absent(x, y):
        raise Unsupported("no compiled operators")

    found = answers(absent)
    assert {row["supported"] for row in found.values()} == {"no"}
    assert {row["detail"] for row in found.values()} == {"Unsupported: no compiled operators"}


def test_a_graph_break_is_told_with_its_reason():
    def branching(x, y):
        return cross_entropy(x, y) if y.sum() > 0 else x.sum()

    found = answers(branching, profile="full")["torch.compile"]
    assert found["supported"] == "no"
    assert found["detail"].startswith("graph break: Data-dependent branching")
