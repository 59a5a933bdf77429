"""The report says what the records say: who differs and why, what is fastest, what failed; the same bytes each time."""

import copy
import io
import re
from xml.etree import ElementTree

import pandas as pd
from rich.console import Console

from focalbench_suite.results import answers, report, tables
from focalbench_suite.results.plots import every_plot
from focalbench_suite.results.report import words
from focalbench_suite.results.report.page import command
from focalbench_suite.results.standings import standings


def test_built_twice_from_the_same_records_every_file_is_identical(run):
    files = ("report.html", "report.md", "junit.xml")
    first = [(run.folder / name).read_bytes() for name in files]
    report.write(run)
    assert first == [(run.folder / name).read_bytes() for name in files]


def test_who_differs_from_the_paper_and_how_is_read_from_the_verdicts(run):
    found = {one.adapter: one for one in standings(tables.build(run))["focal"]}
    assert {name: one.standing for name, one in found.items()} == {
        "own": "same",
        "torchvision": "fragile",
        "ultralytics": "reduces",
        "articles.first": "different",
    }
    assert found["articles.first"].reason == "Averages before it modulates."
    assert found["ultralytics"].reason == "Means over classes | sums over rows."
    assert found["own"].relation(found["torchvision"]) == "equal"
    assert found["own"].relation(found["ultralytics"]) == "scaled"
    assert found["own"].relation(found["articles.first"]) == "unequal"


def test_the_markdown_starts_no_tag_that_a_record_names(everything, write_run, tmp_path):
    hostile = copy.deepcopy(everything)
    for record in hostile:
        record["reason"] = "<script>alert(1)</script> & <img src=x onerror=alert(1)>"
        for row in record.get("rows", {}).get("findings", ()):
            row["statement"] = "<script>alert(2)</script>"
    found = write_run(tmp_path / "run", hostile)
    report.write(found)
    text = (found.folder / "report.md").read_text()
    assert "&lt;script>alert(2)" in text
    assert {tag.lower() for tag in re.findall(r"<\s*/?(\w+)", text)} <= {"br"}


def test_a_verdict_without_a_finding_still_says_where_it_differs(run, everything, write_run, tmp_path):
    without = [record for record in everything if record["cell"]["workload"] != "findings"]
    found = {one.adapter: one for one in standings(tables.build(write_run(tmp_path / "run", without)))["focal"]}
    assert found["articles.first"].standing == "different"
    assert found["articles.first"].reason == "value, moderate, float32: 0.436 where the paper has 0.782"


def test_the_fastest_is_ranked_against_those_that_compute_the_same_loss(run):
    (race,) = answers.races(tables.build(run))
    assert [row["adapter"] for row in race.ranked] == ["own", "torchvision", "ultralytics"]
    assert race.times_faster_than(race.ranked[1]) == 12.0
    assert race.tied == []


def test_who_is_not_told_apart_by_pairs_may_be_as_fast(run):
    """By the ratios of pairs, however far launches were from each other: intervals of the times overlap then."""
    frames = tables.build(run)
    frames["throughput"]["ci_low_ms"], frames["throughput"]["ci_high_ms"] = 1.0, 100.0
    (race,) = answers.races(frames)
    assert race.tied == []
    frames["throughput"].loc[frames["throughput"]["adapter"] == "torchvision", "ratio_ci_low"] = 0.99
    (race,) = answers.races(frames)
    assert [row["adapter"] for row in race.tied] == ["torchvision"]
    assert "torchvision may be as fast" in words.race(race)


def test_one_launch_says_who_was_fastest_and_not_who_is(run):
    frames = tables.build(run)
    limits = ["ci_low_ms", "ci_high_ms", "ratio_ci_low", "ratio_ci_high"]
    frames["throughput"][limits] = float("nan")
    (race,) = answers.races(frames)
    assert words.race(race).startswith("own was fastest: 4 ms")
    assert words.race(race).endswith("Timed in one launch, which says nothing of the next: there are no intervals.")


def test_what_the_fastest_saves_is_told_in_time_memory_and_share_of_a_step(run):
    frames = tables.build(run)
    frames["throughput"].loc[frames["throughput"]["adapter"] == "torchvision", "peak_memory_bytes"] = 12_688_000
    frames["training_step"] = pd.DataFrame(
        [
            {"adapter": "own", "loss_share": 0.003, "share_ci_low": -0.001, "share_ci_high": 0.023},
            {"adapter": "torchvision", "loss_share": 0.051, "share_ci_low": 0.04, "share_ci_high": 0.06},
            {"adapter": "own", "dtype": "bfloat16", "loss_share": 0.3, "share_ci_low": 0.2, "share_ci_high": 0.4},
        ]
    ).assign(loss="focal", device="cpu", workload="step")
    frames["training_step"]["dtype"] = frames["training_step"]["dtype"].fillna("float32")
    (race,) = answers.races(frames)
    told = words.saved(race, race.ranked[1])
    assert told == "own saves 44 ms and 10 MB a call, and is less than 2.3 % of a training step instead of 5.1 % (step)"


def test_a_race_is_run_where_most_were_timed_however_large_another_is(run):
    frames = tables.build(run)
    (race,) = answers.races(frames)
    alone = pd.DataFrame([race.first | {"workload": "larger", "rows": 10**6}])
    frames["throughput"] = pd.concat([frames["throughput"], alone])
    assert [again.workload for again in answers.races(frames)] == [race.workload]


def test_the_markdown_opens_with_the_answers(run):
    text = (run.folder / "report.md").read_text()
    assert "torchvision computes the paper's focal loss. articles.first computes another function" in text
    assert "own is fastest: 4.000" in text
    assert "torchvision takes 12 times as long" in text
    assert text.index("## Which are the same function?") < text.index("## Tables")


def test_junit_has_a_truthful_test_case_for_every_cell(run, everything):
    root = ElementTree.parse(run.folder / "junit.xml").getroot()
    assert len(root.findall(".//testcase")) == len(everything)
    assert [case.get("name") for case in root.iter("testcase") if case.find("error") is not None] == [
        "broken/cpu/float32"
    ]
    assert [
        case.find("failure").get("message") for case in root.iter("testcase") if case.find("failure") is not None
    ] == ["no result after 300 s"]
    skipped = {
        case.get("name"): case.find("skipped").get("message")
        for case in root.iter("testcase")
        if case.find("skipped") is not None
    }
    assert skipped == {
        "fvcore/cpu/float32": "absent: fvcore is not installed",
        "kornia/cpu/float32": "unsupported: kornia has no varifocal",
    }
    for suite in root.findall("testsuite"):
        for count, tag in (("errors", "error"), ("failures", "failure"), ("skipped", "skipped"), ("tests", "testcase")):
            assert int(suite.get(count)) == len(list(suite.iter(tag)))


def test_the_summary_fits_one_screen(run):
    console = Console(width=100, file=io.StringIO())
    console.print(report.summary(run))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= 30
    assert any("articles.first: Averages before it modulates." in line for line in lines)
    assert any(line.startswith("28 cells: 24 ok, 1 failed, 1 timeout, 1 unsupported, 1 absent") for line in lines), (
        lines
    )


def test_every_number_leads_to_the_command_that_repeats_its_cell():
    asked = {"profile": "full", "seed": 3, "adapters": ["my losses.py:mine"], "devices": ["cpu"], "coco": None}
    assert command("throughput/focal/mine/cpu/float32/yolov8-640px-b1", asked) == (
        "uv run run_all.py --suite throughput --profile full --seed 3 --adapter 'my losses.py:mine' --device cpu"
        " --cell throughput/focal/mine/cpu/float32/yolov8-640px-b1"
    )


def test_a_training_is_repeated_on_the_same_classes_and_with_the_same_divisor():
    asked = {"coco": "coco", "categories": ["person", "traffic light"], "normalise": "positives"}
    words = command("coco-map/cell", asked)
    assert "--categories 'person,traffic light'" in words
    assert "--normalise positives" in words


def test_a_run_without_a_record_has_a_report_that_says_so(tmp_path, write_run):
    empty = write_run(tmp_path / "run", [])
    report.write(empty)
    assert "No agreement cell was run." in (empty.folder / "report.html").read_text()


def test_errors_over_the_logit_are_the_worst_at_each_whole_logit_and_close_sources_one_line(run, everything):
    lines = copy.deepcopy([line for line in everything if "curves" in line["data"]])
    for line, factor in zip(lines, (1, 1.9, 40, 40), strict=True):
        curves = line["data"]["curves"]
        curves["series"][0]["value_ulp"] = [factor * (8 if logit == 2.25 else 3) for logit in curves["logits"]]
    (ulp,) = (plot for plot in every_plot(tables.build(run), lines)["agreement"] if plot.name == "ulp")
    first, second = ulp.options["focal, value, target 0, float32"]["data"]
    assert first["name"] == "own<br>= torchvision"
    assert second["name"] == "ultralytics<br>= articles.first"
    shown = dict(zip(first["x"], first["y"], strict=True))
    assert (shown[1], shown[2], shown[3]) == (3, 8, 3)
