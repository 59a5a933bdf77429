"""Our losses by name in MMDetection's registry, against MMDetection's of the same names."""

from functools import partial

import pytest
import torch

from focalbench_suite.adapters._mmcv import ensure_ops

N, C = 12, 4


@pytest.fixture(scope="module")
def models():
    ensure_ops()
    import mmdet.models  # noqa: F401, registers MMDetection's own losses
    from mmdet.registry import MODELS

    import focalbench_suite.adapters.own.mmdetection  # noqa: F401, registers ours

    return MODELS


def targets(form: str):
    random = torch.Generator().manual_seed(0)
    label = torch.randint(C + 1, (N,), generator=random)  # C is background
    score = torch.rand(N, generator=random) * (label < C)
    dense = torch.zeros(N, C + 1).scatter(1, label[:, None], score[:, None])[:, :C]
    return {"index": label, "dense": dense, "pair": (label, score), "bins": score * 2.9}[form]


CASES = [
    ({"type": "FocalLoss", "use_sigmoid": True, "gamma": 1.5, "alpha": 0.4}, "index"),
    ({"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25}, "dense"),
    ({"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 1.5}, "pair"),
    ({"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0}, "dense"),
    ({"type": "VarifocalLoss", "use_sigmoid": True, "alpha": 0.6, "gamma": 1.5}, "dense"),
    ({"type": "DistributionFocalLoss"}, "bins"),
]
WEIGHT = torch.tensor([0.0, 1.0, 0.5] * 4)
CALLS = [
    {},
    {"weight": WEIGHT},
    {"avg_factor": 3.0},
    {"weight": WEIGHT, "avg_factor": 3.0},
    {"weight": WEIGHT, "reduction_override": "sum"},
    {"weight": WEIGHT, "reduction_override": "none"},
    {"weight": torch.ones(N), "avg_factor": 3.0},
    {"reduction_override": "sum"},
    {"avg_factor": 3.0, "reduction_override": "none"},
]


@pytest.mark.parametrize("given", CALLS, ids=lambda given: "-".join(given) or "plain")
@pytest.mark.parametrize(("config", "form"), CASES, ids=lambda each: each["type"] if isinstance(each, dict) else each)
def test_equals_mmdetections_loss_of_the_same_name(models, config, form, given):
    if config["type"] == "VarifocalLoss" and "weight" in given:
        given = given | {"weight": given["weight"][:, None].expand(N, C)}  # it takes no weight of rows
    theirs = models.build(config | {"loss_weight": 0.5})
    ours = models.build(config | {"loss_weight": 0.5, "type": f"focalbench.{config['type']}"})
    assert type(ours).__module__ == "focalbench_suite.adapters.own.mmdetection"
    logits = torch.randn(N, C, generator=torch.Generator().manual_seed(1), requires_grad=True)
    expected, found = (loss(logits, targets(form), **given) for loss in (theirs, ours))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
    wanted, gradient = (torch.autograd.grad(value.sum(), logits)[0] for value in (expected, found))
    torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-7)


def test_half_precision_scores_are_taken_as_float32(models):
    loss = models.build({"type": "focalbench.FocalLoss", "use_sigmoid": True})
    logits = torch.randn(N, C).half()
    value = loss(logits, targets("index"))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), targets("index")), rtol=0, atol=0)


def test_a_config_that_asks_for_softmax_is_refused(models):
    with pytest.raises(ValueError, match="use_sigmoid must be True"):
        models.build({"type": "focalbench.FocalLoss", "use_sigmoid": False})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "FocalLoss", "alpha": -1}, r"alpha is -1; it must lie in \[0, 1\]"),
        ({"type": "FocalLoss", "alpha": 1.5}, "alpha is 1.5"),
        ({"type": "FocalLoss", "gamma": -0.5}, "gamma is -0.5; it must be a finite number, 0 or more"),
        ({"type": "FocalLoss", "reduction": "avg"}, "unknown reduction 'avg'"),
        ({"type": "BalancedCrossEntropyLoss", "alpha": float("nan")}, "alpha is nan"),
        ({"type": "VarifocalLoss", "alpha": -0.1}, "alpha is -0.1"),
        ({"type": "VarifocalLoss", "gamma": float("inf")}, "gamma is inf"),
        ({"type": "QualityFocalLoss", "beta": -2}, "beta is -2"),
    ],
    ids=str,
)
def test_a_parameter_out_of_its_range_is_refused_when_the_head_is_built(models, options, message):
    with pytest.raises(ValueError, match=message):
        models.build(options | {"type": f"focalbench.{options['type']}"})


@pytest.mark.parametrize("weight", [None, WEIGHT, torch.ones(N)], ids=["unweighted", "weighted", "ones"])
@pytest.mark.parametrize(("config", "form"), CASES, ids=lambda each: each["type"] if isinstance(each, dict) else each)
def test_an_avg_factor_is_one_number_of_0_or_more_in_any_shape(models, config, form, weight):
    loss = models.build(config | {"type": f"focalbench.{config['type']}"})
    call = partial(loss, torch.linspace(-2, 2, N * C).view(N, C), targets(form), weight)
    expected = call(avg_factor=3.0)
    for factor in (torch.tensor(3.0), torch.tensor([3.0]), torch.tensor([[3]])):
        found = call(avg_factor=factor)
        assert found.shape == ()
        torch.testing.assert_close(found, expected)
    for wrong in (-3.0, float("nan"), torch.ones(2)):
        with pytest.raises(ValueError, match="avg_factor is"):
            call(avg_factor=wrong)
    torch.testing.assert_close(call(avg_factor=torch.tensor(-3.0)), call(avg_factor=0))  # a tensor's value is not read
    with pytest.raises(ValueError, match="avg_factor replaces the divisor of the mean"):
        call(avg_factor=3.0, reduction_override="sum")


def test_cross_entropy_is_focal_loss_without_focus(models):
    logits = torch.randn(N, C)
    plain, balanced, focal = (
        models.build({"type": f"focalbench.{name}", **options})(logits, targets("index"))
        for name, options in (
            ("CrossEntropyLoss", {}),
            ("BalancedCrossEntropyLoss", {"alpha": 0.5}),
            ("FocalLoss", {"gamma": 0.0, "alpha": None}),
        )
    )
    torch.testing.assert_close(plain, focal)
    torch.testing.assert_close(balanced, focal / 2)


def test_a_head_trains_with_our_losses_by_name(models):
    strides = [8, 16]
    head = models.build(
        {
            "type": "GFLHead", "num_classes": 3, "in_channels": 8, "feat_channels": 8, "stacked_convs": 1,
            "norm_cfg": {"type": "GN", "num_groups": 2},
            "anchor_generator": {"type": "AnchorGenerator", "ratios": [1.0], "octave_base_scale": 8,
                                 "scales_per_octave": 1, "strides": strides},
            "loss_cls": {"type": "focalbench.QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
            "loss_dfl": {"type": "focalbench.DistributionFocalLoss", "loss_weight": 0.25},
            "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
            "train_cfg": {"assigner": {"type": "ATSSAssigner", "topk": 9}, "allowed_border": -1, "pos_weight": -1},
        }
    )  # fmt: skip
    from mmengine.structures import InstanceData

    torch.manual_seed(0)
    maps = [torch.randn(1, 8, 64 // stride, 64 // stride) for stride in strides]
    truth = [InstanceData(bboxes=torch.tensor([[8.0, 8.0, 56.0, 56.0]]), labels=torch.tensor([1]))]
    optimizer = torch.optim.SGD(head.parameters(), lr=0.05)
    totals = []
    for _ in range(30):
        losses = head.loss_by_feat(*head(maps), truth, [{"img_shape": (64, 64), "pad_shape": (64, 64)}])
        total = sum(sum(terms) for terms in losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.7 * totals[0]
