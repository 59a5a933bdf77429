"""COCO folders that something tore: `data` ends with its tables or one line, and of what is left AP is right."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from focalbench_suite.suites.coco_map.data import locate, prepare
from focalbench_suite.suites.coco_map.evaluation import average_precision
from focalbench_suite.suites.coco_map.shapes import shapes
from tests.faults.tearing import change_json, tear_file

SHORT, LONG = 10, 400
FINE, USAGE = 0, 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small data set of drawn shapes, which has nothing wrong with it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOCALBENCH_CACHE", str(tmp_path_factory.mktemp("whole")))
        return shapes(4, 3, 64).images["train"].parent


@pytest.fixture
def torn(whole, tmp_path, seed, monkeypatch):
    """A copy of it, damaged."""
    monkeypatch.setenv("FOCALBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "torn"
    shutil.copytree(whole, folder)
    dice = random.Random(seed)
    annotations = dice.choice(sorted(folder.rglob("*.json")))
    kind = dice.choice(("content", "content", "content", "annotations", "annotations", "picture", "pictures"))
    if kind == "content":
        change_json(annotations, dice)
    elif kind == "annotations":
        tear_file(annotations, dice)
    else:
        pictures = sorted(file for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
        for picture in pictures if kind == "pictures" else [dice.choice(pictures)]:
            tear_file(picture, dice)
    return folder


def test_a_torn_folder_is_described_or_refused_in_one_line(seed, torn, tmp_path, call):
    before = listing(torn)
    ended = call("data", torn, "--page", tmp_path / "page.html")
    assert ended.status in (FINE, USAGE), ended
    assert listing(torn) == before
    if ended.status == USAGE:
        *_, told = ended.lines
        assert str(torn) in told, ended
        assert len(told) < 1000, ended
        return
    assert (tmp_path / "page.html").is_file()
    prepared, _ = prepare(locate(torn))
    assert average_precision(prepared.annotations["val"], perfect(prepared.read("val")))["ap"] == pytest.approx(1)


def perfect(content):
    """What a detector finds that makes no mistake."""
    boxes = [box for box in content["annotations"] if not box["iscrowd"]]
    return [{key: box[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9} for box in boxes]


def listing(folder: Path) -> list[tuple[str, int]]:
    """Every path in it with its size; a link is not followed."""
    return sorted((str(path.relative_to(folder)), path.lstat().st_size) for path in folder.rglob("*"))
