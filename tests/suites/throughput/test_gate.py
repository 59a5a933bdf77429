"""The gate's own parts: what a pair of processes says, what the noise allows, how it is told. No time is asserted."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from focalbench_suite.installation import CHECKOUT
from focalbench_suite.suites.throughput import calibrate
from focalbench_suite.suites.throughput.experiment import table
from focalbench_suite.suites.throughput.gate import Outcome, as_plain, confirmed
from focalbench_suite.suites.throughput.paired import Side, SideFailed, launch
from focalbench_suite.suites.throughput.rerun import Rerun, cells_of, code_of
from focalbench_suite.suites.throughput.side import PairedCell


def test_a_pair_times_both_sides_and_survives_a_loss_that_is_not_there():
    cell = PairedCell("focal", "torchvision", 16, 4, repeats=2)
    with closing(Side("base")) as base, closing(Side("head")) as head:
        times = launch(base, head, cell, None, blocks=2, calls=3)
        for side in (times.base, times.head):
            assert len(side) == 2  # blocks
            assert all(wall > 0 and cpu > 0 for block in side for wall, cpu in block)
        with pytest.raises(SideFailed, match="base: KeyError"):
            launch(base, head, PairedCell("focal", "nobody", 16, 4), None, blocks=1, calls=1)


def test_a_change_that_is_seen_once_is_undecided():
    slower = Outcome("cell", "slower", launches=[(0.05, 0.05)] * 3)
    same = Outcome("cell", "same", launches=[(0.0, 0.0)] * 3)
    assert confirmed(slower, slower).verdict == "slower"
    assert confirmed(slower, same).verdict == "undecided"


def test_a_quiet_machine_sees_less_than_a_noisy_one():
    quiet = calibrate.noise_of("cell", [[(0.001, 0.001), (-0.001, 0.0), (0.0, 0.0)]] * 3)
    noisy = calibrate.noise_of("cell", [[(0.05, 0.05), (0.01, 0.0), (0.03, 0.0)], [(-0.04, 0.0), (-0.02, 0), (0, 0)]])
    assert quiet.find == calibrate.SLOWDOWNS[0]
    assert noisy.find is None or noisy.find > quiet.find
    assert quiet.false_alarms <= calibrate.FALSE_ALARMS
    assert quiet.found >= calibrate.FOUND


def test_margins_are_those_of_this_processor_only(tmp_path):
    assert calibrate.margins(tmp_path) == {}
    calibrate.calibration_file(tmp_path).write_text('{"cpu": "another", "cells": [{"cell": "a", "find": 0.2}]}')
    assert calibrate.margins(tmp_path) == {}


def test_a_rerun_exits_by_what_it_found():
    assert Rerun("old", [Outcome("a", "same"), Outcome("b", "undecided")]).exit_status == 0
    assert Rerun("old", [Outcome("a", "slower"), Outcome("b", "failed")]).exit_status == 1
    failed = Rerun("old", [Outcome("a", "failed", reason="head: KeyError")])
    assert failed.exit_status == 3
    assert "head: KeyError" in failed.markdown


def test_cells_of_a_rerun_are_the_losses_that_take_logits():
    names = {cell.loss for cell in cells_of(("own",), ())}
    assert {"focal", "quality_focal", "distribution_focal", "softmax_focal"} <= names
    assert not {"v8_detection", "gfl_head"} & names


def test_old_code_is_a_folder_or_a_commit(tmp_path):
    with pytest.raises(ValueError, match="is an empty folder"), code_of(str(tmp_path)):
        pass
    (tmp_path / "library.py").touch()
    with code_of(str(tmp_path)) as folder:
        assert folder == tmp_path
    with pytest.raises(ValueError, match="neither a folder nor a commit"), code_of("no-such-commit"):
        pass


def test_the_experiment_counts_verdicts():
    lines = [
        {"kind": "same", "load": 1.0, "nice": 0, "seconds": 2.0, **as_plain(Outcome("cell", verdict, ratio=1.0))}
        for verdict in ("same", "same", "faster", "undecided")
    ]
    row = table(lines).iloc[0]
    assert (row["comparisons"], row["same"], row["undecided"], row["share_changed"]) == (4, 2, 1, 0.25)


def test_a_side_runs_the_code_of_its_folder_first(tmp_path):
    """The old adapters are what the base side imports, whatever the present ones are."""
    package = tmp_path / "focalbench_suite"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('the old code')\n")
    with closing(Side("base", (Path(tmp_path),))) as base, pytest.raises(SideFailed, match="base"):
        base.ask(("start", PairedCell("focal", "torchvision", 4, 4), None))


BEFORE_THE_IMPORT_ROOT = "3727cb5"  # its modules say `from adapters import …`


@pytest.mark.skipif(
    subprocess.run(["git", "cat-file", "-e", BEFORE_THE_IMPORT_ROOT], cwd=CHECKOUT, check=False).returncode != 0,
    reason="a shallow clone, without that commit",
)
def test_a_commit_from_before_the_one_import_root_is_timed():
    with code_of(BEFORE_THE_IMPORT_ROOT) as folder, closing(Side("base", (folder,))) as base:
        for adapter in ("own", "torchvision"):
            assert base.ask(("start", PairedCell("focal", adapter, 4, 4, repeats=1), None))[0] == "ready"
            base.tell(1)
            times, _ = base.ask(2)
            assert all(wall > 0 for wall, _ in times)
            base.tell(None)
