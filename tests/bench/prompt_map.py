"""The map: its file, the page in headless Chromium against Plotly's scatter3d of the same points, and its layout.

Bars at 20,000 points: file ≤ 6 MB, interactive ≤ 2 s, a rotation ≥ 15× Plotly's frames a second in one run, picking
≤ 50 ms. Every frame is read back before the next one counts, on both pages, so none is skipped.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, sync_playwright
from plotly.offline import get_plotlyjs
from sklearn.manifold import trustworthiness

from tasks.clusters import Clusters, find_clusters
from tasks.prompt_map.layout import layout, placed_between
from tasks.prompt_map.page import counts_sentence, map_page, page_data
from tasks.prompt_map.points import map_points, placed
from tests.browser.conftest import FLAGS, chromium

Floats = NDArray[np.float32]
SECONDS = 2
ROUNDS = 9
VIEWPORT: Any = {"width": 1280, "height": 820}
WEIGHTING = {"alpha": 3.0, "floor": 1e-3, "cap": 20.0}
READ_BACK = """() => {
    const gl = document.querySelector("#points").getContext("webgl2");
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    return performance.now();
}"""
FRAMES = """async (seconds) => {
    const contexts = [...document.querySelectorAll("canvas")]
        .map(canvas => canvas.getContext("webgl2") ?? canvas.getContext("webgl")).filter(Boolean);
    const pixel = new Uint8Array(4);
    let frames = -3, start;
    for (;;) {
        if (frames === 0) start = performance.now();
        if (frames > 0 && performance.now() - start > 1000 * seconds) break;
        turn(frames++);
        await new Promise(requestAnimationFrame);
        for (const gl of contexts) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    }
    return 1000 * frames / (performance.now() - start);
}"""
HOLD_A_KEY = """() => window.turn = () =>
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }))"""
DRAG = """() => {
    const scene = document.querySelector("#map canvas");
    const mouse = (type, x) => scene.dispatchEvent(new MouseEvent(type,
        { bubbles: true, view: window, buttons: 1, button: 0, clientX: x, clientY: 400 }));
    mouse("mousedown", 500);
    window.turn = frame => mouse("mousemove", 500 + 15 * ((frame + 3) % 20));
}"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = chromium(playwright, FLAGS)
        ours, plotly = Path(folder, "map.html"), Path(folder, "plotly.html")
        write_pages(20_000, ours, plotly)
        page, other = measured(browser, ours), plotly_scene(browser, plotly)
        pick(page)
        rates = [(turned(page), turned_plotly(other)) for _ in range(ROUNDS)]
        page.close()
        other.close()
        mine, theirs = np.median(rates, axis=0)
        print(f"frames a second at 20,000, medians of {ROUNDS} in turn: {mine:.1f}, Plotly {theirs:.2f}", end="")
        print(f" ({plotly.stat().st_size / 1e6:.1f} MB): {mine / theirs:.1f}× (bar 15×)", flush=True)
        write_pages(200_000, ours)
        page = measured(browser, ours)
        print(f"frames a second, 200,000 points: {turned(page):.1f}")
        pick(page)
        browser.close()
    for n in (5_000, 20_000):
        layouts(n)


def write_pages(n: int, ours: Path, plotly: Path | None = None) -> None:
    """A page of n points in 40 clumps, with prompts of 20 words each; the same points for Plotly."""
    rng = np.random.default_rng(0)
    places = rng.normal(scale=0.35, size=(40, 3))[rng.integers(0, 40, n)] + rng.normal(scale=0.06, size=(n, 3))
    places = (places / np.abs(places).max()).astype(np.float32)
    words = np.array(["".join(rng.choice(list("aeioubdgklmnprst"), rng.integers(3, 9))) for _ in range(5000)])
    prompts = [" ".join(row) for row in words[np.minimum(rng.zipf(1.1, (n, 20)), 5000) - 1]]
    ids = [f"prompt-{row:06}" for row in range(n)]
    density = rng.beta(6, 3, n)
    table = pl.DataFrame({"id": ids, "prompt": prompts, "source": [f"source {row % 7}" for row in range(n)]})
    weights = pl.DataFrame({"id": ids, "density": density, "weight": 1 / density})
    points = placed(map_points(table, ids, weights), places)
    neighbours = (rng.uniform(0.5, 1, (n, 8)).astype(np.float32), rng.integers(0, n, (n, 8)))
    clusters = find_clusters(places[:20_000], prompts[:20_000])
    of_point = np.resize(clusters.of_point, n)
    data = page_data(points, places[:, :2], neighbours, Clusters(of_point, clusters.keywords), WEIGHTING)
    ours.write_text(map_page(data, counts_sentence(n, n, 7)), encoding="utf-8")
    if plotly:
        plotly.write_text(plotly_page(points), encoding="utf-8")


def plotly_page(points: pl.DataFrame) -> str:
    traces = [
        go.Scatter3d(
            **{axis: rows[axis].to_list() for axis in "xyz"},
            mode="markers",
            name=source,
            hovertext=rows["prompt"].to_list(),
            hoverinfo="text",
            marker={"size": (4 * rows["size"]).to_list(), "color": rows["color"][0], "line": {"width": 0}},
        )
        for (source,), rows in points.group_by("source", maintain_order=True)
    ]
    drawn = go.Figure(traces).to_html(full_html=False, include_plotlyjs=False, div_id="map")
    return f"<!DOCTYPE html><meta charset=utf-8><script>{get_plotlyjs()}</script><body style='height:90vh'>{drawn}"


def measured(browser: Browser, file: Path) -> Page:
    """The open page; says its size and the seconds until it was drawn and took input."""
    page = browser.new_page(viewport=VIEWPORT)
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=120_000)
    seconds = page.evaluate(READ_BACK) / 1000
    print(
        f"{file.stat().st_size / 1e6:.2f} MB, interactive after {seconds:.2f} s (bars at 20,000: 6 MB, 2 s)", flush=True
    )
    return page


def turned(page: Page) -> float:
    """Frames a second while an arrow key is held; each is one that the page drew."""
    drawn = "+document.documentElement.dataset.frames"
    page.bring_to_front()
    page.evaluate(HOLD_A_KEY)
    before = page.evaluate(drawn)
    rate = float(page.evaluate(FRAMES, SECONDS))
    if page.evaluate(drawn) - before < 0.95 * rate * SECONDS:
        raise RuntimeError("the map did not turn with every frame, so their number says nothing")
    return rate


def turned_plotly(page: Page) -> float:
    """Frames a second while the mouse drags Plotly's scene."""
    camera = "JSON.stringify(document.querySelector('#map')._fullLayout.scene._scene.getCamera().eye)"
    page.bring_to_front()
    before = page.evaluate(camera)
    page.evaluate(DRAG)
    rate = float(page.evaluate(FRAMES, SECONDS))
    if page.evaluate(camera) == before:
        raise RuntimeError("Plotly's scene did not turn, so its frames say nothing")
    return rate


def plotly_scene(browser: Browser, file: Path) -> Page:
    page = browser.new_page(viewport=VIEWPORT)
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelector('#map')?._fullLayout?.scene?._scene?.glplot?.cameraParams")
    return page


def pick(page: Page) -> None:
    """The slowest and the median of 200 hovers, each with its text on the page."""
    slowest, median = page.evaluate(
        """() => {
            const map = document.querySelector("#points"), box = map.getBoundingClientRect(), took = [];
            for (let hover = 0; hover < 200; hover++) {
                const at = { clientX: box.left + box.width * (0.2 + 0.003 * hover), clientY: box.top + box.height / 2 };
                const start = performance.now();
                map.dispatchEvent(new PointerEvent("pointermove", at));
                took.push(performance.now() - start);
            }
            took.sort((a, b) => a - b);
            return [took.at(-1), took[100]];
        }"""
    )
    print(f"picking: median {median:.1f} ms, slowest of 200 {slowest:.1f} ms (bar 50 ms)", flush=True)


def layouts(n: int) -> None:
    """CPU seconds and trustworthiness of both layouts, and of a quarter laid out with the rest placed between."""
    emb = clumps(n)
    layout(emb[:500], n_neighbors=15, min_dist=0.1, seed=0)
    start = time.process_time()
    whole = layout(emb, n_neighbors=15, min_dist=0.1, seed=0)
    seconds = time.process_time() - start
    print(f"UMAP of {n:,}: {seconds:.1f} CPU s, trustworthiness {trust(emb, whole.solid):.3f} in 3D,", end=" ")
    print(f"{trust(emb, whole.flat):.3f} in 2D", flush=True)
    rows = np.random.default_rng(1).permutation(n)
    fitted, rest = rows[: n // 4], rows[n // 4 :]
    start = time.process_time()
    places = np.empty((n, 3), dtype=np.float32)
    places[fitted] = layout(emb[fitted], n_neighbors=15, min_dist=0.1, seed=0).solid
    places[rest] = placed_between(emb[rest], emb[fitted], places[fitted])
    seconds = time.process_time() - start
    print(f"  a quarter laid out, the rest between: {seconds:.1f} CPU s, {trust(emb, places):.3f} in 3D", flush=True)


def clumps(n: int) -> Floats:
    """[n, 384] unit vectors in 40 clumps of 8 inner dimensions each."""
    rng = np.random.default_rng(0)
    of = rng.integers(0, 40, n)
    inner = np.einsum("nk,nkd->nd", rng.normal(scale=0.25, size=(n, 8)), rng.normal(size=(40, 8, 384))[of])
    emb = rng.normal(size=(40, 384))[of] + inner + rng.normal(scale=0.2, size=(n, 384))
    unit: Floats = (emb / np.linalg.norm(emb, axis=1, keepdims=True)).astype(np.float32)
    return unit


def trust(emb: Floats, places: Floats) -> float:
    """Trustworthiness (Venna & Kaski 2001) at 15 neighbours, of 3,000 points."""
    some = np.random.default_rng(2).permutation(len(emb))[:3000]
    return float(trustworthiness(emb[some], places[some], n_neighbors=15, metric="cosine"))


if __name__ == "__main__":
    main()
