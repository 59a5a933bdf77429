"""Backbones by the name of their source, and the features of a frozen one."""

import dataclasses

import pytest
import torch
from torch import nn

from focalbench_suite.suites import Selection
from focalbench_suite.suites import coco_map as suite
from focalbench_suite.suites.coco_map import OFFLINE
from focalbench_suite.suites.coco_map.backbones import KeptFeatures, is_source, pretrained
from focalbench_suite.suites.coco_map.mmdetection import model_config, register
from focalbench_suite.suites.coco_map.schedules import MINI, SMOKE
from focalbench_suite.suites.coco_map.variants import VARIANTS

RETINANET = next(v for v in VARIANTS if f"{v.host}/{v.name}" == "retinanet/own")
# the mean magnitude of each level, as the package efficientnet-lite-pytorch 0.1.0 computes it of the same picture
EFFICIENTNET = [5.3449812, 4.7325454, 1.2067467]


def test_the_packages_weights_in_timms_architecture_give_what_the_packages_own_code_gives():
    model = pretrained(OFFLINE).eval()
    with torch.no_grad():
        levels = model(torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64))
    assert [tuple(level.shape[1:]) for level in levels] == [(40, 8, 8), (112, 4, 4), (320, 2, 2)]
    assert [float(level.abs().mean()) for level in levels] == pytest.approx(EFFICIENTNET, rel=1e-5)


def test_a_source_is_told_from_a_file():
    assert is_source(OFFLINE)
    assert not is_source("weights/timm.pth")
    assert not is_source(None)


class Doubling(nn.Module):
    """A backbone of one weight that counts the pictures that it saw."""

    def __init__(self, weight=2.0):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.tensor(weight)), 0

    def forward(self, pictures):
        self.seen += len(pictures)
        return self.weight * pictures, self.weight * pictures[..., ::2, ::2]


def test_a_picture_is_computed_once_alone_and_its_twin_is_another_picture():
    backbone, pictures = Doubling(), torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).float()
    whole, half = KeptFeatures(backbone)(pictures)
    torch.testing.assert_close(whole, 2 * pictures)
    torch.testing.assert_close(half, 2 * pictures[..., ::2, ::2])
    assert backbone.seen == 2
    again, _ = KeptFeatures(backbone)(pictures.flip(0))  # in another batch, by another training
    assert backbone.seen == 2
    torch.testing.assert_close(again, 2 * pictures.flip(0))
    mirrored, _ = KeptFeatures(backbone)(pictures.flip(-1))
    assert backbone.seen == 4
    torch.testing.assert_close(mirrored, 2 * pictures.flip(-1))


def test_other_weights_keep_features_of_their_own():
    pictures = torch.ones(1, 3, 2, 2)
    assert float(KeptFeatures(Doubling(2.0))(pictures)[0].mean()) == 2
    assert float(KeptFeatures(Doubling(3.0))(pictures)[0].mean()) == 3


def test_a_frozen_backbone_takes_no_gradient_and_keeps_its_statistics():
    register()
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(model_config("retinanet", MINI, 3, {}, OFFLINE).backbone).train()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())


def test_a_schedule_shortens_the_head_where_it_says_so_and_leaves_it_as_shipped_elsewhere():
    depths = [model_config("vfnet", schedule, 3, {}, OFFLINE).bbox_head.stacked_convs for schedule in (SMOKE, MINI)]
    assert depths == [3, 2]  # VFNet's own is 3, the other heads' 4


def test_a_head_learns_on_a_frozen_backbone():
    schedule = dataclasses.replace(SMOKE, frozen=True, stacked_convs=1)
    (record,) = suite.execute(suite._task(Selection(backbone=OFFLINE), schedule, RETINANET, 0, "cpu"))
    (row,) = record.rows["coco_map"]
    assert (row["backbone"], row["iterations"]) == (OFFLINE, 3)
    assert row["status"] in ("ok", "no_ap")
