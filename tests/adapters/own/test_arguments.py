"""Arguments out of their range are refused in every loss, called as usual and under torch.compile."""

import math
from functools import partial

import pytest
import torch

from focalbench_suite.adapters.own import (
    balanced_cross_entropy_loss,
    cross_entropy_loss,
    distribution_focal_loss,
    focal_loss,
    generalized_focal_loss,
    quality_focal_loss,
    softmax_focal_loss,
    varifocal_loss,
)

LOGITS = torch.linspace(-3, 3, 12).view(4, 3)
DENSE = torch.linspace(0, 1, 12).view(4, 3)
CLASS = torch.tensor([0, 1, 2, 0])
BINS = torch.tensor([0.0, 0.5, 1.25, 2.0])
TARGETS = {
    cross_entropy_loss: DENSE,
    balanced_cross_entropy_loss: DENSE,
    focal_loss: DENSE,
    quality_focal_loss: DENSE,
    varifocal_loss: DENSE,
    softmax_focal_loss: CLASS,
    distribution_focal_loss: BINS,
    generalized_focal_loss: BINS,
}
POWERS = {
    focal_loss: "gamma",
    varifocal_loss: "gamma",
    softmax_focal_loss: "gamma",
    quality_focal_loss: "beta",
    generalized_focal_loss: "beta",
}
ALPHAS = {focal_loss: (0.0, 1.0), balanced_cross_entropy_loss: (0.0, 1.0), varifocal_loss: (0.0, 1.5)}
each_loss = pytest.mark.parametrize("loss", TARGETS, ids=lambda loss: loss.__name__)
each_alpha = pytest.mark.parametrize("loss", ALPHAS, ids=lambda loss: loss.__name__)


def compiled(loss):
    """A loss under torch.compile, which has to forget the last one or it gives up after eight of them."""
    torch.compiler.reset()
    return torch.compile(loss, backend="aot_eager")


ways = pytest.mark.parametrize("way", [lambda loss: loss, compiled], ids=["eager", "compiled"])


@ways
@each_alpha
def test_an_alpha_out_of_its_range_is_refused(loss, way):
    allowed = "0 or more" if loss is varifocal_loss else r"in \[0, 1\]"
    wrong = (-1.0, -1e-9, math.nan, math.inf, *(() if loss is varifocal_loss else (1.0001, 75)))
    for alpha in wrong:
        with pytest.raises(ValueError, match=rf"alpha is {alpha}; it must .*{allowed}"):
            way(loss)(LOGITS, TARGETS[loss], alpha=alpha)


@each_alpha
def test_an_alpha_at_either_end_of_its_range_and_none_are_the_same_compiled(loss):
    for alpha in (*ALPHAS[loss], 0.3, None):
        for reduction in ("none", "mean"):
            asked = {"alpha": alpha, "reduction": reduction}
            assert torch.equal(compiled(loss)(LOGITS, DENSE, **asked), loss(LOGITS, DENSE, **asked))


@ways
@pytest.mark.parametrize("loss", POWERS, ids=lambda loss: loss.__name__)
def test_a_power_that_is_negative_or_not_finite_is_refused(loss, way):
    for power in (-1.0, -1e-9, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"{POWERS[loss]} is {power}; it must be a finite number, 0 or more"):
            way(loss)(LOGITS, TARGETS[loss], **{POWERS[loss]: power})


@ways
@each_loss
def test_an_avg_factor_that_is_not_one_number_is_refused(loss, way):
    for wrong, message in (
        (-2.0, "avg_factor is -2.0; it must be a finite number, 0 or more"),
        (math.nan, "avg_factor is nan"),
        (torch.ones(2), r"avg_factor is one number; this tensor has shape \(2,\)"),
        (torch.ones(0), r"avg_factor is one number; this tensor has shape \(0,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            way(loss)(LOGITS, TARGETS[loss], avg_factor=wrong)


@ways
@each_loss
def test_an_avg_factor_of_one_element_gives_a_scalar_whatever_its_shape(loss, way):
    expected = loss(LOGITS, TARGETS[loss], avg_factor=5)
    for factor in (torch.tensor(5), torch.tensor([5.0]), torch.tensor([[5.0]], dtype=torch.float64)):
        found = way(loss)(LOGITS, TARGETS[loss], avg_factor=factor)
        assert found.shape == ()
        torch.testing.assert_close(found, expected)


@each_loss
def test_a_tensor_as_avg_factor_counts_as_the_least_number_at_least(loss):
    total = loss(LOGITS, TARGETS[loss], reduction="sum")
    for least in (0.0, -3.0):
        found = loss(LOGITS, TARGETS[loss], avg_factor=torch.tensor(least))
        torch.testing.assert_close(found, total / torch.finfo(torch.float32).eps)


@ways
def test_class_weights_are_one_a_class_and_not_negative(way):
    loss = way(softmax_focal_loss)
    for shape in ((2,), (4,), (1, 3), ()):
        with pytest.raises(ValueError, match="weight a class"):
            loss(LOGITS, CLASS, alpha=torch.ones(shape))
    assert loss(LOGITS, CLASS, alpha=torch.tensor([0.0, 2.0, 0.0])).isfinite()


@pytest.mark.parametrize("wrong", [-0.5, math.nan])
def test_class_weights_below_0_are_refused(wrong):
    with pytest.raises(ValueError, match="a class weight must be 0 or more"):
        softmax_focal_loss(LOGITS, CLASS, alpha=torch.tensor([1.0, wrong, 1.0]))


def test_an_unknown_loss_is_named(monkeypatch):
    from focalbench_suite.adapters.own.autograd import evaluate
    from focalbench_suite.adapters.own.loss_call import LossCall

    with pytest.raises(ValueError, match="there is no loss 'poly'; there are focal, "):
        evaluate(LossCall("poly", LOGITS, DENSE), "mean", None)


@ways
@pytest.mark.parametrize("by_row", [False, True])
def test_a_loss_without_kernels_runs_in_its_readable_form(monkeypatch, way, by_row):
    from focalbench_suite.adapters.own import readable
    from focalbench_suite.adapters.own.autograd import evaluate
    from focalbench_suite.adapters.own.loss_call import LossCall

    def poly(call):
        square = (call.logits.double() - 1) ** 2 * call.power
        return square.sum(dim=-1) if by_row else square

    monkeypatch.setitem(readable.FORMULAS, "poly", poly)
    targets = BINS if by_row else DENSE
    function = partial(evaluate, reduction="sum", avg_factor=None)
    x = LOGITS.clone().requires_grad_()
    loss = way(lambda logits: function(LossCall("poly", logits, targets, power=3.0)))(x)
    torch.testing.assert_close(loss, 3 * ((LOGITS - 1) ** 2).sum())
    torch.testing.assert_close(torch.autograd.grad(loss, x)[0], 6 * (LOGITS - 1))
    each = evaluate(LossCall("poly", x, targets, power=3.0), "none", None)
    assert each.shape == (BINS.shape if by_row else DENSE.shape)


@pytest.mark.parametrize("weights", [1, 2, 3, 5])
def test_the_weights_of_the_distribution_focal_loss_are_one_a_row(weights):
    with pytest.raises(ValueError, match=rf"weight has the targets' shape, \(4,\); this one is \({weights},\)"):
        distribution_focal_loss(torch.zeros(4, 3), torch.ones(4), weight=torch.ones(weights))
