"""COCO folders: found, checked with every fault named, thinned, converted, and never written to."""

import pytest
import yaml

from focalbench_suite.results.store import Run
from focalbench_suite.suites.coco_map.conversion import for_ultralytics
from focalbench_suite.suites.coco_map.data import faults_in, locate, prepare, subset
from focalbench_suite.suites.running import tell_faults

FINE = ([(1, "a.jpg")], [(1, 1, 7, [0, 0, 10, 10], 0)])
VAL = ([(9, "z.jpg")], [(1, 9, 3, [10, 5, 20, 10], 0)])


@pytest.mark.parametrize(
    "layout",
    [
        ("{}2017", "annotations/instances_{}2017.json"),
        ("{}", "instances_{}.json"),
        ("{}", "annotations/instances_{}.json"),
        ("{}2014", "annotations/instances_{}2014.json"),
        ("{}", "{}/_annotations.coco.json"),
    ],
)
def test_the_usual_layouts_are_found(coco, layout):
    dataset = locate(coco(FINE, VAL, layout=layout))
    assert [category["name"] for category in dataset.categories()] == ["dog", "cat"]  # by id
    assert faults_in(dataset) == []


def test_a_split_that_is_called_valid_is_found(coco):
    folder = coco(FINE, VAL, layout=("{}", "{}/_annotations.coco.json"))
    (folder / "val").rename(folder / "valid")
    assert locate(folder).images["val"] == folder / "valid"


def test_a_folder_without_annotations_is_refused_in_one_line_that_says_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match=r"instances_train2017\.json") as error:
        locate(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="is no folder"):
        locate(tmp_path / "nowhere")


def test_annotations_that_are_no_json_are_refused(coco):
    folder = coco(FINE, VAL)
    (folder / "instances_val.json").write_text("{")
    with pytest.raises(ValueError, match=r"instances_val\.json is not JSON"):
        locate(folder)


IN_BOTH = ([(9, "a.jpg"), (10, "z.jpg")], [(1, 10, 3, [10, 5, 20, 10], 0)])
FAULTY = (
    [(1, "a.jpg"), (2, "gone.jpg"), (3, "c.jpg"), (3, "c.jpg")],
    [
        (1, 1, 7, [0, 0, 10, 10], 0),
        (2, 1, 7, [35, 0, 10, 10], 0),  # 5 pixels beyond the right edge
        (3, 1, 7, [3, 3, 0, 10], 0),
        (4, 1, 99, [0, 0, 10, 10], 0),
        (5, 1, 3, [5, 5, 5, 5], 1),
        (6, 77, 7, [0, 0, 10, 10], 0),
        (7, 2, 7, [0, 0, 10, 10], 0),
        (8, 3, 3, [0, 0, 10, 10], 0),
        (8, 3, 3, [0, 0, 10, 10], 0),
    ],
)


def test_every_fault_is_named_with_its_id(coco):
    faults = faults_in(locate(coco(FAULTY, IN_BOTH, files={"a.jpg", "c.jpg", "z.jpg"})))
    assert {(f.split, f.kind, f.identifier) for f in faults} == {
        ("train", "duplicate image id", 3),
        ("train", "missing file", 2),
        ("train", "duplicate annotation", 8),
        ("train", "box over the edge", 2),
        ("train", "box without area", 3),
        ("train", "unknown category", 4),
        ("train", "crowd", 5),
        ("train", "unknown image", 6),
        ("val", "image in train and val", 9),
    }


def test_the_user_is_told_what_is_faulty_before_anything_is_trained(coco, tmp_path, capsys):
    folder = coco(FAULTY, VAL, files={"a.jpg", "c.jpg", "z.jpg"})
    run = Run.create(tmp_path / "run", {})
    tell_faults(run, str(folder))
    told = capsys.readouterr().err
    assert "train: missing file 2: gone.jpg" in told
    assert "train: box without area 3: bbox [3, 3, 0, 10]" in told
    assert "6 faults, without which training goes on" in told
    assert "crowd, 1 times: not trained on" in told
    assert "box over the edge, 1 times: bbox [35, 0, 10, 10], 40×20: cut at the edge" in told
    everything = (run.folder / "faults.txt").read_text().splitlines()
    assert len(everything) == 8
    assert any(line.startswith("train: crowd 5") for line in everything)


def test_training_goes_on_without_what_is_faulty_and_says_how_much_that_was(coco):
    folder = coco(FAULTY, IN_BOTH, files={"a.jpg", "c.jpg", "z.jpg"})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    prepared, _ = prepare(locate(folder))
    kept = prepared.read("train")
    assert [(image["id"], image["file_name"]) for image in kept["images"]] == [(1, "a.jpg"), (2, "c.jpg")]
    assert [(box["id"], box["image_id"], box["bbox"], box["iscrowd"]) for box in kept["annotations"]] == [
        (1, 1, [0, 0, 10, 10], 0),
        (2, 1, [35, 0, 5, 10], 0),  # cut at the edge
        (3, 1, [5, 5, 5, 5], 1),  # crowd stays: evaluation ignores it
        (4, 2, [0, 0, 10, 10], 0),
    ]
    assert [image["file_name"] for image in prepared.read("val")["images"]] == ["z.jpg"]
    assert prepared.left_out["box without area"] == 1
    for_ultralytics(prepared)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_subset_is_fixed_by_its_seed_and_keeps_every_class():
    images = [{"id": n} for n in range(100)]
    annotations = [{"id": n, "image_id": n, "category_id": 1 if n else 2} for n in range(100)]  # class 2 is image 0's
    content = {"images": images, "annotations": annotations, "categories": []}
    chosen = {seed: [image["id"] for image in subset(content, 5, seed)["images"]] for seed in range(20)}
    assert all(0 in ids and 5 <= len(ids) <= 6 for ids in chosen.values())
    assert chosen[3] == [image["id"] for image in subset(content, 5, 3)["images"]]
    assert len({tuple(ids) for ids in chosen.values()}) > 10


def test_the_conversion_for_ultralytics_is_centre_and_size_as_fractions(coco):
    description = for_ultralytics(locate(coco(FINE, VAL)))
    settings = yaml.safe_load(description.read_text())
    assert settings["names"] == {0: "dog", 1: "cat"}
    labels = description.parent / "labels" / "val" / f"{9:012d}.txt"
    assert labels.read_text() == "0 0.50000000 0.50000000 0.50000000 0.50000000"  # (10, 5, 20, 10) of 40 × 20
    assert (description.parent / "images" / "val" / f"{9:012d}.jpg").is_file()
    assert for_ultralytics(locate(coco(FINE, VAL))) == description
