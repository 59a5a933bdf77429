"""The one evaluator against figures worked by hand and published ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from focalbench_suite.results.coco_map import image_weights, resampled_ap
from focalbench_suite.suites.coco_map.evaluation import average_precision, matches

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "coco-eval"


def truth(tmp_path, boxes, images=1):
    """An instances file of one category; `boxes` are (image, x, y, width, height)."""
    annotations = [
        {"id": n + 1, "image_id": image, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for n, (image, *box) in enumerate(boxes)
    ]
    content = {
        "images": [{"id": n + 1, "width": 100, "height": 100, "file_name": f"{n}.jpg"} for n in range(images)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "thing"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return path


def detection(image, box, score):
    return {"image_id": image, "category_id": 1, "bbox": box, "score": score}


# One of two boxes is found, with IoU 8 / 10: right at the 7 thresholds 0.50 … 0.80, recall 1/2 covers the recall points
# 0 … 0.50, which are 51 of 101. So AP = 7/10 · 51/101, AP50 = 51/101, AP75 = 51/101.
BOXES = [(1, 0, 0, 10, 10), (1, 50, 50, 10, 10)]


def test_average_precision_of_a_case_worked_by_hand(tmp_path):
    measured = average_precision(truth(tmp_path, BOXES), [detection(1, [0, 0, 10, 8], 0.9)])
    assert measured["ap"] == pytest.approx(0.7 * 51 / 101, abs=1e-12)
    assert measured["ap50"] == measured["ap75"] == pytest.approx(51 / 101, abs=1e-12)
    assert measured["ap_small"] == pytest.approx(measured["ap"])
    assert measured["ap_large"] is None


def test_no_detection_is_no_precision(tmp_path):
    assert average_precision(truth(tmp_path, BOXES), [])["ap"] == 0.0


def test_a_false_alarm_before_the_hit_halves_the_precision(tmp_path):
    found = [detection(1, [80, 80, 10, 10], 0.9), detection(1, [0, 0, 10, 10], 0.8)]
    assert average_precision(truth(tmp_path, BOXES[:1]), found)["ap"] == pytest.approx(0.5, abs=1e-12)


def random_case(tmp_path, seed, images=12):
    random = np.random.default_rng(seed)
    boxes = [(int(i), *random.uniform(5, 60, 4)) for i in random.integers(1, images + 1, 30)]
    found = [
        detection(image, list(np.array(box) + random.normal(0, 4, 4)), float(random.random()))
        for image, *box in boxes
        for _ in range(2)
    ]
    return truth(tmp_path, boxes, images), found


@pytest.mark.parametrize("seed", range(3))
def test_precision_taken_again_from_the_matches_is_the_evaluators(tmp_path, seed):
    annotations, found = random_case(tmp_path, seed)
    again = resampled_ap(matches(annotations, found), np.ones((1, 12), dtype=int))
    assert again[0] == pytest.approx(average_precision(annotations, found)["ap"], abs=1e-12)


def test_an_image_that_counts_twice_is_an_image_that_is_there_twice(tmp_path):
    annotations, found = random_case(tmp_path, 7, images=3)
    weighted = resampled_ap(matches(annotations, found), np.array([[2, 1, 0]]))[0]
    content = json.loads(annotations.read_text())
    copies = [a | {"image_id": 4, "id": a["id"] + 1000} for a in content["annotations"] if a["image_id"] == 1]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 3] + copies
    content["images"] = [i for i in content["images"] if i["id"] != 3] + [content["images"][0] | {"id": 4}]
    annotations.write_text(json.dumps(content))
    doubled = [d for d in found if d["image_id"] != 3] + [d | {"image_id": 4} for d in found if d["image_id"] == 1]
    assert weighted == pytest.approx(average_precision(annotations, doubled)["ap"], abs=1e-12)


def test_resampled_images_are_as_many_as_there_are():
    weights = image_weights(7, 50)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 7).all()


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the COCO API's example detections are not here")
def test_the_published_figures_of_cocos_example_detections_come_out_to_the_last_digit():
    found = json.loads((PUBLISHED / "instances_val2014_fakebbox100_results.json").read_text())
    annotations = PUBLISHED / "instances_val2014_100.json"
    measured = average_precision(annotations, found)
    assert measured["ap"] == 0.5045806987249628
    assert {name: round(value, 3) for name, value in measured.items()} == {
        "ap": 0.505, "ap50": 0.697, "ap75": 0.573, "ap_small": 0.586, "ap_medium": 0.519, "ap_large": 0.501,
    }  # fmt: skip
    again = resampled_ap(matches(annotations, found), image_weights(100, 0))
    assert again[0] == pytest.approx(measured["ap"], abs=1e-12)
