"""The pictures that a report shows, against a hand-worked case."""

import base64
import io
import json

from PIL import Image

from focalbench_suite.suites.coco_map.data import Dataset
from focalbench_suite.suites.coco_map.samples import MOST_BOXES, SAMPLES, samples

CAT, DOG = 1, 2


def dataset(folder, boxes, images=3):
    """Grey pictures of 40 x 20 pixels; `boxes` are (image, category, x, y, width, height)."""
    for image in range(1, images + 1):
        Image.new("RGB", (40, 20), (90, 90, 90)).save(folder / f"{image}.png")
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 20} for i in range(1, images + 1)],
        "categories": [{"id": CAT, "name": "cat"}, {"id": DOG, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "bbox": box, "area": 1.0, "iscrowd": 0}
            for n, (image, category, *box) in enumerate(boxes, 1)
        ],
    }
    (folder / "val.json").write_text(json.dumps(content))
    return Dataset("made up", {"val": folder}, {"val": folder / "val.json"})


def found(image, category, box, score=0.9):
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def test_a_picture_shows_what_was_found_what_was_missed_and_what_is_a_false_alarm(tmp_path):
    told = samples(
        dataset(tmp_path, [(2, CAT, 0, 0, 10, 10), (2, DOG, 20, 0, 10, 10), (2, DOG, 30, 10, 8, 8)]),
        [
            found(2, CAT, [1, 0, 10, 10]),  # right: it covers nine tenths of the cat
            found(2, CAT, [20, 0, 10, 10], 0.8),  # takes the first dog for a cat
            found(2, DOG, [0, 12, 5, 5], 0.7),  # where nothing is
            found(2, DOG, [30, 10, 8, 8], 0.2),  # right, and not sure
        ],
    )
    (one,) = told  # the others hold no box
    assert (one["name"], one["width"], one["height"]) == ("2.png", 40, 20)
    assert [(box["category"], box["found"]) for box in one["boxes"]] == [("cat", True), ("dog", False), ("dog", False)]
    assert [(box["category"], box["score"], box["right"]) for box in one["detections"]] == [
        ("cat", 0.9, True),
        ("cat", 0.8, False),
        ("dog", 0.7, False),
    ]
    with Image.open(io.BytesIO(base64.b64decode(one["jpeg"]))) as picture:
        assert picture.size == (240, 120)


def test_crowded_pictures_are_left_out_and_a_few_are_enough(tmp_path):
    crowded = [(1, CAT, 0, 0, 2 + n, 2) for n in range(MOST_BOXES + 1)]
    told = samples(dataset(tmp_path, [*crowded, *((n, CAT, 0, 0, 5, 5) for n in range(2, 9))], images=8), [])
    assert [one["name"] for one in told] == [f"{n}.png" for n in range(2, 2 + SAMPLES)]
    assert all(one["detections"] == [] for one in told)
