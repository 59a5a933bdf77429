"""What the suite finds by itself in installed libraries, and that every finding can be shown by pasting its example."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path

import pytest

from focalbench_suite import adapters
from focalbench_suite.suites.agreement import findings, known

REFERENCE = Path(__file__).parents[3] / "results" / "reference" / "agreement"
SOURCES = ("own", "articles", "torchvision", "ultralytics", "torch", "fvcore")


@pytest.fixture(scope="module")
def found():
    """Every finding of the sources that import quickly, by adapter and loss."""
    losses = [
        loss for name in SOURCES for loss in adapters.load(name).losses if adapters.CANONICAL[loss.name].of_logits
    ]
    return {(loss.label, loss.name): findings.of_source(loss, "", "cpu") for loss in losses}


def told(found, adapter, loss, kind):
    return [finding["statement"] for finding in found[adapter, loss] if finding["kind"] == kind]


def test_ultralytics_focal_loss_depends_on_the_shape_of_the_batch(found):
    (statement,) = told(found, "ultralytics", "focal", "reduction")
    assert statement.startswith("reduces by mean over dim 1, then sum, so its value depends on how the batch is shaped")


@pytest.mark.parametrize(
    ("adapter", "loss"), [("torchvision", "focal"), ("ultralytics", "focal"), ("torch", "cross_entropy")]
)
def test_losses_on_cross_entropy_with_logits_lose_easy_negatives(found, adapter, loss):
    statements = told(found, adapter, loss, "precision")
    assert any(
        re.search(r"value of easy negatives .* float32.* at logit -8, exactly 0 at -1[67]", s) for s in statements
    )
    assert any(re.search(r"value of easy negatives .* bfloat16.* exactly 0 at -4\.59", s) for s in statements)


def test_a_power_of_one_half_gives_nan_gradients_in_torchvision_and_ultralytics_but_not_in_ours(found):
    for adapter in ("torchvision", "ultralytics"):
        assert any("gradient is NaN" in s and "gamma = 0.5" in s for s in told(found, adapter, "focal", "nonfinite"))
    assert told(found, "own", "focal", "nonfinite") == []


def test_where_the_paper_defines_no_value_whatever_a_loss_gives_is_a_note(found):
    mine = [row for (adapter, _), rows in found.items() if adapter == "own" for row in rows]
    assert {(row["kind"], row["severity"]) for row in mine} == {("target_range", "note")}


def test_ultralytics_distribution_focal_loss_writes_into_its_targets(found):
    assert told(found, "ultralytics", "distribution_focal", "mutation")


def test_all_findings_of_a_source_hold_the_line_that_a_check_says_of_it(found):
    heads = {key: {finding["head"] for finding in rows} for key, rows in found.items() if rows}
    assert all(len(lines) == 1 for lines in heads.values())
    (line,) = heads["ultralytics", "focal"]
    assert line.startswith("fragile: the focal loss, but with ")
    assert line.endswith("reduced by mean over dim 1, then sum")


def test_defaults_are_read_from_the_signature(found):
    assert told(found, "ultralytics", "focal", "defaults") == ["the default gamma is 1.5; the paper's is 2"]


def test_the_first_article_averages_before_it_modulates(found):
    assert "averaged" in " ".join(told(found, "articles.first", "focal", "reduction"))


def test_every_finding_is_shown_by_pasting_its_example(found):
    wrong = []
    for finding in (finding for some in found.values() for finding in some):
        printed = run(finding["example"])
        # what a function that is not the paper's rounds away is told against that function, which no oracle prints
        told = ("got",) if "an intermediate is" in finding["statement"] else ("expected", "got")
        if not all(shown(finding[side], printed) for side in told):
            wrong.append((finding["statement"], finding["expected"], finding["got"], printed))
    assert wrong == []


def run(example):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(example, {})
        except Exception as error:  # some findings are that the call raises
            print(f"{type(error).__name__}: {error}")
    return " ".join(printed.getvalue().split())


def shown(told, printed):
    """Whether every number that a finding tells (to 12 digits) stands in what was printed, or else its text."""
    wanted, there = numbers(told), numbers(printed)
    if not wanted:
        return told[:60] in printed or told in ("finite", "float64")  # what should have come out, in words
    return all(any(n == pytest.approx(w, rel=1e-12, abs=0, nan_ok=True) for n in there) for w in wanted)


def numbers(text):
    return [float(n) for n in re.findall(r"(?<![\w.])-?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf)(?!\w)", text)]


def test_known_differences_are_strict_both_ways(found):
    rows = [f | {"adapter": adapter, "loss": loss} for (adapter, loss), some in found.items() for f in some]
    assert known.stale(rows, found) == []
    assert [(row["adapter"], row["loss"], row["kind"], row["statement"]) for row in rows if not row["known"]] == []


def test_every_known_difference_was_found_in_the_committed_run_of_all_libraries_and_nothing_else():
    with (REFERENCE / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    asked = {place[1:] for entry in known.entries() for place in entry.places}
    assert known.stale(rows, asked) == []
    assert [(row["adapter"], row["loss"], row["kind"], row["statement"]) for row in rows if not row["known"]] == []


def test_a_stale_entry_and_a_new_finding_are_noticed():
    assert ("defaults", "ultralytics", "focal") in known.stale([], [("ultralytics", "focal")])
    assert known.reason("alpha", "own", "focal") == ""


def test_every_known_place_names_a_loss_that_exists():
    for entry in known.entries():
        assert entry.reason
        assert entry.source
        for _, adapter, loss in entry.places:
            assert adapters.find(loss, adapter)
