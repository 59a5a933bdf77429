"""One annotation file for all pictures, as annotation tools export them: divided, and each picture found."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from focalbench_suite.suites.coco_map.data import locate, prepare

CATEGORIES = [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}]


def write(folder, file, place, named=lambda number: f"{number}.png", splits=()):
    """Ten pictures of different grey with a box each, in one file."""
    images = []
    for number in range(10):
        (folder / place).mkdir(parents=True, exist_ok=True)
        Image.new("L", (32, 32), 20 * number).save(folder / place / f"{number}.png")
        images.append({"id": number, "file_name": named(number), "width": 32, "height": 32})
    for image, split in zip(images, splits, strict=False):
        image["split"] = split
    boxes = [
        {"id": n, "image_id": n, "category_id": 1 + 2 * (n % 2), "bbox": [1, 1, 9 + n, 9], "iscrowd": 0}
        for n in range(10)
    ]
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps({"images": images, "annotations": boxes, "categories": CATEGORIES}))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOCALBENCH_CACHE", str(tmp_path / "cache"))


def names(dataset, split):
    return {image["file_name"].rpartition("/")[2] for image in dataset.read(split)["images"]}


@pytest.mark.parametrize(
    ("file", "place", "named"),
    [
        ("annotations/instances_default.json", "images", "{}.png"),
        ("annotations/instances_default.json", "images/default", "{}.png"),
        ("result.json", "images", "images/{}.png"),
        ("result.json", "images", "../../label-studio/data/media/upload/1/{}.png"),
        ("result.json", "images", "images\\1\\{}.png"),
        ("_annotations.coco.json", "", "{}.png"),
    ],
)
def test_what_the_tools_export_is_found_and_one_in_five_is_held_for_val(tmp_path, file, place, named):
    folder = write(tmp_path / "mine", file, place, named.format)
    prepared, faults = prepare(locate(folder))
    train, val = (names(prepared, split) for split in ("train", "val"))
    assert (len(train), len(val)) == (8, 2)
    assert not train & val
    assert [(fault.kind, fault.fatal) for fault in faults] == [("held for val", False)]
    assert all((prepared.images["val"] / image["file_name"]).is_file() for image in prepared.read("val")["images"])


def test_the_pictures_that_are_held_are_the_same_in_another_folder_and_order(tmp_path):
    one = locate(write(tmp_path / "one", "result.json", "images"))
    other = write(tmp_path / "other", "result.json", "images")
    content = json.loads((other / "result.json").read_text())
    (other / "result.json").write_text(json.dumps(content | {"images": content["images"][::-1]}))
    assert names(one, "val") == names(locate(other), "val")


def test_splits_that_are_named_are_heeded_and_those_of_test_told(tmp_path):
    splits = [*["train"] * 5, *["valid"] * 3, *["test"] * 2]
    prepared, faults = prepare(locate(write(tmp_path / "mine", "annotations.json", "images", splits=splits)))
    assert names(prepared, "train") == {f"{n}.png" for n in range(5)}
    assert names(prepared, "val") == {f"{n}.png" for n in range(5, 8)}
    assert [(fault.kind, fault.identifier) for fault in faults] == [("not used", 2)]


@pytest.mark.parametrize(
    ("splits", "told"), [(["nope"] * 10, "the split 'nope'"), (["train"], "no split, while others")]
)
def test_a_split_that_nobody_knows_is_refused_in_one_line(tmp_path, splits, told):
    with pytest.raises(ValueError, match=told) as error:
        locate(write(tmp_path / "mine", "annotations.json", "images", splits=splits))
    assert "\n" not in str(error.value)


def test_a_box_of_no_picture_is_a_fault(tmp_path):
    folder = write(tmp_path / "mine", "result.json", "images")
    content = json.loads((folder / "result.json").read_text())
    content["annotations"].append(content["annotations"][0] | {"id": 77, "image_id": 99})
    (folder / "result.json").write_text(json.dumps(content))
    _, faults = prepare(locate(folder))
    assert [fault.identifier for fault in faults if fault.fatal] == [77]
