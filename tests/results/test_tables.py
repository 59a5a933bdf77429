"""Tables come from the records alone, always exist, and say no more digits than were measured."""

import subprocess
import sys

import pandas as pd
import pytest

from focalbench_suite.results import numbers, printing, tables
from focalbench_suite.results.schema import TABLES
from tests.results.made_up import claim

CONTRACT = {  # the columns that others build on
    "agreement": "loss adapter library version device dtype quantity probe points max_ulp max_abs_error max_rel_error "
    "verdict relation",
    "findings": "loss adapter kind statement example expected got",
    "capability": "loss adapter capability supported detail",
    "throughput": "loss adapter library version device device_name dtype workload rows classes pass rounds median_ms "
    "ci_low_ms ci_high_ms elements_per_second bandwidth_fraction peak_memory_bytes ratio_to_own ratio_ci_low "
    "ratio_ci_high",
    "coco_map": "host variant adapter dataset images_train images_val schedule iterations seed device ap ap50 ap75 "
    "ap_small ap_medium ap_large first_loss final_loss status wall_s",
    "coco_map_compare": "host variant_a variant_b seeds mean_difference ci_low ci_high verdict",
    "coco_map_drift": "host variant_a variant_b dataset schedule device seed dtype term steps first_step median "
    "last_step largest first_beyond_1e-9",
    "claims": "source place claim printed recomputed relation tolerance verdict note",
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory, write_run):
    """The tables of a run without a record."""
    written = write_run(tmp_path_factory.mktemp("tables") / "empty", [])
    tables.write(written)
    return written.tables


@pytest.mark.parametrize("name", CONTRACT)
def test_every_table_exists_with_the_contracts_columns_even_without_a_record(name, empty):
    for form in ("csv", "parquet", "md", "tex"):
        assert (empty / f"{name}.{form}").is_file()
    header = (empty / f"{name}.csv").read_text().splitlines()[0].split(",")
    columns = CONTRACT[name].split()
    assert header[: len(columns)] == columns
    assert list(pd.read_parquet(empty / f"{name}.parquet").columns) == header


@pytest.mark.parametrize("name", CONTRACT)
def test_what_a_suite_adds_follows_the_contracts_columns(name, run):
    header = (run.tables / f"{name}.csv").read_text().splitlines()[0].split(",")
    columns = CONTRACT[name].split()
    assert header[: len(columns)] == columns
    assert header[-1] == "cell" or name in ("coco_map_compare", "coco_map_drift")


def test_a_row_keeps_every_digit_and_names_the_cell_it_came_from(run):
    rows = pd.read_csv(run.tables / "claims.csv")
    assert rows["recomputed"].iloc[0] == 1 / (1 - 0.9) ** 2
    assert rows["cell"].iloc[0] == "claims/focal/own/cpu/float32/"


def test_every_cell_is_accounted_for_with_its_reason(run, everything):
    cells = tables.build(run)["cells"]
    assert list(cells["cell"]) == sorted(record["key"] for record in everything)
    assert dict(cells["status"].value_counts())["failed"] == 1
    assert "ValueError: <no> & nonsense" in set(cells["reason"])


def test_parquet_and_csv_hold_the_same_rows(run):
    for name in TABLES:
        from_csv = pd.read_csv(run.tables / f"{name}.csv", keep_default_na=False, dtype=str)
        from_parquet = pd.read_parquet(run.tables / f"{name}.parquet")
        assert len(from_csv) == len(from_parquet)
        assert list(from_csv.columns) == list(from_parquet.columns)


def test_a_column_of_numbers_and_words_becomes_text(tmp_path, write_run, everything):
    mixed = [
        {**everything[-1], "key": str(n), "rows": {"claims": [claim() | {"printed": value}]}}
        for n, value in enumerate([0.5, "n/a", [1, 2], None, True])
    ]
    written = write_run(tmp_path / "mixed", mixed)
    tables.write(written)
    assert pd.read_parquet(written.tables / "claims.parquet")["printed"].tolist()[:3] == ["0.5", "n/a", "[1, 2]"]
    assert pd.read_csv(written.tables / "claims.csv", dtype=str)["printed"].iloc[4] == "True"


def test_built_twice_from_the_same_records_every_file_is_identical(run):
    first = {path.name: path.read_bytes() for path in run.tables.iterdir()}
    tables.write(run)
    assert first == {path.name: path.read_bytes() for path in run.tables.iterdir()}


def test_markdown_keeps_pipes_and_newlines_inside_their_cell(run):
    text = (run.tables / "findings.md").read_text()
    assert r"classes \| sums" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [  # worked by hand: two significant digits of the wider side, the value to the same place
        (0.41234, 0.40234, 0.42734, "0.412 ± 0.015"),
        (12.3456, 12.3, 12.4, "12.346 ± 0.054"),
        (1234.0, 1100.0, 1350.0, "1230 ± 130"),
        (-0.00012, -0.0003, 0.0001, "-0.00012 ± 0.00022"),
        (0.2, 0.19, 0.21, "0.200 ± 0.010"),
        (2.0, 0.5, 64.0, "2.0 (0.5 to 64.0)"),  # too unequal for one ±
    ],
)
def test_a_value_is_rounded_to_what_its_interval_supports(value, low, high, expected):
    assert str(numbers.measured(value, low, high)) == expected


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(1.0, float("nan"), 2.0), (1.0, 1.0, 1.0), (float("inf"), 1.0, 2.0), (None, None, None), (1.0, float("-inf"), 2)],
)
def test_without_a_finite_interval_there_is_none(value, low, high):
    assert numbers.measured(value, low, high) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.123456, "0.123"), (12.3456, "12.3"), (1234.56, "1235"), (2.0, "2"), (16777216, "16777216"), (0, "0"),
        (1.23456e-9, "1.23e-09"), (True, "True"), (None, ""), (float("nan"), ""), (float("inf"), "inf"), ("γ", "γ"),
    ],
)  # fmt: skip
def test_a_number_without_an_interval_has_three_digits_or_its_whole_part(value, expected):
    assert numbers.plain(value) == expected


def test_latex_writes_uncertainties_as_siunitx_reads_them_and_rules_as_booktabs():
    frame = pd.DataFrame(
        {"host": ["gfl", "gfl"], "variant_a": ["own_1", "β"], "mean_difference": [0.0123, -0.2], "ci_low": [0.0, -0.21],
         "ci_high": [0.024, -0.19], "seeds": [5, 5], "variant_b": ["a", "b"], "verdict": ["different", "undecided"]}
    )  # fmt: skip
    text = printing.latex(TABLES["coco_map_compare"], frame)
    assert r"\num{0.012(12)}" in text
    assert r"\num{-0.200(10)}" in text
    assert r"own\_1" in text
    assert r"$\beta$" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"\caption{Differences in average precision, paired by seed (host gfl, seeds 5).}" in text


def test_results_import_without_torch_or_any_adapter():
    code = (
        "import sys, pkgutil, importlib\nfrom focalbench_suite import results\n"
        "for module in pkgutil.walk_packages(results.__path__, 'focalbench_suite.results.'):\n"
        "    importlib.import_module(module.name)\n"
        "loaded = {name.removeprefix('focalbench_suite.').partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'torch', 'adapters', 'suites'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sentences_are_broken_into_lines_in_latex_and_words_are_not():
    rows = [
        {"loss": "focal", "adapter": "own", "kind": "precision", "statement": "loses its digits " * 5},
        {"loss": "varifocal", "adapter": "kornia", "kind": "alpha", "statement": "has none"},
    ]
    text = printing.latex(TABLES["findings"], pd.DataFrame(rows))
    assert r"\begin{tabular}{lllp{0.75\linewidth}}" in text  # 9 + 6 + 9 characters and their gaps are a quarter of 120
