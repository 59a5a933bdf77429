"""The printed tables are facts that can be looked up, without torch."""

import subprocess
import sys

import pytest

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


def test_looking_up_needs_no_torch():
    code = "import sys, results.papers as p; p.printed_tables(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
