"""Pages to link to: an address lasts, a page tells which release has a finding, and a bug report shows what it says."""

import dataclasses
import doctest
import re
from importlib import import_module
from pathlib import Path
from urllib.parse import urljoin

import pandas as pd
import pytest
from click.testing import CliRunner

from focalbench_suite.results import site
from focalbench_suite.results.findings import address
from focalbench_suite.results.presence import ABSENT, HAS, HAS_NOT, UNKNOWN, Release, releases, since
from focalbench_suite.results.site import About, Contents, bug_report
from focalbench_suite.run_all import main
from tests.results import test_page

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"
NASTY = "<script>alert('x')</script> & \"quotes\" | `ticks` [a](b)"
FINDING = {
    "loss": "focal",
    "adapter": "kornia",
    "kind": "precision",
    "code": "digits_lost",
    "values": '{"target": 0.0, "dtype": "float32", "error": 0.001}',
    "statement": f"loses digits {NASTY}",
    "example": f"print('</code></pre>{NASTY}')\n" + "x = 1  # " + "long " * 60,
    "expected": NASTY,
    "got": "nan",
    "severity": "fragile",
    "known": NASTY,
    "library": "kornia",
    "version": "0.9",
}
ABOUT = {("focal", "kornia"): About("The focal loss: a < b.", "arXiv eq. 5", "kornia.losses:focal", "def focal(): ...")}
ENVIRONMENT = {"time": "2026-11-30T10:00:00", "cpu": NASTY, "python": "3.11.7", "packages": {"torch": "2.13.0"}}


@pytest.mark.parametrize("name", ["results.findings", "results.presence", "results.site.pages", "suites.about"])
def test_the_examples_hold(name):
    found = doctest.testmod(import_module(f"focalbench_suite.{name}"))
    assert found.attempted
    assert not found.failed


def release(version, findings=(), **said):
    """A row of a history."""
    row = {"library": "kornia", "loss": "focal", "adapter": "kornia", "version": version, "released": f"day {version}"}
    empty = dict.fromkeys(("formula", "change", "codes", "example"), "")
    told = {"verdict": "different", "unsafe": "False", "first": "True", "findings": " ".join(findings)}
    return row | empty | told | said


@pytest.fixture(scope="module")
def contents():
    """One finding that 0.8 brought, and one that 0.8 took away."""
    name = address(FINDING)
    history = [
        release("0.6", verdict="absent"),
        release("0.7", ["kornia-focal-alpha-0123abcd"], change=f"is new {NASTY}", codes="release_has"),
        release("0.8", [name], change="returns 1.0", codes="release_value", example=NASTY),
        release("0.9", [name]),
    ]
    gone = FINDING | {"address": "kornia-focal-alpha-0123abcd", "kind": "alpha", "version": "0.7"}
    gone |= {"statement": f"forgets alpha {NASTY}", "code": "without_alpha"}
    return Contents([FINDING], history, ENVIRONMENT, ABOUT, [gone, FINDING | {"address": name}])


@pytest.fixture(scope="module")
def pages(contents, tmp_path_factory):
    """The folder that the pages were written into."""
    out = tmp_path_factory.mktemp("site")
    assert site.write(contents, out) == len(list(out.rglob("*.html")))
    return out


def committed(name):
    """The rows of committed findings by their addresses."""
    rows = pd.read_csv(REFERENCE / name / "findings.csv", dtype=str, keep_default_na=False).to_dict("records")
    found = {address(row): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_no_two_committed_findings_share_an_address_and_another_run_gives_them_the_same():
    assert committed("smoke").keys() <= committed("agreement").keys()


def test_an_address_is_of_what_is_said_not_of_how_much():
    again = FINDING | {"values": '{"target": 0.0, "dtype": "float32", "error": 0.0009}', "version": "1.0", "got": "inf"}
    assert address(again) == address(FINDING)
    others = [
        FINDING | {"values": '{"target": 1.0, "dtype": "float32", "error": 0.001}'},
        FINDING | {"adapter": "kornia.other"},
        FINDING | {"kind": "nonfinite"},
        FINDING | {"device": "cuda"},
    ]
    assert len({address(FINDING), *map(address, others)}) == 5


def test_two_findings_of_one_address_are_refused():
    with pytest.raises(ValueError, match="two findings have the address kornia-focal-precision-"):
        _ = Contents([FINDING, FINDING], [], ENVIRONMENT).entries


def test_the_release_that_brought_a_finding_and_the_one_that_has_it_no_more(contents):
    present, gone = contents.entries.values()
    assert [one.state for one in present.releases] == [ABSENT, HAS_NOT, HAS, HAS]
    assert present.since == "kornia 0.8 (day 0.8) brought it."
    assert gone.since == (
        "It is as old as the loss, which is there since kornia 0.7 (day 0.7). 0.8 (day 0.8) has it no more."
    )
    assert [one.version for one in gone.turns] == ["0.7", "0.8"]


def test_what_is_no_number_has_no_line(contents):
    entry = dataclasses.replace(next(iter(contents.entries.values())), expected="")
    assert "```text\ngot      nan\n```" in bug_report(entry, ENVIRONMENT)


def test_what_was_mended_can_still_be_read(contents, pages):
    _, gone = contents.entries.values()
    told = bug_report(gone, ENVIRONMENT)
    assert told.startswith("# kornia 0.7: focal loss, alpha\n\nThe newest release has it no more.\n\nforgets alpha ")
    assert "- versions: kornia 0.7, torch 2.13.0" in told
    assert FINDING["example"] in told
    page = (pages / "finding" / "kornia-focal-alpha-0123abcd.html").read_text()
    assert "The newest release has it no more." in page
    assert "forgets alpha &lt;script&gt;" in page


def test_what_a_history_does_not_look_for_is_there_as_long_as_nothing_changed():
    rows = [
        release("1", codes="release_has"),
        release("2", codes="release_value"),
        release("3", codes="release_parameter_gone"),
        release("4"),
    ]
    states = [one.state for one in releases("a-b-c-1", "probe_value", "4", rows)]
    assert states == [UNKNOWN, HAS, HAS, HAS]
    assert [one.state for one in releases("a-b-c-1", "default", "4", rows)] == [UNKNOWN, UNKNOWN, HAS, HAS]
    assert [one.state for one in releases("a-b-c-1", "not_deterministic", "4", rows)] == [UNKNOWN] * 3 + [HAS]
    assert [one.state for one in releases("a-b-c-1", "probe_value", "5", rows)] == [UNKNOWN] * 4


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], "No history of a is committed, so the release that brought it is not known."),
        ([UNKNOWN, UNKNOWN], "The history does not look for this, so the release that brought it is not known."),
        ([HAS, HAS], "a has had it since 0, the first release that was looked at."),
        ([UNKNOWN, HAS], "a has had it since 1 at least; of earlier releases it is not known."),
        ([HAS_NOT, HAS], "It came after a 0, with 1 at the latest."),
        ([HAS, HAS_NOT, HAS], "It came after a 1, with 2 at the latest."),
        ([HAS, UNKNOWN, HAS], "a has had it since 0, the first release that was looked at."),
    ],
)
def test_since_when_in_words(states, said):
    assert since("a", [Release(str(place), "", state) for place, state in enumerate(states)]) == said


def test_what_the_newest_release_has_is_not_called_gone():
    gone = [entry for entry in Contents.read(REFERENCE, {}).entries.values() if entry.is_gone]
    assert gone
    assert {entry.releases[-1].state for entry in gone} <= {HAS_NOT, ABSENT, UNKNOWN}


def test_other_peoples_files_are_not_written_over(contents, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(FileExistsError, match="it holds other files"):
        site.write(contents, tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"
    assert site.write(contents, tmp_path / "site") == site.write(contents, tmp_path / "site")


def test_every_link_leads_to_a_page_and_a_place_that_is_there(pages):
    places = {file.as_uri(): set(re.findall(r' id="([^"]+)"', file.read_text())) for file in pages.rglob("*.html")}
    targets = {
        urljoin(page, link)
        for page in places
        for link in re.findall(r'<a [^>]*href="([^"]+)"', Path(page.removeprefix("file://")).read_text())
    }
    assert len(targets) > 6
    missing = [one for one in targets if one.partition("#")[0] not in places]
    missing += [one for one in targets if "#" in one and one.partition("#")[2] not in places[one.partition("#")[0]]]
    assert missing == []


def test_what_data_says_is_shown_and_never_markup(pages):
    told = [file.read_text() for file in pages.rglob("*.html")]
    assert not any("<script" in page or "</code></pre>&lt;" in page.replace(NASTY, "") for page in told)
    assert sum("&lt;script&gt;" in page for page in told) == len(told)


@test_page.needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone_in_light_and_dark(browser, pages, scheme):
    context = browser.new_context(viewport=test_page.PHONE, color_scheme=scheme)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for file in pages.rglob("*.html"):
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= test_page.PHONE["width"], file
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    context.close()
    assert complaints == []


browser = test_page.browser


def test_a_bug_report_says_what_a_maintainer_asks_for(contents):
    told = bug_report(next(iter(contents.entries.values())), ENVIRONMENT)
    assert told.startswith("# kornia 0.9: focal loss, precision\n")
    for part in (
        "- called: `kornia.losses:focal`",
        "- versions: kornia 0.9, torch 2.13.0, Python 3.11.7",
        "- formula: The focal loss: a &lt; b. (arXiv eq. 5)",
        "- since: kornia 0.8 (day 0.8) brought it.",
        f"expected {NASTY}\ngot      nan\n",
        "def focal(): ...",
    ):
        assert part in told
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", told)
    assert "<script" not in outside


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_code_of_a_bug_report_runs_and_shows_what_it_says(capsys, dtype):
    told = "gradient of easy positives loses its digits in " + dtype
    name = next(
        name
        for name, row in committed("agreement").items()
        if row["adapter"] == "torch" and row["statement"].startswith(told)
    )
    ended = CliRunner().invoke(main, ["finding", name])
    assert ended.exit_code == 0
    code = re.search(r"(?s)```python\n(.*?)\n```", ended.output)[1]
    shown = re.search(r"(?s)```text\nexpected (.*?)\ngot +(.*?)\n```", ended.output)
    exec(code, {})
    (_, expected), (_, got) = (line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(expected) == pytest.approx(float(shown[1]), rel=1e-12)
    assert float(got) == float(shown[2])


def test_without_an_id_every_one_is_told_and_a_wrong_one_names_the_nearest(contents):
    of_one = CliRunner().invoke(main, ["finding", "fvcore"]).output.splitlines()
    assert {line.partition("-")[0] for line in of_one} == {"fvcore", "fvcore.jit", "fvcore.star"}
    ended = CliRunner().invoke(main, ["finding"])
    assert {line.split(" ", 1)[0] for line in ended.output.splitlines()} >= committed("agreement").keys()
    near = contents.find
    with pytest.raises(
        LookupError, match="no finding 'kornia-focal-precisoin'; the nearest are kornia-focal-precision"
    ):
        near("kornia-focal-precisoin")


@pytest.mark.parametrize("broken", ["nothing", "no table", "a column", "values"])
def test_a_folder_without_findings_is_one_line(tmp_path, broken):
    (tmp_path / "agreement").mkdir()
    (tmp_path / "agreement" / "environment.json").write_text("{}")
    rows = {
        "nothing": None,
        "no table": "",
        "a column": "loss,adapter\na,b\n",
        "values": ",".join(FINDING) + "\n" + ",".join("x" for _ in FINDING) + "\n",
    }[broken]
    if rows is not None:
        (tmp_path / "agreement" / "findings.csv").write_text(rows)
    with pytest.raises(ValueError, match="holds"):
        Contents.read(tmp_path, {})


def test_the_finding_that_the_readme_prints_is_there():
    told = re.search(r"run_all.py finding (\S+-\w{8})\n", (REFERENCE.parents[1] / "README.md").read_text())
    assert told[1] in committed("agreement")
