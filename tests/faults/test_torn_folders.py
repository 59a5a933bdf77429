"""Run folders and baselines that something tore: every command that reads one ends with an answer or one line.

What is whole is not lost: a table has every record that the run has, and nothing but what a command makes is changed.
"""

from __future__ import annotations

import csv
import random
import shutil

import pytest

from focalbench_suite import commands
from focalbench_suite.results import baseline, report, tables
from focalbench_suite.results.store import Run
from tests.faults.tearing import tear_baseline, tear_run
from tests.results.made_up import ENVIRONMENT, every_record

SHORT, LONG = 12, 500
FINE, REGRESSION, USAGE, FAILED = 0, 1, 2, 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run folder with all that a run leaves, and a baseline of it."""
    folder = tmp_path_factory.mktemp("whole")
    run = Run.create(folder / "run", ENVIRONMENT)
    for record in every_record():
        run.append(record)
    report.write(run, tables.write(run))
    baseline.renew(run, folder / "baseline")
    return folder


@pytest.fixture
def torn(whole, tmp_path, seed, monkeypatch):
    """A copy of the run, damaged; the checkout that baselines go to is another folder."""
    monkeypatch.setattr(commands.report, "CHECKOUT", tmp_path / "checkout")
    shutil.copytree(whole / "run", tmp_path / "torn")
    tear_run(tmp_path / "torn", random.Random(seed))
    return tmp_path / "torn"


def test_a_torn_run_is_reported_or_refused(seed, torn, call):
    before = content(torn)
    ended = call("report", "--paper", torn)
    assert ended.status in (FINE, USAGE, FAILED), ended
    assert ended.status == FINE or ended.lines, ended
    assert len(ended.lines) <= 2, ended  # which lines are left out, and why it ended
    assert content(torn) == before
    if ended.status == FINE:
        with (torn / "tables" / "cells.csv").open(newline="") as stream:
            assert {row["cell"] for row in csv.DictReader(stream)} == Run(torn).keys()


def test_a_torn_run_costs_a_comparison_no_more_than_what_is_torn(seed, torn, whole, call):
    for order in ((torn, whole / "run"), (whole / "run", torn), (whole / "baseline", torn)):
        ended = call("compare", *order)
        assert ended.status in (FINE, REGRESSION, USAGE, FAILED), ended
        assert (ended.status == USAGE) == (ended.out == ""), ended
        assert len(ended.lines) == (ended.status == USAGE), ended


def test_no_baseline_is_made_of_a_torn_run_unless_it_reads_as_whole(seed, torn, whole, call, tmp_path):
    ended = call("baseline", torn, "torn")
    place = tmp_path / "checkout" / "results" / "reference" / "torn"
    assert ended.status in (FINE, USAGE), ended
    assert place.exists() == (ended.status == FINE)
    if ended.status == FINE:
        assert Run(torn).unreadable() == []
        assert Run(torn).environment()


def test_a_torn_baseline_is_compared_or_refused(seed, whole, call, tmp_path):
    shutil.copytree(whole / "baseline", tmp_path / "torn")
    tear_baseline(tmp_path / "torn", random.Random(seed))
    for order in ((tmp_path / "torn", whole / "run"), (whole / "run", tmp_path / "torn")):
        ended = call("compare", *order)
        assert ended.status in (FINE, REGRESSION, USAGE, FAILED), ended
        assert len(ended.lines) == (ended.status == USAGE), ended


def content(run):
    """The two files that a run is; None for what nobody can read."""
    return [_read(run / name) for name in ("records.jsonl", "environment.json")]


def _read(file):
    try:
        return file.read_bytes() if file.is_file() else None  # a pipe waits for its other end for ever
    except OSError:
        return None
