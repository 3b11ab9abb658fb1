"""The map's page in a real browser: offline, every source, and prompts that stay text."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Browser, Page

from tasks.prompt_map.page import map_page
from tasks.prompt_map.points import map_points

HOSTILE = [
    "<script>window.stolen = 1</script>",
    "</script><script>window.stolen = 2</script>",
    "<b>bold</b> &lt;i&gt; <img src=x onerror='window.stolen = 3'>",
    '<a href="javascript:window.stolen=4">link</a> %{x} $x^2$',
    "bell \x07 and right-to-left \u202e mark",
]
SOURCES = ["lambda:one_step", "lambda:make_normal", "<i>odd</i> source"]


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, list[str]]]:
    """The open page and every address it asked for."""
    rng = np.random.default_rng(0)
    prompts = HOSTILE + [f"Reduce the term number {row} by one step." for row in range(400)]
    ids = [f"p{row}" for row in range(len(prompts))]
    places = rng.normal(scale=0.3, size=(len(ids), 3)).clip(-1, 1).astype(np.float32)
    places[: len(HOSTILE)] = [[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1], [1, -1, -1]]
    table = pl.DataFrame({"id": ids, "prompt": prompts, "source": [SOURCES[row % 3] for row in range(len(ids))]})
    density = np.linspace(0.0, 1.0, len(ids))
    points = map_points(table, ids, places, pl.DataFrame({"id": ids, "density": density}))
    file: Path = tmp_path_factory.mktemp("map") / "prompt_map.html"
    file.write_text(map_page(points), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_selector("#map .legend .legendtext")
    page.wait_for_function("document.querySelector('#map')._fullLayout.scene._scene?.glplot?.cameraParams != null")
    assert faults == []
    yield page, asked
    page.close()


def hover(page: Page, text: str) -> str:
    """Put the mouse on the point whose raw hover text contains `text`; give the label that the page shows."""
    place = page.evaluate(
        """text => {
            const map = document.querySelector('#map'), scene = map._fullLayout.scene._scene;
            for (const trace of map._fullData) {
                const row = trace.hovertext.findIndex(t => t.includes(text));
                if (row < 0) continue;
                const camera = scene.glplot.cameraParams, mul = (m, v) => [0, 1, 2, 3].map(
                    i => m[i] * v[0] + m[4 + i] * v[1] + m[8 + i] * v[2] + m[12 + i] * v[3]);
                const s = scene.dataScale;
                let v = [trace.x[row] * s[0], trace.y[row] * s[1], trace.z[row] * s[2], 1];
                for (const m of [camera.model, camera.view, camera.projection]) v = mul(m, v);
                const box = scene.container.getBoundingClientRect();
                return [box.left + box.width * (0.5 + 0.5 * v[0] / v[3]),
                        box.top + box.height * (0.5 - 0.5 * v[1] / v[3])];
            }
        }""",
        text,
    )
    page.mouse.move(5, 5)
    page.wait_for_function("!document.querySelector('#map .hovertext')")
    page.mouse.move(place[0], place[1])
    page.wait_for_selector("#map .hovertext", state="attached")
    return str(page.evaluate("document.querySelector('#map .hovertext').textContent"))


def test_page_requests_nothing_but_itself(opened: tuple[Page, list[str]]) -> None:
    _, asked = opened
    assert asked
    assert {url.split(":", 1)[0] for url in asked} <= {"file", "data", "blob"}
    assert sum(url.startswith("file:") for url in asked) == 1


def test_legend_names_every_source_as_text(opened: tuple[Page, list[str]]) -> None:
    shown = opened[0].locator("#map .legendtext").all_text_contents()
    assert sorted(shown) == sorted(f"{source} (135)" for source in SOURCES)


def test_title_and_counts_are_readable(opened: tuple[Page, list[str]]) -> None:
    assert opened[0].title() == "Prompt map"
    assert "405 prompts from 3 sources" in opened[0].inner_text("header")


@pytest.mark.parametrize(
    ("mark", "shown"),
    [
        ("stolen = 1", "<script>window.stolen = 1</script>"),
        ("stolen = 2", "</script><script>window.stolen = 2</script>"),
        ("onerror", "<b>bold</b> &lt;i&gt; <img src=x onerror='window.stolen = 3'>"),
        ("javascript", '<a href="javascript:window.stolen=4">link</a> %{x} $x^2$'),
        ("bell", "bell ␇ and right-to-left ⟨U+202E⟩ mark"),
    ],
)
def test_hover_shows_the_prompt_as_text(opened: tuple[Page, list[str]], mark: str, shown: str) -> None:
    page, _ = opened
    assert shown in hover(page, mark)
    assert page.evaluate("window.stolen") is None
    assert page.locator("#map .hovertext a, #map .hovertext img").count() == 0


def test_screenshot_shows_every_colour(opened: tuple[Page, list[str]], browser: Browser, tmp_path: Path) -> None:
    page, _ = opened
    page.mouse.move(5, 5)
    picture = page.screenshot(path=tmp_path / "map.png")
    counts = pixels_near(browser, picture, ["#0072b2", "#d55e00", "#009e73"])
    assert min(counts) > 500


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
