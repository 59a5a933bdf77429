"""The printed tables are facts that can be looked up, without torch."""

import doctest
import math
import subprocess
import sys

import pytest
import yaml

from focalbench_suite.results import papers


def test_published_numbers_are_found():
    assert papers.row("fl-1b", gamma=2.0)["AP"] == 34.0
    assert papers.row("gfl-3", qfl=True, dfl=True)["AP"] == 40.2
    assert papers.row("torchvision-zoo", model="retinanet_resnet50_fpn")["AP"] == 36.4


def test_an_ambiguous_lookup_is_refused():
    with pytest.raises(LookupError, match="7 rows"):
        papers.row("fl-1b")


def test_every_row_has_figures_and_a_command_without_gaps():
    for table in papers.printed_tables().values():
        for row in table.rows:
            assert table.figures(row), (table.id, row)
            assert "{" not in table.command_for(row)


def test_settings_and_figures_divide_a_row():
    table = papers.printed_tables()["fl-1e"]
    row = table.rows[0]
    assert table.setting_of(row) == {"depth": 50, "scale": 400}
    assert {**table.setting_of(row), **table.figures(row)} == row


def test_an_origin_is_of_a_source_that_is_printed_and_says_where_it_was_read():
    known = [one for one in papers.origins().values() if one.made_with != papers.UNKNOWN]
    entries = yaml.safe_load(papers.ORIGINS.read_text(encoding="utf-8"))
    assert len(known) == sum(len(entry["sources"]) for entry in entries)
    assert all(one.url for one in known)
    assert doctest.testmod(papers) == (0, 1)


def test_the_published_quality_focal_loss_without_absolute_value_is_nan_where_the_origins_say_so():
    """By hand: beta powers of y - p at logit 2, y 0.5, times the cross entropy."""
    p = 1 / (1 + math.exp(-2.0))
    entropy = -0.5 * math.log(p) - 0.5 * math.log(1 - p)
    said = papers.origins()["GFocal, official code"].today
    assert f"{(0.5 - p) * entropy:.3f} there and {abs(0.5 - p) * entropy:.3f} now" in said
    assert isinstance((0.5 - p) ** 2.5, complex)  # which a tensor says as NaN


def test_looking_up_needs_no_torch():
    code = "import sys, results.papers as p; p.printed_tables(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
