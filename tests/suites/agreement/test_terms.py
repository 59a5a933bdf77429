"""Terms of whole detector losses, held against our own with one thing changed."""

from __future__ import annotations

import pytest
import torch

from focalbench_suite.adapters import Adapter, find
from focalbench_suite.adapters.own.fcos_head import fcos_head
from focalbench_suite.adapters.own.gfl_head import gfl_head
from focalbench_suite.adapters.own.retinanet_head import retinanet_head
from focalbench_suite.adapters.own.rtdetr_head import rtdetr_head
from focalbench_suite.adapters.own.v8_detection import v8_detection
from focalbench_suite.suites.agreement import terms

DICE = 1


def verdicts_of(change, dtype="float32"):
    """(verdict, relation) of every row about the class term, for our terms with that term changed."""
    adapter = Adapter("mine")

    @adapter.loss("v8_detection", reduction="terms")
    def changed(feats, boxes, labels, **asked):
        found = dict(v8_detection(feats, boxes, labels, **asked))
        return found | {"cls": change(found["cls"], feats, boxes)}

    rows = terms.rows(adapter.losses[0], dtype, "cpu")
    other = {row["verdict"] for row in rows if not row["probe"].endswith(": cls")}
    assert other == {"agrees"}
    return {(row["verdict"], row["relation"]) for row in rows if row["probe"].endswith(": cls")}


def noise(_, feats, boxes):
    dice = torch.Generator().manual_seed(DICE)
    return sum((torch.randn(f.shape, generator=dice).to(f) * f).mean() for f in feats)


@pytest.mark.parametrize("size", [1e-8, 1e-4, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_noise_is_no_multiple_of_our_term(size, dtype):
    found = verdicts_of(lambda *given: size * noise(*given), dtype)
    assert {verdict for verdict, _ in found} == {"differs"}


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("scale", [0.5, 1e-4])
def test_one_scale_over_all_batches_is_found(dtype, scale):
    found = verdicts_of(lambda cls, *_: scale * cls, dtype)
    assert {verdict for verdict, _ in found} == {"agrees_up_to_scale"}
    ((_, relation),) = found
    assert float(relation.split()[1]) == pytest.approx(scale, rel=0.01)


def test_a_scale_of_each_batch_is_no_scale():
    found = verdicts_of(lambda cls, _, boxes: cls / (1 + sum(map(len, boxes))))
    assert "agrees_up_to_scale" not in {verdict for verdict, _ in found}


def test_a_value_that_its_gradient_does_not_bear_out_differs():
    found = verdicts_of(lambda cls, *_: cls * 0.5 + 0.5 * cls.detach() * 3)
    assert "agrees_up_to_scale" not in {verdict for verdict, _ in found}


def test_one_hundredth_of_our_term_is_no_rounding():
    found = verdicts_of(lambda cls, *_: 1.01 * cls)
    assert {verdict for verdict, _ in found} == {"agrees_up_to_scale"}


@pytest.mark.parametrize(("library", "own"), [("ultralytics", v8_detection), ("mmdetection", gfl_head)])
def test_a_side_beyond_the_last_bin_shows_where_it_is_cut_off(library, own, monkeypatch):
    theirs = find(own.__name__, library)
    agree = {row["verdict"] for row in terms.rows(theirs, "float32", "cpu")}
    monkeypatch.setitem(own.__globals__, "MARGIN", 0.9)
    differ = {row["probe"] for row in terms.rows(theirs, "float32", "cpu") if row["verdict"] == "differs"}
    assert agree == {"agrees"}
    assert any(probe.endswith(": dfl") for probe in differ)


@pytest.mark.parametrize(
    ("own", "library", "constant", "value"),
    [
        (retinanet_head, "torchvision", "POSITIVE", 0.6),
        (retinanet_head, "torchvision", "NEGATIVE", 0.3),
        (retinanet_head, "torchvision", "RATIOS", (0.5, 1.0, 1.9)),
        (fcos_head, "torchvision", "RADIUS", 1.2),
        (fcos_head, "torchvision", "FARTHEST", 7),
        (rtdetr_head, "ultralytics", "COSTS", {"cls": 2.0, "bbox": 1.0, "giou": 9.0}),
        (rtdetr_head, "ultralytics", "COST_GAMMA", 0.0),
    ],
)
def test_another_assignment_than_the_librarys_shows(own, library, constant, value, monkeypatch):
    monkeypatch.setitem(own.__globals__, constant, value)
    rows = terms.rows(find(own.__name__, library), "float32", "cpu")
    assert "differs" in {row["verdict"] for row in rows if row["probe"].endswith(": cls")}
