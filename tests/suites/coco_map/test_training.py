"""Real trainings of a few steps: equal conditions, the same steps in float64, divergence as a result, a user's loss."""

import dataclasses
import json

import pytest
import torch

from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.results.coco_map import conditions_table, drift_table
from focalbench_suite.suites import Selection
from focalbench_suite.suites import coco_map as suite
from focalbench_suite.suites.coco_map.mmdetection import model_config, register
from focalbench_suite.suites.coco_map.schedules import SMOKE, STEPS
from focalbench_suite.suites.coco_map.variants import HOSTS, MMDETECTION, VARIANTS, users


def train(variant, dtype="float32", seed=0, **schedule):
    """A variant's record as it reads in a run's records."""
    schedule = dataclasses.replace(SMOKE, **schedule)
    (record,) = suite.execute(suite._task(Selection(), schedule, variant, seed, "cpu", dtype))
    return json.loads(json.dumps(dataclasses.asdict(record)))


def variant(name):
    return next(v for v in VARIANTS if f"{v.host}/{v.name}" == name)


@pytest.fixture(scope="module")
def gfl():
    return {name: train(variant(f"gfl/{name}"), "float64") for name in ("library", "own")}


@pytest.fixture(scope="module")
def yolo():
    return {name: train(variant(f"yolov8n/{name}"), "float64") for name in ("library", "own")}


@pytest.fixture(scope="module", params=["yolov10n", "yolo26n"])
def end_to_end(request):
    """Over two epochs, since the weights of the branches move after the first, with SGD as in the schedule `steps`."""
    slow = {"iterations": 6, "yolo_optimizer": STEPS.yolo_optimizer, "yolo_rate": STEPS.yolo_rate}
    return {name: train(variant(f"{request.param}/{name}"), "float64", **slow) for name in ("library", "own")}


@pytest.mark.parametrize("host", ["gfl", "yolo"])
def test_library_and_own_start_from_the_same_weights_and_see_the_same_pixels_in_the_same_order(host, request):
    rows = conditions_table(request.getfixturevalue(host).values())
    assert rows["same_as_library"].tolist() == ["initial_weights data_order augmented_inputs optimizer"] * 2


@pytest.mark.parametrize(
    ("host", "terms"),
    [
        ("gfl", {"loss", "cls", "bbox", "dfl", "grad_norm"}),
        ("yolo", {"loss", "box", "cls", "dfl", "grad_norm"}),
    ],
)
def test_ours_trains_a_host_as_its_own_losses_do_to_nine_digits(host, terms, request):
    drift = drift_table(request.getfixturevalue(host).values()).set_index("term")["largest"]
    assert set(drift.index) == terms
    assert (drift < 1e-9).all()


@pytest.mark.parametrize(
    ("name", "dtype", "size"), [("retinanet", "bfloat16", 96), ("gfl", "float16", 96), ("yolov8n", "bfloat16", 64)]
)
def test_half_precision_changes_the_course_a_little_and_nothing_else(name, dtype, size):
    half, single = (train(variant(f"{name}/own"), one, size=size, iterations=1) for one in (dtype, "float32"))
    rows = conditions_table([half, single])
    assert (rows.drop(columns=["dtype", "same_as_library"]).nunique() == 1).all()
    a, b = (one["data"]["curve"][0] for one in (half, single))
    assert 0 < abs(a["loss"] / b["loss"] - 1) < 0.03


def test_a_smaller_rate_is_another_condition():
    one, other = (train(variant("retinanet/own"), lr=rate) for rate in (SMOKE.lr, SMOKE.lr / 2))
    rows = conditions_table([one, other | {"data": other["data"] | {"run": other["data"]["run"] | {"seed": 1}}}])
    assert rows["optimizer"].nunique() == 2
    assert rows["augmented_inputs"].nunique() == 1


@pytest.mark.parametrize(
    ("name", "dtype", "why"),
    [("yolov8n/own", "float16", "in float16 on a GPU alone"), ("gfl/own", "bfloat16", "64 px leave maps of one point")],
)
def test_half_precision_that_a_host_cannot_be_trained_in_is_unsupported(name, dtype, why):
    record = train(variant(name), dtype)
    assert record["status"] == "unsupported"
    assert why in record["reason"]


def test_ours_trains_an_end_to_end_host_as_its_own_loss_does_to_nine_digits(end_to_end):
    same = conditions_table(end_to_end.values())["same_as_library"]
    assert same.tolist() == ["initial_weights data_order augmented_inputs optimizer"] * 2
    drift = drift_table(end_to_end.values()).set_index("term")["largest"]
    assert set(drift.index) - {"l1", "dfl"} == {"loss", "box", "cls", "grad_norm"}
    assert len(drift) == 5
    assert (drift < 1e-9).all()


@pytest.mark.parametrize("host", ["yolov10n", "yolo26n"])
def test_on_the_librarys_course_ours_gives_the_same_numbers_at_each_step(host, monkeypatch):
    ensure_quiet()
    from ultralytics.nn.tasks import DetectionModel

    gaps, library = [], DetectionModel.init_criterion
    monkeypatch.setattr(DetectionModel, "init_criterion", lambda model: Beside(library(model), model, gaps))
    slow = {"iterations": 6, "yolo_optimizer": STEPS.yolo_optimizer, "yolo_rate": STEPS.yolo_rate}
    train(variant(f"{host}/library"), "float64", **slow)
    assert len(gaps) == 6
    assert max(map(max, gaps)) < 1e-13


class Beside:
    """The library's criterion, beside which ours is asked at each step: how far value and gradients are apart."""

    def __init__(self, theirs, model, gaps):
        from focalbench_suite.adapters.own.ultralytics import criterion_for

        self.theirs, self.ours, self.gaps = theirs, criterion_for(model), gaps

    def __call__(self, outputs, batch):
        found = self.theirs(outputs, batch)
        if found[0].requires_grad:  # not while validating
            parts = [part for branch in outputs.values() for part in (branch["boxes"], branch["scores"])]
            losses = [loss.sum() for loss in (found[0], self.ours(outputs, batch)[0])]
            gradients = [torch.autograd.grad(loss, parts, retain_graph=True) for loss in losses]
            pairs = [losses, *zip(*gradients, strict=True)]
            self.gaps.append([float((ours - theirs).norm() / theirs.norm()) for theirs, ours in pairs])
        return found

    def update(self):
        self.theirs.update()
        self.ours.update()


@pytest.mark.parametrize("found", [v for v in VARIANTS if v.host in MMDETECTION], ids=lambda v: f"{v.host}/{v.name}")
def test_every_variant_has_one_logit_a_class_as_the_librarys_head_has(found):
    register()
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"):
        model = model_config(found.host, SMOKE, 3, dict(found.change), None)
        model.bbox_head.update(train_cfg=model.train_cfg, test_cfg=model.test_cfg)
        assert MODELS.build(model.bbox_head).cls_out_channels == 3


def test_a_row_has_what_the_table_promises_and_a_course_step_by_step():
    record = train(variant("retinanet/own"))
    (row,) = record["rows"]["coco_map"]
    assert (row["host"], row["variant"], row["adapter"], row["seed"]) == ("retinanet", "own", "own", 0)
    assert (row["images_train"], row["images_val"], row["iterations"]) == (6, 4, 3)
    assert row["first_loss"] > 0
    assert row["status"] in ("ok", "no_ap")
    assert [point["step"] for point in record["data"]["curve"]] == [1, 2, 3]
    assert {"loss", "cls", "bbox", "lr", "grad_norm", "seconds"} <= set(record["data"]["curve"][0])
    assert record["data"]["curve"][0]["loss"] == pytest.approx(
        record["data"]["curve"][0]["cls"] + record["data"]["curve"][0]["bbox"]
    )


def test_another_seed_is_another_training_and_the_same_seed_is_the_same(gfl):
    again, other = train(variant("gfl/own"), "float64"), train(variant("gfl/own"), "float64", seed=1)
    weights = [record["data"]["run"]["initial_weights"] for record in (gfl["own"], again, other)]
    losses = [record["data"]["run"]["final_loss"] for record in (gfl["own"], again, other)]
    assert weights[0] == weights[1] != weights[2]
    assert losses[0] == losses[1] != losses[2]


def test_a_backbone_is_trained_on_from_its_file_and_one_of_another_width_is_refused(tmp_path):
    register()
    from mmdet.models import ResNet

    for width in (SMOKE.width, 64):
        torch.save(ResNet(SMOKE.depth, base_channels=width).state_dict(), tmp_path / f"{width}.pth")

    def started(file):
        task = suite._task(Selection(backbone=str(file)), SMOKE, variant("retinanet/own"), 0, "cpu")
        return suite.execute(task)[0].data["run"]

    fitting = started(tmp_path / f"{SMOKE.width}.pth")
    assert fitting["backbone"].endswith(f"{SMOKE.width}.pth")
    assert fitting["initial_weights"] != train(variant("retinanet/own"))["data"]["run"]["initial_weights"]
    with pytest.raises(ValueError, match=r"lacks 100 of this schedule's 100 weights, as conv1\.weight \(16, 3, 7, 7\)"):
        started(tmp_path / "64.pth")


def test_a_users_loss_that_is_no_number_is_a_result_in_both_hosts(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("def focal(logits, targets, gamma, alpha):\n    return logits * float('nan')\n")
    variants = users(f"{file}:focal", "focal")
    assert [found.host for found in variants] == ["retinanet", "yolov8n"]
    for found in variants:
        record = train(found)
        assert record["status"] == "ok"
        assert record["rows"]["coco_map"][0]["status"] == "diverged"
        assert record["rows"]["coco_map"][0]["ap"] == 0.0
        assert "step 1" in record["reason"]


def test_every_variant_has_a_name_of_its_own_and_a_host_that_there_is():
    names = [f"{found.host}/{found.name}" for found in VARIANTS]
    assert len(set(names)) == len(names)
    assert {found.host for found in VARIANTS} == set(HOSTS)
    assert all(f"{host}/library" in names and f"{host}/own" in names for host in HOSTS)
