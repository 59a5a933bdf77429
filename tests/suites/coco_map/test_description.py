"""`data DIR` as its user sees it: two tables and a page."""

import base64
import io
import sys

import numpy
import pytest
from PIL import Image

from focalbench_suite.run_all import command_line

TRAIN = ([(1, "a.jpg"), (2, "gone<b>.jpg")], [(1, 1, 7, [10, 5, 20, 10], 0), (2, 1, 7, [3, 3, 0, 10], 0)])
VAL = ([(9, "z.jpg")], [(1, 9, 3, [10, 5, 20, 10], 0)])


def test_faults_counts_and_pictures_are_shown(coco, tmp_path, monkeypatch, capsys):
    folder, page = coco(TRAIN, VAL, files={"a.jpg", "z.jpg"}), tmp_path / "page.html"
    monkeypatch.setattr(sys, "argv", ["run_all.py", "data", str(folder), "--page", str(page)])
    with pytest.raises(SystemExit) as ended:
        command_line()
    told = capsys.readouterr().out
    assert not ended.value.code
    assert [line.split("│")[1:5] for line in told.splitlines() if "missing file" in line or "without area" in line] == [
        [" train ", " missing file     ", " 1     ", " left out     "],
        [" train ", " box without area ", " 1     ", " left out     "],
    ]
    counted = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if " cat " in line]
    assert counted == [["train", "cat", "1", "1", "0", "0"], ["val", "cat", "0", "0", "0", "0"]]
    assert "2 records are left out" in told
    written = page.read_text()
    assert "gone&lt;b&gt;.jpg" in written
    assert "<b>" not in written
    picture = written.partition("data:image/jpeg;base64,")[2].partition('"')[0]
    drawn = numpy.asarray(Image.open(io.BytesIO(base64.b64decode(picture))), dtype=int)
    assert drawn.shape == (160, 320, 3)
    line, beside = drawn[40, 100:200].mean(0), drawn[20, 100:200].mean(0)  # the box's upper edge, at 8 times its place
    assert abs(line - beside).sum() > 50


def test_a_folder_that_is_none_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run_all.py", "data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command_line()
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
