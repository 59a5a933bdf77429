"""The ways to Ultralytics' criteria, each an adapter, against each other and against our own."""

import pytest
import torch

from focalbench_suite.adapters import Unsupported, find
from focalbench_suite.adapters.own.end_to_end import end_to_end_detection
from tests.adapters.own.scenes import CLASSES, STRIDES, scene

ASKED = {"strides": STRIDES, "num_classes": CLASSES}


def close(found, expected):
    assert list(found) == list(expected)
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("way", ["tuple", "model"])
def test_every_way_to_the_criterion_ends_in_its_terms(way):
    given = scene(0)
    close(
        find("v8_detection", f"ultralytics.{way}").call(*given, **ASKED),
        find("v8_detection", "own").call(*given, **ASKED),
    )


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("bins", [16, 1])
def test_a_models_way_to_the_end_to_end_criterion_ends_in_its_terms(bins):
    many, boxes, labels = scene(0, bins=bins)
    one, _, _ = scene(1, bins=bins)
    given, asked = (many, one, boxes, labels), ASKED | {"reg_max": bins}
    found, expected = (
        find("end_to_end_detection", label).call(*given, **asked) for label in ("ultralytics.model", "ultralytics")
    )
    close(found, expected)


@pytest.mark.usefixtures("double")
def test_the_older_end_to_end_criterion_is_the_plain_sum_with_one_anchor_a_box():
    many, boxes, labels = scene(0)
    one, _, _ = scene(1)
    found = find("end_to_end_detection", "ultralytics.E2EDetectLoss").call(many, one, boxes, labels, **ASKED)
    close(found, end_to_end_detection(many, one, boxes, labels, **ASKED, weights=(1.0, 1.0), candidates=1))


def test_other_strides_than_the_models_are_unsupported():
    feats, boxes, labels = scene(0)
    with pytest.raises(Unsupported, match="the smallest model's strides are"):
        find("v8_detection", "ultralytics.model").call(feats, boxes, labels, strides=(4, 8, 16), num_classes=CLASSES)
