"""The README's picture is the committed baseline's, and the README shows it."""

import re
from pathlib import Path

import pandas as pd

from focalbench_suite.results.plots import readme

ROOT = Path(__file__).resolve().parents[2]


def test_the_picture_names_every_source_and_is_the_same_bytes_each_time(tmp_path):
    table = pd.read_csv(readme.REFERENCE / "throughput.csv")
    for name in ("one.svg", "two.svg"):
        readme.draw(table, tmp_path / name)
    drawn = (tmp_path / "one.svg").read_text()
    assert drawn == (tmp_path / "two.svg").read_text()
    assert drawn == (readme.REFERENCE / "focal.svg").read_text()
    timed = set(table[(table["loss"] == "focal") & (table["workload"] == "yolov8-640px-b8")]["adapter"]) - {"own"}
    assert timed <= set(re.findall(r">([\w.+]+)</text>", drawn))


def test_every_file_that_the_readme_links_is_there():
    links = re.findall(r"\]\(([^):]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
