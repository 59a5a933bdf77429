"""The tables of times, from records made by hand: what an interval says, and what a floor is."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from focalbench_suite.results.throughput import step_table, table

PEAK = 8e6  # bytes a ms
READ, WRITTEN, CACHE = 5_376_000, 2_688_000, 1 << 25  # of the records


@pytest.fixture
def record(everything) -> dict[str, Any]:
    """A record of two launches that scatter within and not between."""
    return copy.deepcopy(next(one for one in everything if one["cell"]["suite"] == "throughput"))


def row(record: dict[str, Any], name: str = "forward") -> dict[str, Any]:
    """The one row of a pass."""
    (found,) = (row for row in table([record]).to_dict("records") if row["pass"] == name)
    return found


def taking(record: dict[str, Any], ms: float) -> dict[str, Any]:
    """The record with this time for every call."""
    for launch in record["data"]["launches"]:
        for rounds in launch["rounds"].values():
            rounds["ms"] = [ms] * len(rounds["ms"])
    return record


def test_an_interval_says_over_how_many_launches_it_is(record):
    assert row(record)["interval"] == "Student's t, 2 launches"
    record["data"]["launches"].pop()
    one = row(record)
    assert one["interval"] == "none: one launch"
    assert math.isnan(one["ci_low_ms"])
    assert math.isnan(one["ratio_ci_high"])
    assert one["median_ms"] > 0


def test_a_call_that_streams_at_the_machines_peak_is_at_the_floor_and_none_beyond(record):
    assert row(taking(record, READ / PEAK))["bandwidth_fraction"] == pytest.approx(1)


def test_the_floor_is_what_the_machine_can_do_and_not_what_neighbours_left_of_it(record):
    """Streams that waited for a core all but once made the floor ten times as high, and a quiet call beat it."""
    for launch in record["data"]["launches"]:
        launch["stream_ms"] = {name: [10.0, 9.0, 10.0] for name in launch["stream_ms"]}
    assert row(record)["floor_ms"] == pytest.approx(READ / PEAK)
    record["data"]["launches"][1]["stream_ms"]["forward_backward"] = [10.0, 0.5, 10.0]
    assert row(record)["floor_ms"] == pytest.approx(READ / (2 * PEAK))


def test_what_is_written_counts_as_far_as_the_cache_cannot_hold_it(record):
    assert row(record, "forward_backward")["floor_ms"] == pytest.approx(READ / PEAK)
    record["data"]["cache_bytes"] = WRITTEN // 4
    assert row(record, "forward_backward")["floor_ms"] == pytest.approx((READ + WRITTEN * 3 / 4) / PEAK)


def test_inputs_that_the_cache_holds_have_no_floor(record):
    record["data"]["input_sets"] = CACHE // READ
    assert math.isnan(row(record)["floor_ms"])
    assert math.isnan(row(record)["bandwidth_fraction"])
    assert row(record)["median_ms"] > 0


def test_a_run_from_before_the_peak_was_asked_for_has_no_floor(record):
    del record["data"]["cache_bytes"]
    assert math.isnan(row(record)["floor_ms"])


def test_the_share_of_a_step_has_an_interval_from_two_launches_on(record):
    def shares(launches: list[dict[str, list[float]]]) -> dict[str, Any]:
        (found,) = step_table([record | {"data": {"device_name": "cpu", "rows": 9, "step": launches}}]).to_dict(
            "records"
        )
        return found

    one = {"ms": [10.0, 20.0], "without_ms": [9.0, 18.0]}
    alone = shares([one])
    assert alone["interval"] == "none: one launch"
    assert math.isnan(alone["share_ci_low"])
    both = shares([one, {"ms": [10.0], "without_ms": [9.1]}])
    assert both["launches"] == 2
    assert both["share_ci_low"] < 0.09 < both["loss_share"] < 0.1 < both["share_ci_high"]
