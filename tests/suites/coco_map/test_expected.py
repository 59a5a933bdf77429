"""How many seeds a comparison will take, from made-up committed trainings."""

import pandas as pd
import pytest

from focalbench_suite.suites.coco_map.expected import expected

OWN, LIBRARY = (0.30, 0.32, 0.31, 0.30, 0.32), (0.31, 0.31, 0.31, 0.31, 0.31)  # differences -1, 1, 0, -1, 1 points


@pytest.fixture
def reference(tmp_path):
    trained = {"own": OWN, "library": LIBRARY}
    rows = [
        {"host": host, "dataset": data, "schedule": "mini", "dtype": dtype, "variant": variant, "seed": seed}
        | {"ap": ap, "wall_s": 60.0}
        for host, dtype, data in (("gfl", "float32", "a"), ("gfl", "float64", "a"), ("retinanet", "float64", "a"))
        for variant, aps in trained.items()
        for seed, ap in enumerate(aps)
    ]
    rows += [row | {"dataset": "b", "ap": 0.9} for row in rows if row["seed"] == 0]  # another, of which little is known
    (tmp_path / "mine").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "mine" / "coco_map.csv", index=False)
    return tmp_path


def test_the_seeds_are_those_whose_interval_fits_into_the_margin(reference):
    """A pair's spread is one point, as is the margin: t quantile / sqrt(n) is below 1 from n = 7 on (2.447 / 2.646)."""
    (one,) = expected(reference, ("gfl", "retinanet"), "mini")
    assert (one.host, one.training_s, one.measured) == ("gfl", 60.0, "mine: a")
    assert one.spread == pytest.approx(0.01)
    assert (one.margin, one.seeds) == (0.01, 7)


def test_nothing_is_said_of_a_schedule_that_was_not_trained(reference):
    assert list(expected(reference, ("gfl",), "1x")) == []
