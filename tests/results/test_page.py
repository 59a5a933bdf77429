"""report.html in a real browser: it opens, sorts, filters, draws, and asks nothing of the network."""

import csv
import io
import os
import shutil

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking",
    "--disable-component-update --disable-sync",
)
PHONE = {"width": 390, "height": 844}
needs_browser = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"), reason="no Chromium on this machine (in CI that is a failure)"
)
pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert BROWSER, "CI needs a Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=" ".join(FLAGS).split())
        yield started
        started.close()


@pytest.fixture
def open_page(browser, run):
    """A function that opens the report; what the page complains of or asks for is collected and must be nothing."""
    complaints, asked, contexts = [], [], []

    def opened(viewport=None, **options):
        context = browser.new_context(viewport=viewport or {"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((run.folder / "report.html").as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def first_column(page, table, column=0):
    return page.locator(f"#table-{table} tbody tr td:nth-child({column + 1})").all_inner_texts()


def test_it_opens_with_the_answers(open_page):
    page = open_page()
    opening = page.locator("#same .lead").inner_text()
    assert "torchvision computes the paper's focal loss" in opening
    assert "articles.first computes another function" in opening
    assert "ultralytics reduces it in another way" in opening
    assert "Averages before it modulates." in page.locator("#same").inner_text()
    assert "own is fastest" in page.locator("#fastest .lead").inner_text()
    assert page.locator("#answers").bounding_box()["y"] < 300


def test_a_table_sorts_by_number_and_back_by_the_keyboard(open_page):
    page = open_page()
    header = page.locator("#table-throughput thead button", has_text="median ms")
    header.focus()
    page.keyboard.press("Enter")
    assert page.locator("#table-throughput th[aria-sort=ascending]").inner_text() == "median ms"
    up = first_column(page, "throughput", 1)
    assert up[0] == "own"
    page.keyboard.press("Enter")
    assert page.locator("#table-throughput th[aria-sort=descending]").count() == 1
    assert first_column(page, "throughput", 1)[0] == "ultralytics"


def test_a_table_filters_and_searches(open_page):
    page = open_page()
    table = page.locator("#table-agreement")
    table.locator("select[data-filter=adapter]").select_option(label="torchvision")
    assert first_column(page, "agreement", 1) == ["torchvision", "torchvision"]
    table.get_by_label("Search").fill("extreme")
    assert table.locator(".caption").inner_text() == "1 of 6 rows"


def test_the_pictures_show_the_librarys_detector_first_and_say_what_each_finds(open_page):
    page = open_page()
    names = page.locator(".samples h4").all_inner_texts()
    assert names == ["retinanet library, seed 0", "retinanet no prior, seed 0"]
    told = [picture.get_attribute("aria-label") for picture in page.locator(".sample").all()]
    assert told[0] == "retinanet library, 1.png: 1 of 1 boxes found, 0 false alarms"


def test_rows_are_copied_as_csv_markdown_and_latex(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    table = page.locator("#table-coco_map_compare")

    def copied(form):
        table.get_by_role("button", name=form).click()
        page.wait_for_function("form => document.getElementById('status').textContent.endsWith(form)", arg=form)
        return page.evaluate("navigator.clipboard.readText()")

    (row,) = csv.DictReader(io.StringIO(copied("CSV")))
    assert (row["variant_a"], row["variant_b"]) == ("no prior", "library")
    assert float(row["mean_difference"]) == 1 / 4 - 1  # one of four boxes found, and all
    assert copied("Markdown").startswith("| host | variant a | variant b |")
    latex = copied("LaTeX")
    assert latex.startswith("\\begin{tabular}{lllrrl}")
    assert "\\toprule" in latex


def test_every_plot_is_drawn_when_it_comes_into_view(open_page):
    page = open_page()
    places = page.locator("[data-plot]")
    names = [places.nth(place).get_attribute("data-plot") for place in range(places.count())]
    assert {
        "agreement/curves",
        "agreement/ulp",
        "throughput/ratios",
        "throughput/scaling",
        "coco-map/training",
        "coco-map/confusion",
        "claims/papers",
    } <= set(names)
    for name in names:
        place = page.locator(f"[data-plot='{name}']")
        place.scroll_into_view_if_needed()
        place.locator("[data-drawn] .main-svg").first.wait_for()
        assert place.locator(".trace, .point, .hm").count() > 0, name
    shown = page.locator("[data-plot='agreement/curves']")
    shown.locator("select").select_option(index=1)
    assert "gradient" in shown.locator("[data-drawn]").get_attribute("data-drawn")


def test_a_number_leads_to_its_record_and_the_command_that_repeats_it(open_page):
    page = open_page()
    row = page.locator("#table-throughput tbody tr").first
    shown = row.locator("td").all_inner_texts()
    row.locator("button").click()
    told = page.locator("dialog[open]").inner_text()
    assert any(f"--cell throughput/focal/own/cpu/float32/{text}" in told for text in shown if text)
    assert "torch 2.13.0" in told
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_text_of_a_record_is_shown_and_never_run(open_page):
    page = open_page()
    page.locator("#table-cells select[data-filter=status]").select_option(label="failed")
    page.locator("#table-cells").get_by_label("all columns").check()
    assert "ValueError: <no> & nonsense" in page.locator("#table-cells tbody").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(open_page, scheme):
    page = open_page(viewport=PHONE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (brightness < 150) == (scheme == "dark")
