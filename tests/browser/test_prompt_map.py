"""The map's page in a real browser: what it shows and does, offline, and prompts that stay text."""

import base64
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tasks.clusters import find_clusters
from tasks.density.weights import effective_size, inverse_density_weights
from tasks.prompt_map.neighbours import nearest_others
from tasks.prompt_map.page import counts_sentence, inlined, map_page, page_data
from tasks.prompt_map.points import map_points, placed

HOSTILE = [
    "<script>window.stolen = 1</script>",
    "</script><script>window.stolen = 2</script>",
    "<b>bold</b> &lt;i&gt; <img src=x onerror='window.stolen = 3'>",
    '<a href="javascript:window.stolen=4">link</a> %{x} $x^2$ ${alert(1)}',
    "bell \x07 and right-to-left \u202e mark",
    "long " * 600,
]
SOURCES = ["lambda:one_step", "lambda:make_normal", "<i>odd</i> \u202esource"]
SHOWN_SOURCES = ["lambda:one_step", "lambda:make_normal", "<i>odd</i> ⟨U+202E⟩source"]
REST = 400
N = len(HOSTILE) + REST
WEIGHTING = {"alpha": 3.0, "floor": 1e-3, "cap": 20.0}
WEIGH = """([density, weighting]) => {
    const { weight, ess } = weigh(Float64Array.from(density), Float64Array.from(density), weighting);
    return [[...weight], ess];
}"""


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_map(tmp_path_factory.mktemp("map") / "prompt_map.html")


@pytest.fixture(scope="session")
def rewarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same map with a reward for every second prompt."""
    reward = pl.Series("reward", [row / N if row % 2 else None for row in range(N)], dtype=pl.Float64)
    return write_map(tmp_path_factory.mktemp("map") / "prompt_map.html", reward)


def write_map(path: Path, *more: pl.Series) -> Path:
    """A map of hostile prompts, each alone in a corner, and 400 others in two clusters. more: columns of prompts."""
    rng = np.random.default_rng(0)
    prompts = HOSTILE + [f"Reduce the {('term', 'boat')[row % 2]} number {row} by one step." for row in range(REST)]
    ids = [f"p{row}" for row in range(N)]
    places = rng.normal(scale=0.08, size=(N, 3)).clip(-1, 1).astype(np.float32)
    places[::2, 0] += 0.4
    places[: len(HOSTILE)] = [[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1], [0, -1, -1], [0, 1, -1]]
    table = pl.DataFrame({"id": ids, "prompt": prompts, "source": [SOURCES[row % 3] for row in range(N)]})
    density = np.linspace(0.1, 1.0, N)
    weights = pl.DataFrame({"id": ids, "density": density, "weight": density})
    points = placed(map_points(table.with_columns(*more), ids, weights), places)
    unit = places / np.linalg.norm(places, axis=1, keepdims=True)
    data = page_data(points, places[:, :2], nearest_others(unit, 5), find_clusters(places, prompts), WEIGHTING)
    path.write_text(map_page(data, counts_sentence(N, N, len(SOURCES))), encoding="utf-8")
    return path


def ready(page: Page, file: Path) -> Page:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert faults == []
    return page


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    opened = ready(browser.new_page(viewport={"width": 1200, "height": 800}), file)
    yield opened
    assert opened.evaluate("window.stolen") is None
    opened.close()


def search(page: Page, text: str) -> Locator:
    """The buttons of the prompts found."""
    page.fill("#query", text)
    return page.locator("#results button")


def place_of(page: Page, text: str) -> tuple[float, float]:
    """Where the first prompt that contains a text stands on the screen; the search is cleared again."""
    search(page, text).first.click()
    expect(page.locator(".chosen")).to_have_attribute("r", re.compile("[1-9]"))
    box = page.locator("#points").bounding_box()
    assert box
    x, y = (float(page.locator(".chosen").get_attribute(name) or 0) for name in ("cx", "cy"))
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#query")).to_have_value("")
    return box["x"] + x, box["y"] + y


def drawn_after(page: Page, action: Callable[[], Any]) -> None:
    """Do something and wait for a frame."""
    drawn = page.locator("html").get_attribute("data-frames") or ""
    action()
    expect(page.locator("html")).not_to_have_attribute("data-frames", drawn)


def test_page_requests_nothing_but_itself(browser: Browser, file: Path) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ready(page, file)
    search(page, "term").first.click()
    with page.expect_download():
        page.click("#download")
    page.click("#flat")
    page.click("#theme")
    assert {url for url in asked if not url.startswith("blob:")} == {file.as_uri()}
    page.close()


def test_only_its_own_script_may_run(page: Page) -> None:
    page.evaluate(
        """() => {
            const injected = document.createElement("script");
            injected.textContent = "window.ran = true";
            document.body.append(injected);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
        }"""
    )
    assert page.evaluate("fetch('https://127.0.0.1:9').then(() => 'sent', () => 'refused')") == "refused"
    assert page.evaluate("window.ran") is None


def test_title_and_counts_are_readable(page: Page) -> None:
    assert page.title() == "Prompt map"
    assert page.inner_text("#counts") == f"{N} prompts from 3 sources"


def test_legend_names_every_source_as_text_and_filters(page: Page) -> None:
    buttons = page.locator("#sources button")
    assert sorted(page.locator("#sources bdi").all_text_contents()) == sorted(SHOWN_SOURCES)
    drawn_after(page, buttons.first.click)
    expect(buttons.first).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#live")).to_have_text(f"{N - int(buttons.first.locator('b').inner_text())} prompts shown")
    page.click("#none")
    expect(page.locator("#live")).to_have_text("0 prompts shown")
    page.click("#all")
    expect(page.locator("#live")).to_have_text(f"{N} prompts shown")


def test_search_counts_and_lists_its_hits_whatever_their_case(page: Page) -> None:
    results = search(page, "NUMBER 39")
    expect(page.locator("#live")).to_have_text("11 prompts match")
    assert results.count() == 11
    search(page, "p405")
    expect(page.locator("#live")).to_have_text("1 prompt matches")
    search(page, "nowhere to be found")
    expect(page.locator("#live")).to_have_text("0 prompts match")


@pytest.mark.parametrize(
    ("mark", "shown"),
    [
        ("stolen = 1", "<script>window.stolen = 1</script>"),
        ("stolen = 2", "</script><script>window.stolen = 2</script>"),
        ("onerror", "<b>bold</b> &lt;i&gt; <img src=x onerror='window.stolen = 3'>"),
        ("javascript", '<a href="javascript:window.stolen=4">link</a> %{x} $x^2$ ${alert(1)}'),
        ("bell", "bell ␇ and right-to-left ⟨U+202E⟩ mark"),
    ],
)
@pytest.mark.parametrize("view", ["solid", "flat"])
def test_hover_and_panel_show_the_prompt_as_text(page: Page, view: str, mark: str, shown: str) -> None:
    page.click(f"#{view}")
    x, y = place_of(page, mark)
    page.mouse.move(x, y)
    expect(page.locator("#tip bdi")).to_have_text(shown)
    page.mouse.click(x, y)
    expect(page.locator(".prompt")).to_have_text(shown)
    assert page.locator("#tip a, #tip img, #panel a, #panel img, #panel script").count() == 0


def test_panel_tells_what_is_known_and_leads_to_neighbours(page: Page) -> None:
    search(page, "number 7 ").first.click()
    panel = page.locator("#panel")
    facts = dict(zip(panel.locator("dt").all_text_contents(), panel.locator("dd").all_text_contents(), strict=True))
    row = len(HOSTILE) + 7
    density = np.linspace(0.1, 1.0, N)
    weight = inverse_density_weights(density, alpha=3.0, floor=1e-3, max_ratio=20)[row]
    assert facts["Source"] == SHOWN_SOURCES[row % 3]
    assert facts["Density"] == f"{density[row]:.3f}"
    assert facts["Weight"] == f"{weight:.2f} × the mean"
    assert facts["Id"] == f"p{row}"
    neighbours = panel.locator("ol button")
    assert neighbours.count() == 5
    text = neighbours.first.locator("bdi").inner_text()
    neighbours.first.click()
    expect(panel.locator(".prompt")).to_have_text(text)
    panel.get_by_label("Close").click()
    expect(panel).to_be_hidden()


def test_a_long_prompt_is_cut_and_says_so(page: Page) -> None:
    search(page, "long long").first.click()
    assert len(page.locator(".prompt").inner_text()) == 2000
    expect(page.locator(".note")).to_have_text("Cut: the whole prompt has 3,000 characters.")


def test_lasso_selects_ids_to_download_and_copy(page: Page) -> None:
    page.click("#flat")
    page.click("#lasso")
    box = page.locator("#points").bounding_box()
    assert box
    left, top, right, bottom = box["x"] + 3, box["y"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for corner in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    expect(page.locator("#live")).to_have_text(f"{N} prompts match")
    expect(page.locator("#lasso")).to_have_attribute("aria-pressed", "false")
    search(page, "number 1")
    with page.expect_download() as caught:
        page.click("#download")
    assert caught.value.suggested_filename == "sampled_ids.txt"
    ids = caught.value.path().read_text().split()
    assert ids == [f"p{len(HOSTILE) + row}" for row in range(REST) if str(row).startswith("1")]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    expect(page.locator("#live")).to_have_text("111 ids copied")
    assert page.evaluate("navigator.clipboard.readText()").split() == ids
    page.click("#clear")
    expect(page.locator("#live")).to_have_text(f"{N} prompts shown")


def test_a_small_lasso_selects_what_is_in_it(page: Page) -> None:
    x, y = place_of(page, "stolen = 1")
    page.click("#lasso")
    page.mouse.move(x - 12, y - 12)
    page.mouse.down()
    for corner in ((x + 12, y - 12), (x + 12, y + 12), (x - 12, y + 12)):
        page.mouse.move(*corner)
    page.mouse.up()
    expect(page.locator("#results bdi").first).to_have_text(HOSTILE[0])


def test_regions_are_named_and_narrow(page: Page) -> None:
    regions = page.locator("#clusters button")
    assert {name.split(" · ")[0] for name in page.locator("#clusters bdi").all_text_contents()} == {"term", "boat"}
    expect(page.locator("#labels span").first).to_be_visible()
    drawn_after(page, regions.first.click)
    expect(regions.first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#live")).to_have_text(f"{regions.first.locator('b').inner_text()} prompts match")


@pytest.mark.parametrize(("alpha", "floor", "cap"), [(0, 1e-3, 20), (0.7, 1e-3, 20), (4, 0.1, 3), (60, 1e-3, 20)])
@pytest.mark.parametrize("n", [1, 2, 501])
def test_weights_are_those_of_the_density_stage(
    browser: Browser, alpha: float, floor: float, cap: float, n: int
) -> None:
    page = browser.new_page()
    page.add_script_tag(content=inlined("weights.js"))
    density = np.random.default_rng(n).beta(4, 3, n)
    weight, ess = page.evaluate(WEIGH, [density.tolist(), {"alpha": alpha, "floor": floor, "cap": cap}])
    page.close()
    expected = inverse_density_weights(density, alpha=alpha, floor=floor, max_ratio=cap)
    np.testing.assert_allclose(weight, expected, rtol=1e-9)
    assert ess == pytest.approx(effective_size(expected) / n)


def test_the_slider_changes_sizes_and_says_the_effective_sample_size(page: Page) -> None:
    density = np.linspace(0.1, 1.0, N)
    for alpha in (0.0, 3.0, 6.0):
        drawn_after(page, lambda alpha=alpha: page.locator("#alpha").fill(str(alpha)))
        share = effective_size(inverse_density_weights(density, alpha=alpha, floor=1e-3, max_ratio=20)) / N
        expect(page.locator("#ess")).to_have_text(f"Effective sample size {100 * share:.0f} %")


def test_every_colouring_draws_its_legend(page: Page) -> None:
    for by in ("density", "cluster", "source"):
        drawn_after(page, lambda by=by: page.select_option("#by", by))
        assert page.locator("#scale").is_visible() == (by == "density")
    assert page.locator("#by option").all_text_contents() == ["by source", "by density", "by region"]


def test_rewards_colour_the_points_that_have_one(browser: Browser, rewarded: Path) -> None:
    page = ready(browser.new_page(viewport={"width": 1200, "height": 800}), rewarded)
    assert page.locator("#by option").all_text_contents() == ["by source", "by density", "by region", "by reward"]
    before = page.locator("#points").screenshot()
    drawn_after(page, lambda: page.select_option("#by", "reward"))
    expect(page.locator("#scale")).to_be_visible()
    assert page.locator("#points").screenshot() != before
    for name, told in (("number 7 ", True), ("number 8 ", False)):
        search(page, name).first.click()
        expect(page.locator("#panel")).to_contain_text("Density")
        assert ("Reward" in page.locator("#panel").inner_text()) == told
    page.close()


def test_two_fingers_zoom_and_one_turns(browser: Browser, file: Path) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 800}, has_touch=True)
    page = ready(context.new_page(), file)
    page.click("#flat")
    fingers = context.new_cdp_session(page)
    box = page.locator("#points").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def touch(kind: str, *from_the_middle: float) -> None:
        points = [{"x": x + dx, "y": y, "id": number} for number, dx in enumerate(from_the_middle)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def chosen() -> tuple[float, float]:
        return tuple(float(page.locator(".chosen").get_attribute(name) or 0) for name in ("cx", "cy"))

    search(page, "number 7 ").first.click()
    expect(page.locator(".chosen")).to_have_attribute("r", re.compile("[1-9]"))
    before = chosen()
    touch("touchStart", -100, -200)
    touch("touchMove", -50, -250)
    touch("touchEnd")
    page.wait_for_function(
        "wanted => Math.abs(document.querySelector('.chosen').getAttribute('cx') - wanted) < 3",
        arg=before[0] + 150,
        timeout=10_000,
    )
    assert chosen()[1] == pytest.approx(before[1], abs=3)

    page.click("#solid")
    turned = page.locator("#points").screenshot()
    touch("touchStart", 0)
    drawn_after(page, lambda: touch("touchMove", 80))
    touch("touchEnd")
    assert page.locator("#points").screenshot() != turned
    context.close()


def test_the_map_comes_back_after_the_graphics_were_lost(page: Page) -> None:
    expect(page.locator("#labels span").first).to_be_visible()
    before = page.locator("#points").screenshot()
    lose = "document.querySelector('#points').getContext('webgl2').getExtension('WEBGL_lose_context')"
    page.evaluate(f"window.graphics = {lose}")
    page.evaluate("() => window.graphics.loseContext()")
    page.wait_for_function("() => document.querySelector('#points').getContext('webgl2').isContextLost()")
    page.evaluate("() => window.graphics.restoreContext()")
    deadline = time.monotonic() + 20
    while page.locator("#points").screenshot() != before:
        assert time.monotonic() < deadline


def test_keys_turn_zoom_search_and_leave(page: Page) -> None:
    page.locator("#points").focus()
    for key in ("ArrowLeft", "ArrowUp", "+", "-", "0"):
        drawn_after(page, lambda key=key: page.keyboard.press(key))
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("number 7 ")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#query")).to_have_value("")


def test_tab_goes_from_the_views_to_the_map_to_the_search(page: Page) -> None:
    seen = []
    for _ in range(7):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id"))
    assert seen == ["solid", "flat", "lasso", "reset", "theme", "points", "query"]


def test_every_control_has_a_name(page: Page) -> None:
    nameless = """[...document.querySelectorAll("button, input, select, canvas")].filter(control =>
        !(control.getAttribute("aria-label") || control.labels?.length || control.textContent.trim())).length"""
    assert page.evaluate(nameless) == 0


def test_dark_follows_the_system_and_the_button(browser: Browser, file: Path) -> None:
    page = ready(browser.new_page(color_scheme="dark"), file)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    drawn_after(page, lambda: page.click("#theme"))
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.close()


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, file: Path) -> None:
    page = ready(browser.new_page(viewport={"width": 400, "height": 800}), file)
    search(page, "long long").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    box = page.locator("#panel").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 400
    page.close()


def test_without_webgl_the_flat_view_stands_in(browser_without_webgl: Browser, file: Path) -> None:
    page = ready(browser_without_webgl.new_page(viewport={"width": 1200, "height": 800}), file)
    expect(page.locator("#no-webgl")).to_be_visible()
    expect(page.locator("#solid")).to_be_disabled()
    expect(page.locator("#flat")).to_have_attribute("aria-pressed", "true")
    assert min(pixels_near(browser_without_webgl, page.screenshot(), ["#0072b2", "#d55e00", "#009e73"])) > 300
    x, y = place_of(page, "stolen = 1")
    page.mouse.move(x, y)
    expect(page.locator("#tip bdi")).to_have_text(HOSTILE[0])
    page.close()


def test_screenshot_shows_every_colour(page: Page, browser: Browser) -> None:
    page.click("#flat")
    page.mouse.move(5, 5)
    assert min(pixels_near(browser, page.screenshot(), ["#0072b2", "#d55e00", "#009e73"])) > 500


def pixels_near(browser: Browser, picture: bytes, colours: list[str]) -> list[int]:
    """Pixels of a PNG within 24 of each colour in every channel, counted by the browser that can read it."""
    reader = browser.new_page()
    counted: list[int] = reader.evaluate(
        """async ([png, colours]) => {
            const image = new Image();
            image.src = "data:image/png;base64," + png;
            await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height), pen = canvas.getContext("2d");
            pen.drawImage(image, 0, 0);
            const seen = pen.getImageData(0, 0, image.width, image.height).data;
            return colours.map(colour => {
                const wanted = [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16));
                let near = 0;
                for (let i = 0; i < seen.length; i += 4)
                    near += wanted.every((value, c) => Math.abs(seen[i + c] - value) < 24);
                return near;
            });
        }""",
        [base64.b64encode(picture).decode(), colours],
    )
    reader.close()
    return counted
