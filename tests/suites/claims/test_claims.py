"""The published numbers come out by hand, and the verdict follows the numbers, not the other way round."""

from __future__ import annotations

import math

import pytest

from focalbench_suite.results.schema import TABLES
from focalbench_suite.suites import Selection, claims
from focalbench_suite.suites.claims import checks, installed, own
from focalbench_suite.suites.claims.claim import Claim, Shown, judge
from focalbench_suite.suites.claims.reading import PLAIN, other_readings

VERDICTS = {"reproduced", "consistent", "not_reproduced", "reproduced_if", "reference_only"}


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """Every row of a smoke run; no record of it may have failed."""
    tasks = claims.plan(Selection(profile="smoke"))
    records = [record for task in tasks for record in claims.execute(task)]
    assert [record.reason for record in records if record.status != "ok"] == []
    return [row for record in records for row in record.rows["claims"]]


def of(rows: list[dict], source: str, **where: str) -> list[dict]:
    return [row for row in rows if row["source"] == source and all(row[key] == value for key, value in where.items())]


def printed(text: str, value: float, **more) -> str:
    """The verdict on a claim that prints `text` where `value` comes out."""
    return judge(Claim("here", "a number", text, lambda read: value, **more), "a test")["verdict"]


def test_well_over_sixty_claims_are_computed(rows):
    computed = [row for row in rows if row["verdict"] != "reference_only"]
    assert len(computed) >= 120
    assert all(row["recomputed"] for row in computed)


def test_every_row_has_the_columns_of_the_table_and_a_known_verdict(rows):
    columns = set(TABLES["claims"].columns)
    assert all(columns <= set(row) for row in rows)
    assert {row["verdict"] for row in rows} == VERDICTS


def test_no_claim_is_listed_twice(rows):
    keys = [(row["source"], row["place"], row["claim"], row["printed"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_a_reference_says_what_would_have_to_be_run(rows):
    references = [row for row in rows if row["verdict"] == "reference_only" and row["source"] != "Run-to-run spread"]
    assert references
    assert all(row["note"].startswith("run: ") and row["recomputed"] == "" for row in references)


@pytest.mark.parametrize(
    ("number", "condition"),
    [
        ("0.00877", "log is to base 10"),
        ("0.44734", "log is to base 10"),
        ("0.007016", "log is to base 10 and the logarithm is rounded to 5 decimals before it is multiplied"),
        ("0.001754", "log is to base 10 and the logarithm is rounded to 5 decimals before it is multiplied"),
        ("0.000003508", "log is to base 10 and the logarithm is rounded to 5 decimals before it is multiplied"),
    ],
)
def test_the_first_articles_numbers_need_their_condition(rows, number, condition):
    found = of(rows, "article 1", printed=number)
    assert found
    assert {row["verdict"] for row in found} == {"reproduced_if"}
    assert {row["condition"] for row in found} == {condition}
    assert all(condition in row["note"] for row in found)


def test_those_conditions_are_what_arithmetic_says():
    base_ten = -math.log10(0.98)
    assert round(base_ten, 5) == 0.00877
    assert f"{0.8 * base_ten:.6f}" != "0.007016"  # the base alone is not enough
    assert f"{0.8 * 0.00877:.6f}" == "0.007016"
    assert f"{0.2 * 0.00877:.6f}" == "0.001754"
    assert f"{0.02**2 * 0.00877:.9f}" == "0.000003508"
    assert f"{-(0.8**2) * math.log10(0.2):.5f}" == "0.44734"


@pytest.mark.parametrize("formula", ["p - 1", "alpha - 1", "-(1 - p_t)^gamma"])
def test_the_first_articles_slips_of_sign_are_found(rows, formula):
    (row,) = of(rows, "article 1", printed=formula)
    assert (row["verdict"], row["condition"]) == ("reproduced_if", "the sign is turned")


def test_the_first_articles_listing_is_the_focal_loss_for_a_single_logit_only(rows):
    found = [row for row in of(rows, "article 1", place="listing") if "is the alpha-balanced" in row["claim"]]
    assert len(found) == 3
    assert {row["condition"] for row in found} == {"the batch holds a single logit"}


@pytest.mark.parametrize(
    ("text", "recomputed"),
    [("100 times lower", "100"), ("0.968", "0.968377"), ("4 times", "4")],
)
def test_the_focal_loss_papers_examples_come_out(rows, text, recomputed):
    found = of(rows, "Focal Loss, arXiv:1708.02002", place="section 3.2", printed=text)
    assert found
    assert {(row["verdict"], row["recomputed"]) for row in found} == {("reproduced", recomputed)}


def test_the_papers_formulas_come_out(rows):
    papers = (
        "Focal Loss, arXiv:1708.02002",
        "Generalized Focal Loss, arXiv:2006.04388",
        "VarifocalNet, arXiv:2008.13367",
    )
    equations = [row for paper in papers for row in of(rows, paper) if row["place"].startswith("eq.")]
    assert len(equations) >= 10
    assert {row["verdict"] for row in equations} == {"reproduced"}


def test_gains_between_table_rows_come_out(rows):
    gains = [row for row in rows if row["printed"] in ("0.9 AP", "2.9 AP", "3.2 AP") and "table" in row["claim"]]
    assert len(gains) == 3
    assert {row["verdict"] for row in gains} == {"consistent"}


def test_printed_figures_that_fit_each_other_are_consistent_and_no_reproduction(rows):
    for row in rows:
        if row["basis"] == "printed":
            assert row["verdict"] != "reproduced", row
    assert sum(row["verdict"] == "consistent" for row in rows) >= 50


def test_a_claim_says_by_which_relation_and_how_closely_it_is_judged(rows):
    (bound,) = [row for row in rows if row["claim"].startswith("cross entropy punishes")]
    assert (bound["relation"], bound["tolerance"]) == (">=", 0.0)
    (digits,) = [row for row in rows if row["printed"] == "0.968"]
    assert (digits["relation"], digits["tolerance"]) == ("=", 0.0005)
    (statement,) = [row for row in rows if row["claim"].startswith("many small losses")]
    assert (statement["relation"], statement["tolerance"]) == ("holds", None)


def test_the_paper_of_late_2017_is_the_conference_paper(rows):
    (row,) = of(rows, "article 1", printed="end of 2017")
    assert (row["verdict"], row["condition"]) == ("reproduced_if", "its conference is meant")


@pytest.mark.parametrize(
    ("place", "printed", "recomputed", "verdict"),
    [
        ("GFL paper, eq. 8, against configs/gfl", "1/4", "0.0625", "reproduced_if"),
        ("GFL paper, eq. 8, against configs/gfl", "1 / N_pos", "the sum of the weights", "not_reproduced"),
        ("FL paper, section 5, against configs/_base_", "smooth L1", "L1Loss", "not_reproduced"),
    ],
)
def test_where_mmdetection_departs_from_the_papers_it_implements(rows, place, printed, recomputed, verdict):
    (row,) = of(rows, "MMDetection 3.3.0", place=place, printed=printed)
    assert (row["recomputed"], row["verdict"]) == (recomputed, verdict)


def test_what_does_not_come_out_says_more_than_that(rows):
    assert [row["claim"] for row in rows if row["verdict"] == "not_reproduced" and not row["note"]] == []


def test_a_library_that_counts_bins_differently_is_named(rows):
    (row,) = [row for row in of(rows, "Ultralytics 8.4.190") if row["claim"].startswith("a side has reg_max bins")]
    assert (row["recomputed"], row["verdict"]) == ("16 logits a side with reg_max 16", "reproduced")


@pytest.mark.parametrize(
    ("values", "holds"),
    [([3.0, 2.0, 1.0], True), ([3.0, 2.0, 2.0], False), ([1.0, 2.0], False), ([2.0, 1.0, 3.0], False)],
)
def test_only_what_falls_at_every_step_is_falling(values, holds):
    shown = checks.falling(values)
    assert shown.holds is holds
    assert shown.figures.startswith(f"from {values[0]:g} to {values[-1]:g}")
    assert ("not falling" in shown.figures) is not holds


@pytest.mark.parametrize(
    ("values", "holds"),
    [([1.0, 0.1, 1e-6], True), ([1.0, 0.1, 0.01], False), ([1, 0, -1], False), ([100.0, 5e-4], True)],
)
def test_only_what_ends_near_nothing_falls_to_zero(values, holds):
    assert checks.falling_to_zero(values).holds is holds


@pytest.mark.parametrize(("best", "holds"), [(0.3, True), (0.31, False), (0.1, False)])
def test_a_minimum_is_below_every_other_point(best, holds):
    points = [0.01 * i for i in range(1, 100)]
    assert checks.least_at(lambda x: (x - 0.3) ** 2, best, points).holds is holds


def test_a_lower_point_that_is_a_multiple_of_the_best_counts():
    assert not checks.least_at(lambda x: (x - 0.5) ** 2, 0.25, [0.25, 0.5]).holds


@pytest.mark.parametrize(("off", "holds"), [(0.0, True), (1e-12, True), (1e-6, False), (0.2, False)])
def test_formulas_agree_to_rounding_alone(off, holds):
    assert checks.agree(lambda x: x * (1 + off), lambda x: x, (0.1, 2.0, 30.0)).holds is holds


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        ("0.693", math.log(2), "reproduced"),
        ("0.694", math.log(2), "not_reproduced"),
        ("0.6931", math.log(2), "reproduced"),
        ("0.6932", math.log(2), "not_reproduced"),
        ("1e-3", 0.00149, "reproduced"),
        ("1e-3", 0.0016, "not_reproduced"),
        ("100 times", 99.4, "not_reproduced"),
        ("-4.6", -4.595, "reproduced"),
        ("4.6", -4.595, "not_reproduced"),
    ],
)
def test_a_number_holds_within_half_a_unit_of_its_last_printed_digit(text, value, verdict):
    assert printed(text, value) == verdict


def test_a_not_a_number_is_not_reproduced():
    assert printed("0.5", math.nan) == "not_reproduced"


def test_bounds_are_bounds():
    assert printed("4", 4.0, relation="<=") == "reproduced"
    assert printed("4", 4.01, relation="<=") == "not_reproduced"
    assert printed("0", -1e-9, relation=">=") == "not_reproduced"


def test_a_printed_number_that_is_wrong_under_every_reading_is_not_reproduced():
    claim = Claim("here", "cross entropy of 0.98", "0.00977", lambda read: read.loss("cross_entropy", 0.98))
    row = judge(claim, "a test")
    assert (row["verdict"], row["condition"]) == ("not_reproduced", "")
    assert row["recomputed"] == "0.0202027"


def test_the_condition_is_found_with_the_fewest_departures():
    claim = Claim("here", "cross entropy of 0.5 in bits", "1.0", lambda read: read.loss("cross_entropy", 0.5))
    assert judge(claim, "a test")["condition"] == "log is to base 2"
    departures = [len(reading.departures) for reading in other_readings()]
    assert departures == sorted(departures)
    assert min(departures) == 1


def test_a_claims_own_condition_is_tried_after_the_readings():
    claim = Claim("here", "a number", "7", lambda read: 3.0, conditions={"it is doubled and one": lambda read: 7.0})
    assert judge(claim, "a test")["condition"] == "it is doubled and one"
    wrong = Claim("here", "a number", "8", lambda read: 3.0, conditions={"it is doubled and one": lambda read: 7.0})
    assert judge(wrong, "a test")["verdict"] == "not_reproduced"


def test_a_statement_shows_its_figures():
    row = judge(Claim("here", "a statement", "so", lambda read: Shown(False, "3 against 4")), "a test")
    assert (row["recomputed"], row["verdict"]) == ("3 against 4", "not_reproduced")


def test_a_claim_without_a_number_must_say_what_is_expected():
    with pytest.raises(ValueError, match="expected="):
        printed("many", 3.0)


@pytest.mark.parametrize("p", [0.02, 0.5, 0.98])
def test_our_losses_are_called_by_probability(p):
    assert own.value("cross_entropy", p) == pytest.approx(-math.log(p), rel=1e-14)
    assert PLAIN.loss("focal", p, gamma=2, alpha=None) == pytest.approx(-((1 - p) ** 2) * math.log(p), rel=1e-12)


def test_the_integral_of_a_hand_made_distribution():
    assert own.expectation([0.25, 0.5, 0.25]) == pytest.approx(1.0, abs=1e-15)


def test_defaults_are_read_without_importing():
    assert installed.defaults("ultralytics", "utils/loss.py", "FocalLoss") == {"gamma": 1.5, "alpha": 0.25}
    with pytest.raises(LookupError, match="defines no"):
        installed.defaults("ultralytics", "utils/loss.py", "NoSuchLoss")
    with pytest.raises(LookupError, match="not installed"):
        installed.folder("no_such_package_here")


def test_a_selection_takes_the_claims_of_its_adapters():
    tasks = claims.plan(Selection(adapters=("torchvision",)))
    assert {task.cells[0].adapter for task in tasks} == {"torchvision"}
    assert claims.plan(Selection(losses=("varifocal",), adapters=("torchvision",))) == []


def test_a_claim_that_raises_is_named_and_the_others_keep_their_rows(monkeypatch):
    good = Claim("here", "fine", "1", lambda read: 1.0)
    bad = Claim("there", "breaks", "1", lambda read: 1 / 0)
    source = claims.Source("made up", "own", (bad, good))
    monkeypatch.setattr(claims, "every_source", lambda: (source,))
    (task,) = claims.plan(Selection())
    (record,) = claims.execute(task)
    assert record.status == "failed"
    assert "there, breaks: ZeroDivisionError" in record.reason
    assert [row["claim"] for row in record.rows["claims"]] == ["fine"]


def test_a_claim_about_a_library_that_is_missing_is_a_reference(monkeypatch):
    claim = Claim("here", "a default", "1", lambda read: installed.defaults("no_such_package_here", "a.py", "f")["x"])
    source = claims.Source("made up", "own", (claim,))
    monkeypatch.setattr(claims, "every_source", lambda: (source,))
    (record,) = claims.execute(claims.plan(Selection())[0])
    (row,) = record.rows["claims"]
    assert (record.status, row["verdict"]) == ("ok", "reference_only")
    assert row["note"] == "no_such_package_here is not installed"


def test_a_wrong_loss_turns_the_verdicts(monkeypatch):
    from focalbench_suite.adapters import own as losses

    right = losses.focal_loss
    monkeypatch.setattr(losses, "focal_loss", lambda x, y, gamma, **more: right(x, y, gamma=gamma + 0.1, **more))
    tasks = claims.plan(Selection(losses=("focal",), adapters=("own",)))
    (task,) = [task for task in tasks if task.cells[0].workload == "Focal Loss, arXiv:1708.02002"]
    (record,) = claims.execute(task)
    wrong = {(row["place"], row["claim"]) for row in record.rows["claims"] if row["verdict"] == "not_reproduced"}
    assert {"eq. 4", "eq. 5", "figure 1", "appendix B"} <= {place for place, _ in wrong}
    assert ("section 3.2", "gamma 2: loss at p_t = 0.9 against cross entropy") in wrong
