"""How the losses are called: target forms, reductions, autograd, torch.compile, special cases, bad input."""

import math
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad

from focalbench_suite.adapters.own import (
    balanced_cross_entropy_loss,
    cross_entropy_loss,
    distribution_focal_loss,
    eager,
    focal_loss,
    generalized_focal_loss,
    operators,
    prior_bias,
    quality_focal_loss,
    readable,
    softmax_focal_loss,
    varifocal_loss,
)
from focalbench_suite.adapters.own.loss_call import LossCall

ROWS, CLASSES = 40, 7
generator = torch.Generator().manual_seed(0)
LOGITS = torch.randn(ROWS, CLASSES, generator=generator) * 3
DENSE = torch.rand(ROWS, CLASSES, generator=generator)
LABELS = torch.randint(0, CLASSES + 2, (ROWS,), generator=generator)  # CLASSES and above: background
SCORES = torch.rand(ROWS, generator=generator)
CLASS = LABELS % CLASSES
BINS = torch.rand(ROWS, generator=generator) * (CLASSES - 1)

CALLS = {
    "cross_entropy": (cross_entropy_loss, DENSE),
    "balanced": (balanced_cross_entropy_loss, DENSE),
    "focal": (focal_loss, DENSE),
    "focal_index": (focal_loss, LABELS),
    "quality_focal": (quality_focal_loss, DENSE),
    "quality_focal_score": (quality_focal_loss, (LABELS, SCORES)),
    "varifocal": (varifocal_loss, DENSE * (DENSE > 0.5)),
    "softmax_focal": (softmax_focal_loss, CLASS),
    "distribution_focal": (distribution_focal_loss, BINS),
    "generalized_focal": (generalized_focal_loss, BINS),
}
each_call = pytest.mark.parametrize("name", CALLS)


def gradient(loss, logits):
    return torch.autograd.grad(loss, logits)[0]


def test_the_defaults_are_the_papers():
    right = -math.log(0.9)  # of a positive at 0.9
    logits, one = torch.tensor([[math.log(9.0)]], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    assert focal_loss(logits, one).item() == pytest.approx(0.25 * 0.1**2 * right)
    assert focal_loss(-logits, 1 - one).item() == pytest.approx(0.75 * 0.1**2 * right)
    assert quality_focal_loss(logits, one).item() == pytest.approx(0.1**2 * right)
    assert varifocal_loss(-logits, 1 - one).item() == pytest.approx(0.75 * 0.1**2 * right)


def one_hot(labels, scores=None):
    rows = torch.zeros(ROWS, CLASSES + 2)
    return rows.scatter(1, labels[:, None], 1.0 if scores is None else scores[:, None])[:, :CLASSES]


@each_call
def test_sum_mean_and_avg_factor_reduce_the_losses_per_element(name):
    function, targets = CALLS[name]
    x = LOGITS.clone().requires_grad_()
    each = function(x, targets, reduction="none")
    for loss, expected in (
        (function(x, targets, reduction="sum"), each.sum()),
        (function(x, targets), each.mean()),
        (function(x, targets, avg_factor=12.5), each.sum() / 12.5),
        (function(x, targets, avg_factor=torch.tensor(12.5)), each.sum() / 12.5),
    ):
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(gradient(loss, x), gradient(each.sum() / (each.sum() / expected).item(), x))
        each = function(x, targets, reduction="none")


def test_index_and_label_score_targets_are_dense_targets_in_short():
    for function in (focal_loss, quality_focal_loss, varifocal_loss, cross_entropy_loss):
        short = function(LOGITS, LABELS, reduction="none")
        assert torch.equal(short, function(LOGITS, one_hot(LABELS), reduction="none"))
        short = function(LOGITS, (LABELS, SCORES), reduction="none")
        assert torch.equal(short, function(LOGITS, one_hot(LABELS, SCORES), reduction="none"))


def test_any_index_outside_the_classes_is_background():
    outside = torch.tensor([-1, CLASSES, -100, 10**9]).repeat(ROWS // 4)
    expected = focal_loss(LOGITS, torch.zeros_like(LOGITS))
    assert torch.equal(focal_loss(LOGITS, outside), expected)


def test_a_class_that_is_none_gives_nan_and_never_reads_elsewhere():
    loss = softmax_focal_loss(LOGITS, torch.full((ROWS,), CLASSES), reduction="none")
    assert loss.isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@each_call
def test_every_dtype_gives_the_losses_and_gradients_of_float64(name, dtype):
    function, targets = CALLS[name]
    x = LOGITS.to(dtype, copy=True).requires_grad_()
    wide = x.detach().double().requires_grad_()
    loss, expected = function(x, targets), function(wide, targets)
    assert loss.dtype == dtype
    tolerance = {"rtol": torch.finfo(dtype).eps, "atol": 0.0}
    assert torch.allclose(loss.double(), expected.to(dtype).double(), **tolerance)
    slopes, wide_slopes = gradient(loss, x), gradient(expected, wide)
    assert torch.allclose(slopes.double(), wide_slopes, rtol=torch.finfo(dtype).eps, atol=6e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("function", [focal_loss, quality_focal_loss, varifocal_loss])
def test_targets_with_few_many_and_no_zeros(function, dtype):
    """From one in a thousand at the first rows to all at the last; each loss weighs differently."""
    random = torch.Generator().manual_seed(0)
    share = torch.logspace(-3, 0, 900)[:, None]
    targets = torch.rand(900, CLASSES, generator=random) * (torch.rand(900, CLASSES, generator=random) <= share)
    weights = torch.rand(900, CLASSES, generator=random).to(dtype)
    targets, x = targets.to(dtype), (torch.randn(900, CLASSES, generator=random) * 3).to(dtype).requires_grad_()
    wide = x.detach().double().requires_grad_()
    each, expected = function(x, targets, reduction="none"), function(wide, targets, reduction="none")
    close = {"rtol": torch.finfo(dtype).eps, "atol": 1e-12, "check_dtype": False}
    torch.testing.assert_close(each, expected, **close)
    torch.testing.assert_close(gradient((each * weights).sum(), x), gradient((expected * weights).sum(), wide), **close)
    torch.testing.assert_close(function(x, targets, reduction="sum"), expected.sum(), **close)


def test_what_is_used_without_kernels_gives_the_same():
    for loss, targets in (("focal", DENSE), ("quality_focal", DENSE), ("softmax_focal", CLASS)):
        call = LossCall(loss, LOGITS, targets, power=2.0)
        x = LOGITS.clone().requires_grad_()
        function = {"focal": focal_loss, "quality_focal": quality_focal_loss, "softmax_focal": softmax_focal_loss}[loss]
        value = function(x, targets, avg_factor=3.0, **({} if loss != "focal" else {"alpha": None}))
        slow, slope = eager.total(call, 1 / 3, None, with_gradient=True)
        torch.testing.assert_close(slow, value.detach())
        torch.testing.assert_close(slope, gradient(value, x))
        torch.testing.assert_close(eager.gradient(call, torch.tensor(2.0), 1 / 3, None), 2 * slope)


@each_call
def test_no_rows_give_0_with_a_graph(name):
    function, targets = CALLS[name]
    x = LOGITS[:0].clone().requires_grad_()
    none = (targets[0][:0], targets[1][:0]) if isinstance(targets, tuple) else targets[:0]
    for parameters in ({}, {"reduction": "sum"}, {"avg_factor": 0}, {"avg_factor": torch.tensor(0.0)}):
        loss = function(x, none, **parameters)
        assert loss.item() == 0
        assert gradient(loss, x).shape == x.shape
    assert function(x, none, reduction="none").shape[0] == 0


def test_no_positives_give_a_finite_loss_with_a_graph():
    x = LOGITS.clone().requires_grad_()
    background = torch.full((ROWS,), CLASSES)
    loss = quality_focal_loss(x, (background, torch.zeros(ROWS)), avg_factor=max(0, 1))
    assert gradient(loss, x).isfinite().all()


def test_fake_tensors_have_a_shape_and_no_data():
    with FakeTensorMode():
        x = torch.zeros(3, 4, requires_grad=True)
        loss = focal_loss(x, torch.zeros(3, 4), reduction="none")
        loss.sum().backward()
        assert (loss.shape, x.grad.shape) == ((3, 4), (3, 4))


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_forward_mode_and_vmap_work_for_a_loss_without_kernels(reduction):
    x, bins = LOGITS[:4].double(), BINS[:4].double()
    loss = lambda logits: generalized_focal_loss(logits, bins, reduction=reduction).sum()  # noqa: E731
    _, slope = torch.func.jvp(loss, (x,), (torch.ones_like(x).cumsum(1),))
    expected = (torch.func.grad(loss)(x) * torch.ones_like(x).cumsum(1)).sum()
    torch.testing.assert_close(slope, expected)
    one = lambda row, bin: generalized_focal_loss(row[None], bin[None])  # noqa: E731
    torch.testing.assert_close(torch.func.vmap(one)(x, bins), generalized_focal_loss(x, bins, reduction="none"))


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_forward_mode_and_vmap_are_refused(reduction):
    x, y = torch.zeros(3, 4), torch.zeros(3, 4)
    loss = lambda logits: focal_loss(logits, y, reduction=reduction)  # noqa: E731
    with forward_ad.dual_level(), pytest.raises(NotImplementedError, match="jvp"):
        loss(forward_ad.make_dual(x, torch.ones_like(x)))
    with pytest.raises(RuntimeError):
        torch.func.jvp(loss, (x,), (torch.ones_like(x),))
    with pytest.raises(RuntimeError):
        torch.func.vmap(lambda row: focal_loss(row, y[0], reduction=reduction))(x)


@each_call
def test_second_derivative(name):
    function, targets = CALLS[name]
    if name == "quality_focal_score":
        targets = (targets[0], targets[1].double())
    targets = targets.double() if isinstance(targets, torch.Tensor) and targets.is_floating_point() else targets
    rows = 4
    small = (targets[0][:rows], targets[1][:rows]) if isinstance(targets, tuple) else targets[:rows]
    x = LOGITS[:rows].to(torch.float64, copy=True).requires_grad_()
    for reduction in ("none", "mean"):
        assert torch.autograd.gradgradcheck(lambda v, r=reduction: function(v, small, reduction=r), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_backward_twice_and_scaled_gives_the_scaled_gradient(dtype):
    x = LOGITS.to(dtype, copy=True).requires_grad_()
    loss = focal_loss(x, DENSE, reduction="sum")
    first = torch.autograd.grad(loss, x, retain_graph=True)[0].clone()
    second = torch.autograd.grad(4 * loss, x, retain_graph=True)[0]
    assert torch.allclose(second, 4 * first, rtol=0, atol=1e-6)  # of float16's subnormal numbers
    assert torch.equal(torch.autograd.grad(loss, x)[0], first)


def test_float16_gradients_survive_a_loss_scale():
    x = torch.full((1000, 80), -2.0, dtype=torch.float16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = focal_loss(x, torch.zeros(1000, 80))
    assert loss.dtype == torch.float32
    wide = x.detach().double().requires_grad_()
    expected = gradient(65536.0 * focal_loss(wide, torch.zeros(1000, 80).double()), wide)
    assert torch.allclose(gradient(65536.0 * loss, x).double(), expected, rtol=1e-3, atol=0)


def test_gradients_accumulate():
    x = LOGITS.clone().requires_grad_()
    focal_loss(x, DENSE).backward()
    once = x.grad.clone()
    focal_loss(x, DENSE).backward()
    assert torch.equal(x.grad, 2 * once)


def test_same_bits_every_time_and_with_any_number_of_threads():
    x = torch.randn(3000, 80, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.rand(3000, 80, generator=torch.Generator().manual_seed(1))
    threads, seen = torch.get_num_threads(), set()
    for count in (1, 2, 3, 1):
        torch.set_num_threads(count)
        loss = quality_focal_loss(x, y)
        seen.add((loss.item(), gradient(loss, x).double().sum().item()))
    torch.set_num_threads(threads)
    assert len(seen) == 1


def test_logits_of_any_strides():
    x = torch.randn(2, 5, 4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    loss = focal_loss(x.permute(0, 2, 3, 1), y)
    dense = focal_loss(x.permute(0, 2, 3, 1).contiguous(), y)
    assert torch.equal(loss, dense)
    assert torch.equal(gradient(loss, x), gradient(dense, x))


def test_torch_compile_keeps_the_whole_graph_and_the_bits():
    def step(x, average):
        dense = focal_loss(x * 2, DENSE) + varifocal_loss(x, DENSE, reduction="none").sum()
        rows = softmax_focal_loss(x, CLASS, avg_factor=average) + distribution_focal_loss(x, BINS, weight=SCORES)
        return dense + rows + quality_focal_loss(x.half(), (LABELS, SCORES), reduction="sum")

    x, average = LOGITS.clone().requires_grad_(), torch.tensor(9.0)
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x, average), step(x, average))
    torch.testing.assert_close(gradient(compiled(x, average), x), gradient(step(x, average), x), rtol=1e-6, atol=1e-7)


@each_call
def test_torch_compile_of_no_rows_gives_0_with_a_graph(name):
    function, targets = CALLS[name]
    torch.compiler.reset()
    x = LOGITS[:0].clone().requires_grad_()
    none = (targets[0][:0], targets[1][:0]) if isinstance(targets, tuple) else targets[:0]
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    loss = compiled(x, none, reduction="sum")
    assert loss.item() == 0
    assert gradient(loss, x).shape == x.shape
    assert gradient(compiled(x, none, reduction="none").sum(), x).shape == x.shape


@each_call
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_torch_compile_gives_the_losses_and_gradients_of_every_loss(name, reduction):
    function, targets = CALLS[name]
    torch.compiler.reset()
    x = LOGITS.clone().requires_grad_()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    loss, expected = (f(x, targets, reduction=reduction) for f in (compiled, function))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient(loss.sum(), x), gradient(expected.sum(), x), rtol=1e-6, atol=1e-9)


def test_operators_are_what_torch_expects_of_operators():
    call = (LOGITS.clone().requires_grad_(), DENSE, None, None, "focal", 2.0, 0.25)  # as in `operators`
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    ours = getattr(torch.ops, operators.NAMESPACE)
    torch.library.opcheck(ours.total.default, (*call, None, 0.5, True, torch.float32), test_utils=checks)
    torch.library.opcheck(ours.each.default, call, test_utils=checks)


def test_autocast():
    layer = torch.nn.Linear(CLASSES, CLASSES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = layer(LOGITS)
        loss = focal_loss(logits, DENSE)
    loss.backward()
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert layer.weight.grad.abs().sum() > 0


PARALLEL = """
import os, sys, torch
from focalbench_suite.adapters.own import focal_loss
store = torch.distributed.FileStore(sys.argv[1], 1)
torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
logits, targets, layer = torch.randn(6, 3), torch.eye(3).repeat(2, 1), torch.nn.Linear(3, 3)
focal_loss(torch.nn.parallel.DistributedDataParallel(layer)(logits), targets).backward()
wrapped = layer.weight.grad.clone()
layer.zero_grad()
focal_loss(layer(logits), targets).backward()
os._exit(0 if wrapped.any() and torch.equal(layer.weight.grad, wrapped) else 1)
"""


def test_one_process_of_distributed_data_parallel(tmp_path):
    """In a process that ends without tidying up: torch 2.13 may wait for ever for the thread of a group of gloo's."""
    done = subprocess.run([sys.executable, "-c", PARALLEL, tmp_path / "store"], timeout=100)
    assert done.returncode == 0


# ---- what the papers say ----


def test_focal_without_gamma_and_alpha_is_cross_entropy():
    assert torch.equal(focal_loss(LOGITS, DENSE, gamma=0, alpha=None), cross_entropy_loss(LOGITS, DENSE))


@pytest.mark.parametrize(("p_t", "ratio"), [(0.9, 100), (1 - 10**-1.5, 1000), (0.5, 4)])
def test_focal_is_that_much_lower_than_cross_entropy(p_t, ratio):
    x = torch.tensor([[math.log(p_t / (1 - p_t))]], dtype=torch.float64)
    lower = cross_entropy_loss(x, torch.ones(1, 1)) / focal_loss(x, torch.ones(1, 1), gamma=2, alpha=None)
    assert lower.item() == pytest.approx(ratio)


@settings(deadline=None, max_examples=50)
@given(st.floats(-30, 30), st.floats(0, 5))
def test_generalized_focal_has_quality_focal_and_focal_as_special_cases(x, power):
    logits = torch.tensor([[0.0, x]], dtype=torch.float64)
    for y in (0.0, 0.3, 1.0):
        target = torch.tensor([y], dtype=torch.float64)
        general = generalized_focal_loss(logits, target, beta=power)
        quality = quality_focal_loss(logits[:, 1], target, beta=power)
        torch.testing.assert_close(general, quality, rtol=1e-9, atol=1e-300)
        if y in (0.0, 1.0):
            focal = focal_loss(logits[:, 1], target, gamma=power, alpha=None)
            torch.testing.assert_close(general, focal, rtol=1e-9, atol=1e-300)


def test_the_bins_of_a_label_on_a_bin_are_that_one_and_the_next():
    """Three bins of probability 1/3 and y = 1: bins 1 and 2 sum to 1/3 + 2/3 = y, bins 0 and 1 would sum to 1/3.

    On the last bin there is no next: y = 2, bins 1 and 2, a gap of 1. The distribution focal loss gives the other bin
    no weight, so that which one it is makes no difference there, but where its probability is 0.
    """
    even = torch.zeros(3, 3, dtype=torch.float64)
    loss = generalized_focal_loss(even, torch.tensor([0.0, 1.0, 2.0]), beta=2.0, reduction="none")
    torch.testing.assert_close(loss, torch.tensor([1 / 9, 0.0, 1.0], dtype=torch.float64) * math.log(3))


def test_generalized_focal_without_beta_is_distribution_focal():
    torch.testing.assert_close(generalized_focal_loss(LOGITS, BINS, beta=0), distribution_focal_loss(LOGITS, BINS))


def test_distribution_focal_at_the_last_bin_is_its_cross_entropy():
    last = torch.full((ROWS,), CLASSES - 1.0)
    expected = torch.nn.functional.cross_entropy(LOGITS.double(), last.long())
    assert distribution_focal_loss(LOGITS, last).item() == pytest.approx(expected.item(), rel=1e-6)


def test_distribution_focal_is_least_where_the_two_bins_share_as_the_target_says():
    logits = torch.tensor([[-40.0, math.log(0.3), math.log(0.7), -40.0]], dtype=torch.float64, requires_grad=True)
    loss = distribution_focal_loss(logits, torch.tensor([1.7], dtype=torch.float64))
    assert gradient(loss, logits).abs().max() < 1e-15


def test_prior_bias_starts_every_anchor_at_the_prior():
    assert torch.sigmoid(torch.tensor(prior_bias(0.01), dtype=torch.float64)).item() == pytest.approx(0.01)
    assert prior_bias() == pytest.approx(-4.59511985)


# ---- bad input ----


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "gamma", lambda: focal_loss(LOGITS, DENSE, gamma=-1)),
        (ValueError, "reduction 'avg'", lambda: focal_loss(LOGITS, DENSE, reduction="avg")),
        (ValueError, "avg_factor", lambda: focal_loss(LOGITS, DENSE, reduction="sum", avg_factor=2)),
        (ValueError, "one value a row", lambda: focal_loss(LOGITS, DENSE[:3])),
        (ValueError, "integers", lambda: focal_loss(LOGITS, SCORES)),
        (TypeError, "floating point", lambda: focal_loss(LOGITS.int(), DENSE)),
        (ValueError, "class indices", lambda: softmax_focal_loss(LOGITS, SCORES)),
        (ValueError, "weight a class", lambda: softmax_focal_loss(LOGITS, CLASS, alpha=torch.ones(3))),
        (ValueError, "at least 2", lambda: distribution_focal_loss(LOGITS[:, :1], BINS)),
        (ValueError, "targets' shape", lambda: distribution_focal_loss(LOGITS, BINS, weight=torch.ones(3))),
        (ValueError, "prior", lambda: prior_bias(1.0)),
    ],
)
def test_bad_input_is_named(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_without_a_compiler_one_notice_and_the_same_numbers(tmp_path):
    program = (
        "import torch, warnings; from adapters.own import focal_loss\n"
        "x, y = torch.linspace(-9, 9, 50), torch.linspace(0, 1, 50)\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always'); values = [focal_loss(x, y).item() for _ in range(3)]\n"
        "print(len(seen), seen[0].message); print(values[0]); x.requires_grad_()\n"
        "compiled = torch.compile(focal_loss, fullgraph=True, backend='aot_eager')(x, y)\n"
        "slopes = [torch.autograd.grad(loss, x)[0] for loss in (compiled, focal_loss(x, y))]\n"
        "torch.testing.assert_close(*slopes); print(compiled.item())"
    )
    environment = os.environ | {"CC": "no-such-compiler", "XDG_CACHE_HOME": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    notice, value, compiled = run.stdout.splitlines()
    assert notice.startswith("1 ")
    assert "C compiler" in notice
    x, y = torch.linspace(-9, 9, 50), torch.linspace(0, 1, 50)
    assert float(value) == pytest.approx(readable.focal(x, y, 2.0, 0.25).mean().item(), rel=1e-7)
    assert float(compiled) == pytest.approx(float(value), rel=1e-7)
