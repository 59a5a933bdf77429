"""The generated data set is the same everywhere and is what it says it is."""

import json

import numpy as np
from PIL import Image

from focalbench_suite.suites.coco_map.data import faults_in
from focalbench_suite.suites.coco_map.shapes import CATEGORIES, draw, shapes


def test_an_image_depends_on_its_number_alone():
    (one, boxes), (again, boxes_again), (other, _) = draw(64, 0, 5), draw(64, 0, 5), draw(64, 0, 6)
    assert one.tobytes() == again.tobytes()
    assert boxes == boxes_again
    assert one.tobytes() != other.tobytes()


def test_a_smaller_set_is_the_beginning_of_a_larger_one():
    small, large = shapes(3, 2, 64), shapes(5, 2, 64)
    names = [image["file_name"] for image in small.read("train")["images"]]
    assert names == [image["file_name"] for image in large.read("train")["images"]][:3]
    for name in names:
        assert (small.images["train"] / name).read_bytes() == (large.images["train"] / name).read_bytes()


def test_images_are_jpegs_of_the_stated_size_and_boxes_hold_what_was_drawn():
    dataset = shapes(5, 2, 64)
    content = dataset.read("train")
    for image in content["images"]:
        with Image.open(dataset.images["train"] / image["file_name"]) as opened:
            assert (opened.format, opened.size) == ("JPEG", (image["width"], image["height"]))
    assert {annotation["image_id"] for annotation in content["annotations"]} == {i["id"] for i in content["images"]}
    assert [category["name"] for category in dataset.categories()] == list(CATEGORIES)


def test_the_pixels_inside_a_rectangle_are_its_colour_and_those_outside_are_not():
    number = next(n for n in range(1, 100) if [c for c, _ in draw(64, 0, n)[1]] == [CATEGORIES.index("rectangle")])
    image, [(_, (x, y, width, height))] = draw(64, 0, number)
    pixels = np.asarray(image)
    inside = pixels[int(y) + 2 : int(y + height) - 2, int(x) + 2 : int(x + width) - 2].reshape(-1, 3)
    assert (inside == inside[0]).all()
    assert not (pixels.reshape(-1, 3)[:64] == inside[0]).all()


def test_the_generated_set_has_no_fault():
    assert faults_in(shapes(5, 2, 64)) == []
    assert json.loads(shapes(5, 2, 64).annotations["val"].read_text())["images"][0]["id"] > 1_000_000
