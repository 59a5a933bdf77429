"""The reproduction report: printed numbers beside ours, and no word of "reproduced" without the paper's own setting."""

from __future__ import annotations

import re

import pytest

from focalbench_suite.results import paper
from focalbench_suite.results.paper import reproduction
from focalbench_suite.results.papers import printed_tables

ABSENT = ("beta_2.0", "n_16")  # the plain variants are these


def trained(host: str, ap: float, seed: int = 0, **more) -> dict:
    """One row of the table coco_map, of a full COCO run at 1x from a pretrained backbone."""
    row = {"host": host, "variant": "own", "adapter": "own", "dataset": "coco", "images_train": 117_266}
    row |= {"images_val": 5_000, "schedule": "1x", "backbone": "torchvision://resnet50", "seed": seed, "ap": ap}
    return row | more


def claim(source: str, verdict: str, **more) -> dict:
    row = {"source": source, "place": "section 3", "claim": "a_b & 50 % of |x|", "printed": "-log(p_t)^2"}
    return row | {"recomputed": "0.0202027", "verdict": verdict, "note": "≤ 4 × α", "condition": ""} | more


def records(coco: list[dict], claims: list[dict]) -> list[dict]:
    return [{"key": "a", "rows": {"coco_map": coco}}, {"key": "b", "rows": {"claims": claims}}]


def beside(coco: list[dict], table: str, **where) -> list:
    found = reproduction.collect(records(coco, []), {})
    (number,) = [
        number
        for number, row in enumerate(next(t for t in found.tables if t.id == table).rows)
        if all(row.get(key) == value for key, value in where.items())
    ]
    return found.beside.get((table, number), [])


@pytest.fixture
def run(tmp_path, write_run):
    claims = [claim("a zoo", "reference_only"), claim("a paper", "reproduced"), claim("a paper", "not_reproduced")]
    coco = [trained("gfl", 0.347, seed, images_train=200, schedule="quick", backbone="") for seed in (0, 1)]
    return write_run(tmp_path / "run", records(coco, claims))


def test_a_run_as_the_paper_ran_it_is_reproduced_within_the_spread_of_runs():
    (one,) = beside([trained("gfl", 0.400)], "mmdet-zoo", model="gfl_r50_fpn_1x_coco")
    assert (one.printed, one.verdict, one.departures) == (40.2, "reproduced", ())


def test_a_run_as_the_paper_ran_it_with_another_ap_is_not_reproduced():
    (one,) = beside([trained("gfl", 0.397)], "mmdet-zoo", model="gfl_r50_fpn_1x_coco")
    assert one.verdict == "not_reproduced"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images_train": 200}, "200 training images"),
        ({"images_val": 60}, "60 to score"),
        ({"schedule": "quick"}, "schedule quick"),
        ({"backbone": ""}, "from scratch"),
    ],
)
def test_anything_that_differs_from_the_paper_makes_it_a_reference(change, words):
    (one,) = beside([trained("gfl", 0.402, **change)], "mmdet-zoo", model="gfl_r50_fpn_1x_coco")
    assert one.verdict == "reference_only"
    assert [words in departure for departure in one.departures] == [True]


def test_a_table_at_another_image_size_is_a_reference_even_for_a_full_run():
    (one,) = beside([trained("retinanet", 0.340)], "fl-1b", gamma=2.0)
    assert one.verdict == "reference_only"
    assert "600 px" in one.departures[0]


def test_a_row_of_another_setting_has_nothing_beside_it():
    assert beside([trained("retinanet", 0.311)], "fl-1b", gamma=0) == []


def test_an_ablation_stands_beside_its_own_row():
    coco = [trained("retinanet", 0.30, variant="gamma_0.5"), trained("retinanet", 0.31, variant="balanced_0.75")]
    assert [one.ours.variant for one in beside(coco, "fl-1b", gamma=0.5)] == ["gamma_0.5"]
    assert [one.ours.variant for one in beside(coco, "fl-1a", alpha=0.75)] == ["balanced_0.75"]
    assert beside(coco, "fl-1a", alpha=0.5) == []


def test_what_a_variant_cannot_share_with_the_paper_is_said():
    (one,) = beside([trained("gfl", 0.39, variant="beta_1.0")], "gfl-1c", beta=1)
    assert (one.verdict, one.departures) == ("reference_only", ("with DFL",))


def test_every_counterpart_is_a_variant_that_can_be_trained():
    from focalbench_suite.suites.coco_map.variants import VARIANTS

    known = {(variant.host, variant.name) for variant in VARIANTS}
    tables = printed_tables().values()
    found = [one for table in tables for row in table.rows for one in table.counterparts_of(row)]
    assert found
    ablations = [(one["host"], name) for one in found for name in one["variants"] if name not in ABSENT]
    assert set(ablations) <= known


def test_our_own_commands_for_printed_rows_plan_a_training():
    from focalbench_suite.suites import Selection, coco_map

    commands = {t.command_for(row) for t in printed_tables().values() for row in t.rows if "run_all.py" in t.command}
    variants = {tuple(re.findall(r"--variant (\S+)", command)) for command in commands}
    chosen = [names for names in variants if names]
    assert len(chosen) >= 10
    for names in chosen:
        assert coco_map.plan(Selection(variants=names, schedule="1x", coco="coco"))


def test_seeds_of_one_variant_stand_together_with_their_interval():
    (one,) = beside([trained("gfl", 0.40, 0), trained("gfl", 0.404, 1)], "gfl-3", qfl=True, dfl=True)
    assert one.ours.mean == pytest.approx(40.2)
    assert one.ours.half_width == pytest.approx(12.706 * 0.2, rel=1e-3)  # Student's t of one degree of freedom


def test_a_diverged_run_has_no_ap_to_show():
    assert beside([trained("gfl", float("nan")), trained("gfl", None)], "gfl-3", qfl=True, dfl=True) == []


def test_the_markdown_shows_printed_and_ours_in_one_row(run):
    markdown, _ = paper.write(run)
    line = next(line for line in markdown.read_text().splitlines() if "gfl_r50_fpn_1x_coco" in line)
    assert "40.2" in line
    assert "34.7 ± 0.0 (gfl own, 2 seeds)" in line
    assert "reference_only: 200 training images of coco; schedule quick, the paper's is 1x; from scratch" in line


def test_a_remark_that_holds_for_every_variant_is_said_once(tmp_path, write_run):
    coco = [trained("gfl", 0.3, variant=name, images_train=200) for name in ("library", "own")]
    text = paper.write(write_run(tmp_path / "run", [{"key": "a", "rows": {"coco_map": coco}}]))[0].read_text()
    line = next(line for line in text.splitlines() if "gfl_r50_fpn_1x_coco" in line)
    assert "30.0 (gfl library, 1 seed)<br>30.0 (gfl own, 1 seed)" in line
    assert line.count("200 training images") == 1


def test_the_report_says_what_it_was_measured_with(run):
    for path in paper.write(run):
        text = path.read_text()
        assert "torch 2.13.0, torchvision 0.28.0, ultralytics 8.4.190" in text
        assert "0123456789ab" in text


def test_the_markdown_starts_no_tag_that_a_record_names(write_run, tmp_path):
    named = [claim("<script>a paper", "not_reproduced", claim="<img src=x onerror=alert(1)>", note="</td>")]
    markdown, _ = paper.write(write_run(tmp_path / "run", records([], named)))
    assert "&lt;img src=x" in markdown.read_text()
    assert set(re.findall(r"<\s*/?([a-z]+)", markdown.read_text())) <= {"br", "https"}


def test_the_markdown_counts_verdicts_and_puts_what_was_computed_first(run):
    text = paper.write(run)[0].read_text()
    assert re.search(r"\| all +\| 1 +\| 0 +\| 0 +\| 1 +\| 1 +\|", text)
    assert text.index("| a paper") < text.index("| a zoo")
    assert "of \\|x\\|" in text


def test_the_latex_is_a_document_of_its_own(run):
    text = paper.write(run)[1].read_text()
    assert text.startswith("\\documentclass")
    assert text.rstrip().endswith("\\end{document}")
    assert "\\usepackage{array,booktabs,longtable,siunitx}" in text
    for name in set(re.findall(r"\\begin\{(\w+)\}", text)):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}")
    assert "a\\_" in text
    assert "50 \\%" in text
    assert "\\num{40.2}" in text
    assert "\\num{34.7 +- 0.0}" in text


def test_every_line_of_a_latex_table_has_as_many_cells_as_its_head(run):
    text = paper.write(run)[1].read_text()
    for body in re.findall(r"\\begin\{longtable\}(.*?)\\end\{longtable\}", text, re.DOTALL):
        lines = [line for line in body.splitlines() if line.endswith("\\\\")]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in lines}) == 1


def test_the_same_records_give_the_same_bytes(run):
    first = [path.read_bytes() for path in paper.write(run)]
    assert [path.read_bytes() for path in paper.write(run)] == first


def test_a_run_without_claims_or_training_still_has_its_printed_tables(tmp_path, write_run):
    markdown, latex = paper.write(write_run(tmp_path / "run", [{"key": "c", "rows": {}}]))
    assert "No claim was computed in this run." in markdown.read_text()
    assert "34.0" in latex.read_text()


def test_the_report_says_with_what_the_printed_numbers_were_made(run):
    for path in paper.write(run):
        part = path.read_text().partition("With what the printed numbers were made")[2].partition("Printed tables")[0]
        assert "MMDetection 1.1.0" in part
        assert "not known" in part
        assert "VarifocalNet" in part
