"""Folders as people have them: a perfect detector has AP 1 in every host, or one line says what is wrong."""

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from focalbench_suite.adapters._ultralytics import ensure_quiet
from focalbench_suite.suites.coco_map import mmdetection
from focalbench_suite.suites.coco_map.conversion import for_ultralytics
from focalbench_suite.suites.coco_map.data import locate, prepare
from focalbench_suite.suites.coco_map.evaluation import average_precision
from focalbench_suite.suites.coco_map.recording import Recorder
from focalbench_suite.suites.coco_map.schedules import SMOKE
from focalbench_suite.suites.coco_map.training import Training

SIDE = 64
CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def content(split):
    """Two images of a split and three boxes, as COCO has them."""
    return {
        "images": [
            {"id": number, "file_name": f"{split}{number}.png", "width": SIDE, "height": SIDE} for number in (1, 2)
        ],
        "annotations": [
            box(1, 1, 1, [4, 4, 20, 30]), box(2, 1, 2, [30, 20, 30, 40]), box(3, 2, 2, [8, 8, 40, 40]),
        ],
        "categories": list(CATEGORIES),
    }  # fmt: skip


def box(key, image, category, sides):
    return {
        "id": key, "image_id": image, "category_id": category, "bbox": sides, "area": sides[2] * sides[3], "iscrowd": 0
    }  # fmt: skip


def write(folder, contents, turned=()):
    for split, one in contents.items():
        (folder / split).mkdir(parents=True)
        (folder / f"instances_{split}.json").write_text(json.dumps(one))
        for image in content(split)["images"]:
            name = image["file_name"]
            exif = Image.Exif()
            exif[0x0112] = 6 if name in turned else 1
            Image.new("RGB", (SIDE, SIDE), tuple((name * 3).encode()[3:6])).save(folder / split / name, exif=exif)
    return folder


def with_each(part, change):
    """A change of every annotation, image or category of both splits."""

    def changed(contents):
        for one in contents.values():
            one[part] = [change(dict(entry), place) for place, entry in enumerate(one[part])]

    return changed


def renumbered(numbers, order=(0, 1)):
    """Category ids become others, and the list is in another order."""

    def changed(contents):
        for one in contents.values():
            one["categories"] = [dict(CATEGORIES[i], id=numbers[i]) for i in order]
            for annotation in one["annotations"]:
                annotation["category_id"] = numbers[annotation["category_id"] - 1]

    return changed


def without(key):
    return lambda entry, _: {name: value for name, value in entry.items() if name != key}


def val_numbers_otherwise(contents):
    contents["val"]["categories"] = [{"id": 2, "name": "cat"}, {"id": 1, "name": "dog"}]
    for annotation in contents["val"]["annotations"]:
        annotation["category_id"] = 3 - annotation["category_id"]


def images_by_name(contents):
    for one in contents.values():
        for image in one["images"]:
            image["id"] = f"picture-{image['id']}"
        for annotation in one["annotations"]:
            annotation["image_id"] = f"picture-{annotation['image_id']}"


def another_class_in_val(contents):
    contents["val"]["categories"] = [*CATEGORIES, {"id": 9, "name": "cow"}]
    contents["val"]["annotations"].append(box(4, 2, 9, [1, 1, 5, 5]))


FOLDERS = {
    "as COCO's": lambda contents: None,
    "categories out of order": renumbered((1, 2), order=(1, 0)),
    "ids with gaps, the larger first": renumbered((90, 17)),
    "ids from 0": renumbered((0, 1)),
    "ids as text": with_each("annotations", lambda entry, _: entry | {"category_id": str(entry["category_id"])}),
    "val numbers its classes otherwise": val_numbers_otherwise,
    "a class in val alone": another_class_in_val,
    "annotation ids from 0": with_each("annotations", lambda entry, place: entry | {"id": place}),
    "annotation ids all 0": with_each("annotations", lambda entry, _: entry | {"id": 0}),
    "no annotation ids": with_each("annotations", without("id")),
    "no iscrowd": with_each("annotations", without("iscrowd")),
    "no area": with_each("annotations", without("area")),
    "area 0": with_each("annotations", lambda entry, _: entry | {"area": 0}),
    "image ids are names": images_by_name,
    "no width": with_each("images", without("width")),
    "a box over the edge": with_each("annotations", lambda entry, place: (
        entry | {"bbox": [-8, 40, 40, 60]} if place == 2 else entry
    )),
    "a category twice": lambda contents: contents["val"]["categories"].append(CATEGORIES[0]),
    "one name twice": lambda contents: contents["train"]["categories"].append({"id": 3, "name": "dog"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_perfect_detector_has_ap_one_in_every_hosts_numbering(kind, tmp_path):
    contents = {split: content(split) for split in ("train", "val")}
    FOLDERS[kind](contents)
    prepared, _ = prepare(locate(write(tmp_path, contents)))
    numbers = [category["id"] for category in prepared.categories()]
    assert [category["name"] for category in prepared.categories()] in (["cat", "dog"], ["dog", "cat"])
    for host, boxes in {"mmdetection": mmdetections(prepared), "ultralytics": ultralytics(prepared)}.items():
        assert len(boxes) == 3
        found = [
            {"image_id": image, "category_id": numbers[number], "bbox": sides, "score": 0.9}
            for image, number, sides in boxes
        ]
        assert average_precision(prepared.annotations["val"], found)["ap"] == pytest.approx(1), host


def mmdetections(prepared):
    """(image, class, box) of val as MMDetection's own data set gives them to a training."""
    mmdetection.register()
    from mmdet.registry import DATASETS

    training = Training("gfl", None, prepared, SMOKE, 0, "cpu", "float32", None, Recorder(None, ""))
    found = []
    for one in DATASETS.build(mmdetection._loader(training, "val")["dataset"] | {"pipeline": []}):
        for instance in one["instances"]:
            left, top, right, bottom = instance["bbox"]
            found.append((one["img_id"], instance["bbox_label"], [left, top, right - left, bottom - top]))
    return found


def ultralytics(prepared):
    """(image, class, box) of val as Ultralytics' own data set gives them to a training."""
    ensure_quiet()
    from ultralytics.data.dataset import YOLODataset

    description = for_ultralytics(prepared)
    settings = yaml.safe_load(description.read_text())
    read = YOLODataset(img_path=str(description.parent / "images" / "val"), data=settings, imgsz=SIDE, augment=False)
    return [
        (int(Path(one["im_file"]).stem), int(number), [(x - w / 2) * SIDE, (y - h / 2) * SIDE, w * SIDE, h * SIDE])
        for one in read.labels
        for number, (x, y, w, h) in zip(one["cls"].ravel(), one["bboxes"].tolist(), strict=True)
    ]


def fractions(contents):
    for one in contents.values():
        for annotation in one["annotations"]:
            annotation["bbox"] = [side / SIDE for side in annotation["bbox"]]


def foreign_classes(contents):
    contents["val"]["categories"] = [{"id": 1, "name": "bus"}, {"id": 2, "name": "car"}]


def no_box(contents):
    contents["train"]["annotations"] = []


def nameless(contents):
    contents["train"]["categories"] = [{"id": 1}]


def listless(contents):
    contents["val"]["annotations"] = None


REFUSED = {
    "fractions": (fractions, "fractions of the image"),
    "other classes in val": (foreign_classes, "share no name"),
    "no box": (no_box, "no box of train is left"),
    "a category without a name": (nameless, "not all of its categories have 'name'"),
    "no list of annotations": (listless, "has no list 'annotations'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_nothing_can_be_made_of_is_one_line_that_names_the_folder(kind, tmp_path):
    change, words = REFUSED[kind]
    contents = {split: content(split) for split in ("train", "val")}
    change(contents)
    with pytest.raises(ValueError, match=words) as refused:
        prepare(locate(write(tmp_path / "mine", contents)))
    assert "\n" not in str(refused.value)
    assert str(tmp_path / "mine") in str(refused.value)


def test_of_some_categories_every_host_gets_the_same_boxes_under_the_same_numbers(tmp_path):
    prepared, _ = prepare(locate(write(tmp_path, {s: content(s) for s in ("train", "val")})), categories=("dog",))
    assert prepared.categories() == [{"id": 1, "name": "dog"}]
    assert [image["file_name"] for image in prepared.read("train")["images"]] == ["train1.png", "train2.png"]
    expected = [(1, 0, [30, 20, 30, 40]), (2, 0, [8, 8, 40, 40])]
    assert mmdetections(prepared) == expected
    assert [(image, number, pytest.approx(sides)) for image, number, sides in expected] == ultralytics(prepared)


def test_supercategories_are_classes_to_which_each_category_gives_its_boxes(tmp_path):
    contents = {split: content(split) for split in ("train", "val")}
    for one in contents.values():
        one["categories"] = [dict(entry, supercategory="animal") for entry in one["categories"]]
        one["categories"].append({"id": 3, "name": "bus", "supercategory": "vehicle"})
        one["annotations"].append(box(4, 1, 3, [1, 1, 9, 9]))
    prepared, faults = prepare(locate(write(tmp_path, contents)), categories=("supercategories",))
    assert faults == []
    assert [category["name"] for category in prepared.categories()] == ["animal", "vehicle"]
    assert [one["category_id"] for one in prepared.read("train")["annotations"]] == [1, 1, 1, 2]


def test_a_category_that_there_is_not_is_refused_with_those_that_there_are(tmp_path):
    folder = write(tmp_path, {split: content(split) for split in ("train", "val")})
    with pytest.raises(ValueError, match="no category 'cow'; there are cat, dog"):
        prepare(locate(folder), categories=("cow",))
    with pytest.raises(ValueError, match="category 'cat' has no supercategory"):
        prepare(locate(folder), categories=("supercategories",))


def test_a_picture_that_a_host_cannot_read_as_the_others_do_is_left_out_of_all(tmp_path):
    contents = {split: content(split) for split in ("train", "val")}
    folder = write(tmp_path, contents, turned=("train1.png",))
    (folder / "val" / "val1.png").write_bytes(b"no picture")
    prepared, faults = prepare(locate(folder))
    assert {(fault.split, fault.kind, fault.identifier) for fault in faults} == {
        ("train", "unreadable picture", 1), ("val", "unreadable picture", 1),
    }  # fmt: skip
    for split in ("train", "val"):
        assert [image["file_name"] for image in prepared.read(split)["images"]] == [f"{split}2.png"]
    assert {image for image, *_ in mmdetections(prepared)} == {image for image, *_ in ultralytics(prepared)} == {1}


def test_the_same_picture_under_another_name_is_in_both_splits(tmp_path):
    folder = write(tmp_path, {split: content(split) for split in ("train", "val")})
    (folder / "val" / "val2.png").write_bytes((folder / "train" / "train1.png").read_bytes())
    _, faults = prepare(locate(folder))
    assert [(fault.split, fault.kind, fault.identifier) for fault in faults] == [("val", "image in train and val", 2)]


def test_every_host_trains_on_the_same_boxes(tmp_path):
    contents = {split: content(split) for split in ("train", "val")}
    contents["train"]["annotations"].append(box(4, 2, 1, [5, 5, 0.2, 9]))
    _, faults = prepare(locate(write(tmp_path, contents)))
    assert [(fault.kind, fault.identifier) for fault in faults] == [("box under a pixel", 4)]
