"""The one evaluator against figures worked by hand and published ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from focalbench_suite.suites.coco_map.evaluation import average_precision, by_class, confusion, matches
from focalbench_suite.suites.coco_map.resampling import image_weights, resampled_ap

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "coco-eval"


def truth(tmp_path, boxes, images=1, classes=("thing",)):
    """An instances file; `boxes` are (image, x, y, width, height), of the categories in turn."""
    annotations = [
        {
            "id": n + 1,
            "image_id": image,
            "category_id": n % len(classes) + 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for n, (image, *box) in enumerate(boxes)
    ]
    content = {
        "images": [{"id": n + 1, "width": 100, "height": 100, "file_name": f"{n}.jpg"} for n in range(images)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return path


def detection(image, box, score, category=1):
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


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


# A cat that is found, with a false alarm besides; a dog that is taken for a cat; a cat that is found, but not surely.
CAT, DOG, SHY = (1, 0, 0, 10, 10), (1, 20, 20, 50, 50), (1, 80, 80, 12, 12)
FOUND = [
    detection(1, [0, 0, 10, 10], 0.9),
    detection(1, [60, 0, 20, 20], 0.8),
    detection(1, [20, 20, 50, 50], 0.7),
    detection(1, [80, 80, 12, 12], 0.2),
]


def counted(rows):
    return [(row["category"], row["detected_as"], row["count"]) for row in rows]


def test_a_confusion_matrix_worked_by_hand(tmp_path):
    assert counted(confusion(truth(tmp_path, [CAT, DOG, SHY], classes=("cat", "dog")), FOUND)) == [
        ("background", "cat", 1), ("cat", "background", 1), ("cat", "cat", 1), ("dog", "cat", 1),
    ]  # fmt: skip


def test_each_class_has_its_precision_by_size_and_what_was_found_of_it(tmp_path):
    annotations = truth(tmp_path, [CAT, DOG, SHY], classes=("cat", "dog"))
    cat, dog = by_class(annotations, FOUND, confusion(annotations, FOUND))
    assert (cat["category"], cat["boxes"], cat["matched"], cat["false_alarms"]) == ("cat", 2, 1, 2)
    assert (dog["category"], dog["boxes"], dog["matched"], dog["false_alarms"]) == ("dog", 1, 0, 0)
    # precision is 1 up to recall 1/2, which are 51 points, and 2/4 for the other 50; two false alarms stand between
    assert cat["ap"] == cat["ap50"] == pytest.approx((51 + 50 / 2) / 101, abs=1e-12)
    assert (cat["ap_medium"], dog["ap_small"], dog["ap_medium"], dog["ap"]) == (None, None, 0.0, 0.0)
    assert cat["ap_small"] is not None


def test_a_crowd_is_no_box_that_could_be_missed(tmp_path):
    annotations = truth(tmp_path, [*BOXES, (1, 20, 60, 30, 30)])
    content = json.loads(annotations.read_text())
    content["annotations"][-1]["iscrowd"] = 1
    annotations.write_text(json.dumps(content))
    found = [detection(1, [0, 0, 10, 8], 0.9)]
    again = resampled_ap(matches(annotations, found), np.ones((1, 1), dtype=int))
    assert again[0] == pytest.approx(average_precision(annotations, found)["ap"], abs=1e-12)
    assert again[0] == pytest.approx(0.7 * 51 / 101, abs=1e-12)


def test_a_picture_with_more_boxes_than_ten_counts_them_all(tmp_path):
    boxes = [(1, 8 * number, 8 * number, 6, 6) for number in range(12)]
    annotations, found = truth(tmp_path, boxes), [detection(1, list(box), 0.9) for _, *box in boxes]
    (thing,) = by_class(annotations, found, confusion(annotations, found))
    assert thing["ap"] == average_precision(annotations, found)["ap"] == 1.0


def test_where_nothing_is_found_every_box_is_missed(tmp_path):
    annotations = truth(tmp_path, [CAT, DOG], classes=("cat", "dog"))
    assert counted(confusion(annotations, [])) == [("cat", "background", 1), ("dog", "background", 1)]
    missed = by_class(annotations, [], confusion(annotations, []))
    assert [(row["boxes"], row["matched"], row["ap"]) for row in missed] == [(1, 0, 0.0)] * 2


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


def test_each_category_keeps_its_own_matches_and_one_without_detections_has_none(tmp_path):
    """In two images a cat is found, a dog in another place, a cow missed; no horse is there: AP is a third of 1."""
    found = [detection(1, list(CAT[1:5]), 0.9), detection(1, [90, 90, 5, 5], 0.8) | {"category_id": 2}]
    boxes = [CAT, DOG, (2, 50, 50, 20, 20)]
    told = matches(truth(tmp_path, boxes, images=2, classes=("cat", "dog", "cow", "horse")), found)
    assert [one["positives"] for one in told["categories"]] == [[[0, 1]], [[0, 1]], [[1, 1]], []]
    assert [[bool(hits) for hits in one["hits"]] for one in told["categories"]] == [[True], [False], [], []]
    assert resampled_ap(told, np.ones((1, told["images"]), dtype=int))[0] == pytest.approx(1 / 3)


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
    classes = by_class(annotations, found, confusion(annotations, found))
    assert np.mean([row["ap"] for row in classes]) == pytest.approx(measured["ap"], abs=1e-12)
    large = [row["ap_large"] for row in classes if row["ap_large"] is not None]
    assert np.mean(large) == pytest.approx(measured["ap_large"], abs=1e-12)
    again = resampled_ap(matches(annotations, found), image_weights(100, 0))
    assert again[0] == pytest.approx(measured["ap"], abs=1e-12)
