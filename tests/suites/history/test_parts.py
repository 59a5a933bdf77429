"""The parts of a history that are pure functions, each with its example."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import torch
from packaging.version import Version

from focalbench_suite.adapters import find, load
from focalbench_suite.suites.history import halving, importing
from focalbench_suite.suites.history.asked import questions
from focalbench_suite.suites.history.changes import Pair, differences
from focalbench_suite.suites.history.importing import Broken
from focalbench_suite.suites.history.library import find_library
from focalbench_suite.suites.history.observation import ABSENT, BROKEN, Observation, Said, Seen
from focalbench_suite.suites.history.releases import Release, Sources, configured_sources, releases_of
from focalbench_suite.suites.history.walk import History

ROOMS = ("asked", "changes", "halving", "importing", "installing", "library", "releases", "walk")


MODULES = (*(f"suites.history.{room}" for room in ROOMS), "adapters._adapter", "results.history")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name):
    found = doctest.testmod(import_module(f"focalbench_suite.{name}"))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("first", range(1, 10))
def test_halving_finds_every_first_release_and_looks_at_few(first):
    """Ten releases, one change at `first` and one at the last: both found, with fewer than all looked at."""
    names = [str(number) for number in range(10)]
    does = {name: (int(name) >= first) + (name == "9") for name in names}
    seen = {"0": does["0"], "9": does["9"]}
    while wanted := halving.next_releases(names, seen, int.__eq__):
        seen |= {name: does[name] for name in wanted}
    assert {str(first), str(first - 1), "8"} <= seen.keys()


def test_a_release_that_cannot_be_asked_is_gone_around():
    names = list("abcde")
    seen = {"a": 1, "e": 2, "c": None}
    assert halving.next_releases(names, seen, int.__eq__) == ["d"]


def test_releases_are_read_from_folders_and_other_files_left_out(tmp_path):
    for file in ("a_b-1.10-py3-none-any.whl", "a-b-1.9.tar.gz", "other-3.0-py3-none-any.whl", "a_b-1.2.txt"):
        (tmp_path / file).touch()
    assert [str(one) for one in releases_of("A.b", Sources((), (tmp_path,)))] == ["1.9", "1.10"]


def test_what_uv_is_told_in_its_file_is_heeded(tmp_path, monkeypatch):
    for name in ("UV_OFFLINE", "UV_FIND_LINKS", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "uv.toml").write_text('find-links = ["wheels"]\nindex-url = "file:packages"\n')
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    assert configured_sources() == Sources(("file:packages",), (Path("wheels"),))


@pytest.mark.parametrize("name", ["kornia", "monai", "pytorch_toolbelt", "timm", "ultralytics", "focal_loss_torch"])
def test_every_release_is_called_in_one_form(name):
    """The spans of a loss's forms meet: none overlaps the next, and only the newest is open."""
    adapter = load(name)
    spans = {}
    for form in adapter.forms:
        spans.setdefault((form.name, form.label), []).append(form)
    for forms in spans.values():
        forms.sort(key=lambda form: Version(form.since or "0"))
        assert [form.until for form in forms[:-1]] == [form.since for form in forms[1:]]
        assert forms[-1].until is None


@pytest.mark.parametrize(("roundings", "kinds"), [(5, []), (50, ["unexplained"])])
def test_two_releases_differ_where_numbers_move_beyond_the_rounding_of_their_intermediates(roundings, kinds):
    form = find("focal", "own")
    question = next(one for one in questions(form) if one.dtype == "float32" and one.case.power == 2)
    logits = torch.tensor(question.case.logits)
    largest = logits.abs().max().item() * (1 + question.case.power)  # of what a loss of one logit is made
    moved = roundings * 2.0**-23 * (largest * logits.numel() + 1)
    was, now = (
        Seen("focal", "own", answers={question.name: Said(1.0 + off, [0.0], "float32")}) for off in (0.0, moved)
    )
    found = differences(Pair("mine", ("1", "2"), was, now, (form,)))
    assert [one.kind for one in found] == kinds


@pytest.mark.parametrize(("between", "first"), [([], True), (["1.1"], False)])
def test_a_change_came_with_a_release_only_where_none_before_it_is_unknown(between, first):
    versions = ["1.0", *between, "1.2"]
    seen = {
        "1.0": Observation("1.0", [Seen("focal", "kornia", ABSENT, "it has no module kornia.losses")]),
        "1.1": Observation("1.1", [Seen("focal", "kornia", BROKEN, "cannot be imported")]),
        "1.2": Observation("1.2", [Seen("focal", "kornia", verdict="same")]),
    }
    releases = [Release(Version(version)) for version in versions]
    history = History(find_library("kornia"), ("focal",), releases, {version: seen[version] for version in versions})
    *_, row = history.rows()
    assert (row["change"], row["against"], row["first"]) == ("is there; 1.0 had no such loss", "1.0", first)


def test_why_a_module_cannot_be_imported_names_no_place_of_this_machine(tmp_path, monkeypatch):
    (tmp_path / "without_that.py").write_text("from json import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Broken) as error:
        importing.load("without_that:loss", ("without_that",))
    assert str(error.value).endswith("ImportError: cannot import name 'nothing_of_this_name' from 'json'")
