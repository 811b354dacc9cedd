"""The page in a real Chromium: sorting, reading curves, flipping pictures, contrast, and silence on the network."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from documents import ATTACKED, CLOSING, HOSTILE, everything

from perceptbench.reports.formats import html

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra test")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium")

METRICS = list(ATTACKED)
BY_ATTACK = sorted(ATTACKED, key=lambda name: -ATTACKED[name][-1])
MEASURED = "#part-1 tbody:nth-of-type(1) th"
PUBLISHED = "#part-1 tbody:nth-of-type(2) th"
CURVES = "figure[data-chart='0']"

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=BROWSER)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html.files(everything())["report.html"], encoding="utf-8")
    return path.as_uri()


@contextmanager
def _opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page in a browser without a network; what it asked for, complained of or popped up fails the test."""
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    page.wait_for_selector(f"{CURVES} svg .line")
    yield page
    context.close()
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert wrong == []


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with _opened(browser, address, viewport={"width": 1280, "height": 900}) as page:
        yield page


def _heading(page: Any, name: str) -> Any:
    return page.locator("#part-1 thead th", has_text=name)


def test_a_click_sorts_and_a_second_one_turns_round(page: Any) -> None:
    natural = _heading(page, "natural")
    assert page.locator(MEASURED).all_inner_texts() == BY_ATTACK
    assert natural.get_attribute("aria-sort") is None
    natural.locator("button").click()
    best = sorted(ATTACKED, key=lambda name: -ATTACKED[name][0])
    assert page.locator(MEASURED).all_inner_texts() == best
    assert natural.get_attribute("aria-sort") == "descending"
    assert page.locator("#announce").inner_text() == "Sorted by natural, descending."
    natural.locator("button").click()
    assert page.locator(MEASURED).all_inner_texts() == best[::-1]
    assert natural.get_attribute("aria-sort") == "ascending"


def test_keys_sort_words_from_a_and_one_column_says_so(page: Any) -> None:
    page.locator("#part-1 thead button").nth(2).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator(MEASURED).all_inner_texts() == [CLOSING, HOSTILE, "effnet", "lipsim", "psnr"]
    assert page.locator("#part-1 [aria-sort]").all_inner_texts() == ["metric"]
    assert _heading(page, "metric").get_attribute("aria-sort") == "ascending"


def test_published_rows_stay_below_and_empty_cells_last(page: Any) -> None:
    assert page.locator(PUBLISHED).all_inner_texts() == ["LPIPS", "DISTS"]
    _heading(page, "natural").locator("button").click()
    assert page.locator(PUBLISHED).all_inner_texts() == ["DISTS", "LPIPS"]
    for _ in ("descending", "ascending"):
        _heading(page, "after").locator("button").click()
        assert page.locator(MEASURED).last.inner_text() == "psnr"


def _read(page: Any) -> dict[str, list[str]]:
    """What the key beside the curves says: attacked and proved, a metric."""
    rows = page.locator(f"{CURVES} .key tbody tr").all()
    return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}


def test_the_slider_reads_every_curve(page: Any) -> None:
    slider = page.locator(f"{CURVES} input[type=range]")
    assert slider.get_attribute("aria-valuetext") == "eps 2"
    assert _read(page)["lipsim"] == ["47.7 [42.7, 52.7]", "45.5 [40.5, 50.5]"]
    assert _read(page)["psnr"] == ["40.9 [35.9, 45.9]", "–"]  # noqa: RUF001
    slider.focus()
    for step in (2, 1):
        page.keyboard.press("ArrowLeft")
        read = _read(page)
        for name in METRICS:
            assert read[name][0].split(" ")[0] == f"{ATTACKED[name][step]:.1f}"
    assert slider.get_attribute("aria-valuetext") == "eps 0.5"
    spoken = page.locator("#announce").inner_text()
    assert spoken.startswith("eps 0.5: lipsim attacked 68.2 [63.2, 73.2], proved 61.4")


def test_the_pointer_reads_the_nearest_eps(page: Any) -> None:
    box = page.locator(f"{CURVES} .canvas svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    assert page.locator(f"{CURVES} output").inner_text() == "eps 1"
    assert _read(page)["lipsim"][0] == "59.1 [54.1, 64.1]"
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    assert page.locator(f"{CURVES} output").inner_text() == "eps 0"


def test_a_metric_can_be_hidden_and_few_get_bands(page: Any) -> None:
    lines, bands = page.locator(f"{CURVES} .canvas .line"), page.locator(f"{CURVES} .canvas .band")
    page.mouse.move(0, 0)
    assert (lines.count(), bands.count()) == (6, 0)
    box = page.get_by_role("checkbox", name="lipsim").first
    box.focus()
    page.keyboard.press("Space")
    box.blur()
    assert not box.is_checked()
    assert (lines.count(), bands.count()) == (4, 4)
    box.check()
    page.locator("h1").hover()
    box.blur()
    assert (lines.count(), bands.count()) == (6, 0)


def test_a_line_lies_where_its_numbers_say(page: Any) -> None:
    """From the axes alone: the rules at 0 and 100 percent, the ticks at eps 0 and 2."""
    got = page.evaluate(
        """selector => {
          const svg = document.querySelector(selector + " .canvas svg");
          const text = (words) => [...svg.querySelectorAll("text")].filter((t) => t.textContent === words);
          const d = svg.querySelector(".series.attacked .line").getAttribute("d");
          const [y0, y100] = [0, -1].map((i) => Number([...svg.querySelectorAll(".rule")].at(i).getAttribute("y1")));
          const [x0, x2] = [text("0")[1], text("2")[0]].map((t) => Number(t.getAttribute("x")));
          const places = d.slice(1).split("L").map((pair) => pair.split(" ").map(Number));
          return places.map(([x, y]) => [2 * (x - x0) / (x2 - x0), 100 * (y - y0) / (y100 - y0)]);
        }""",
        CURVES,
    )
    for (x, y), eps, value in zip(got, (0, 0.5, 1, 2), ATTACKED["lipsim"], strict=True):
        assert (x, y) == (pytest.approx(eps, abs=0.01), pytest.approx(value, abs=0.1))


def test_a_flip_shows_the_other_picture(page: Any) -> None:
    stage, flip = page.locator(".stage"), page.locator(".flip")
    original, attacked, difference = (page.locator(".pick img").nth(i).get_attribute("src") for i in range(3))
    assert stage.get_attribute("src") == attacked
    assert flip.inner_text() == "Flip to original"
    flip.click()
    assert stage.get_attribute("src") == original
    assert stage.get_attribute("alt") == "original, query 1"
    flip.focus()
    page.keyboard.press("Space")
    assert stage.get_attribute("src") == attacked
    assert page.locator(".caption").inner_text() == f"attacked: {HOSTILE} number 1"
    page.locator(".pick").nth(2).click()
    assert stage.get_attribute("src") == difference
    assert page.locator(".pick[aria-pressed=true]").count() == 1
    page.get_by_role("button", name="Next").click()
    assert page.locator(".viewer .bar span").inner_text() == "Query 2 of 2"
    # The second line has no third picture.
    assert stage.get_attribute("alt") == "attacked, query 2"
    assert page.get_by_role("button", name="Next").is_disabled()
    assert page.locator(".sheet li:visible").count() == 1
    assert stage.evaluate("image => image.complete && image.naturalWidth") == 224


def test_the_scatter_plot_is_read_point_by_point(page: Any) -> None:
    figure = page.locator("figure[data-chart='3']")
    assert figure.locator(".canvas .mark").count() == 30
    assert figure.locator(".canvas .proved .mark").count() == 10
    slider = figure.locator("input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    words = figure.locator("output").inner_text()
    assert words.startswith("lipsim: certified radius ")
    assert page.locator("#announce").inner_text() == words


def test_bars_are_as_long_as_their_scores(page: Any) -> None:
    widths = page.locator("figure[data-chart='1'] .canvas .fill").evaluate_all(
        "bars => bars.map((bar) => Number(bar.getAttribute('width')))"
    )
    wanted = [
        score
        for name, scores in ATTACKED.items()
        for score in (scores[0], scores[-1])
        if (name, score) != ("psnr", 40.9)
    ]
    for width, value in zip(widths, wanted, strict=True):
        assert width / widths[0] == pytest.approx(value / wanted[0], abs=0.01)


def _contrasts(page: Any) -> dict[str, float]:
    """Contrast ratio (WCAG 2.2) of every colour of the style with the paper, as the browser resolves it."""
    return dict(
        page.evaluate("""() => {
          const probe = document.body.appendChild(document.createElement("i"));
          const luminance = (name) => {
            probe.style.color = `var(--${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255);
            const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const names = ["ink", "quiet", "link", "focus", ...Array.from({ length: 8 }, (_, i) => `s${i}`)];
          const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const found = names.map((name) => [name, ratio(luminance(name), luminance("paper"))]);
          found.push(["quiet on raised", ratio(luminance("quiet"), luminance("raised"))]);
          probe.remove();
          return found;
        }""")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everyone_can_read_it(browser: Any, address: str, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    with _opened(browser, address, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        for name, ratio in _contrasts(page).items():
            assert ratio >= (3 if name[0] == "s" or name == "focus" else 4.5), f"{name} on paper: {ratio:.2f}"
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_snapshot()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_switch_changes_the_theme_both_ways(browser: Any, address: str) -> None:
    with _opened(browser, address, color_scheme="dark") as page:
        paper = "getComputedStyle(document.body).backgroundColor"
        switch = page.get_by_role("switch", name="Dark")
        assert (switch.get_attribute("aria-checked"), page.evaluate(paper)) == ("true", "rgb(21, 24, 28)")
        switch.focus()
        page.keyboard.press("Space")
        assert (switch.get_attribute("aria-checked"), page.evaluate(paper)) == ("false", "rgb(255, 255, 255)")
        switch.click()
        assert page.evaluate(paper) == "rgb(21, 24, 28)"


def test_nothing_moves_for_those_who_asked(browser: Any, address: str) -> None:
    moves = "getComputedStyle(document.querySelector('.series')).transitionDuration"
    with _opened(browser, address, reduced_motion="reduce") as page:
        assert page.evaluate(moves) == "0s"
    with _opened(browser, address, reduced_motion="no-preference") as page:
        assert page.evaluate(moves) != "0s"


def test_without_scripts_every_number_and_picture_is_there(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator(MEASURED).all_inner_texts() == BY_ATTACK
    assert page.locator(".sheet img:visible").count() == 5
    assert page.locator(f"{CURVES} tbody tr").count() == 24
    assert page.locator("noscript").inner_text().startswith("Scripts are off")
    context.close()


def test_another_script_does_not_run(browser: Any, address: str) -> None:
    """The policy holds even for markup that somebody pastes into the file."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(address)
    page.evaluate("""() => {
      document.addEventListener("securitypolicyviolation", () => { globalThis.refused = true; });
      const script = document.createElement("script");
      script.textContent = "globalThis.intruder = 1";
      document.body.append(script);
    }""")
    page.wait_for_function("globalThis.refused")
    assert page.evaluate("globalThis.intruder") is None
    context.close()
