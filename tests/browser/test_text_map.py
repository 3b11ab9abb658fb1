"""The page of the map to text, with its real server and model, in a real browser."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from tasks.text_map.serve import application
from tasks.text_map.service import EmbeddingToTextService
from tests.unit.text_map.trained import TITLES, model_folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingToTextService:
    made = EmbeddingToTextService()
    made.load_trained_model(model_folder(tmp_path_factory.mktemp("model")))
    return made


@pytest.fixture(scope="module")
def address(service: EmbeddingToTextService) -> Iterator[str]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(service, at_once=2), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    faults: list[str] = []
    opened = browser.new_page(viewport={"width": 1200, "height": 800})
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("html[data-ready]")
    yield opened
    assert faults == []
    opened.close()


def title(page: Page) -> str:
    return page.locator("#panel .title").last.inner_text()


def answered(page: Page) -> None:
    """When the last round's text stands there."""
    expect(page.locator("#panel .title:not(.busy)").last).to_be_visible(timeout=60_000)
    expect(page.locator("#panel progress")).to_have_count(0)


def test_a_click_in_a_gap_writes_a_text_with_its_neighbours(page: Page) -> None:
    page.locator("#points").click(position={"x": 450, "y": 330})
    answered(page)
    assert title(page)
    expect(page.locator("#panel ol .result")).to_have_count(10)
    expect(page.locator("#panel dl")).to_contain_text("Confidence")
    expect(page.locator("#overlay .asked")).to_have_attribute("r", "9")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#overlay .asked")).to_have_attribute("r", "0")


def test_search_opens_a_document_whose_markup_stays_text(page: Page) -> None:
    page.keyboard.press("/")
    page.locator("#query").fill("theorems")
    expect(page.locator("#found")).to_have_text("1 document found")
    page.keyboard.press("Enter")
    answered(page)
    expect(page.locator("#panel h2")).to_have_text("Document")
    expect(page.locator("#panel .title").first).to_have_text(TITLES[9])
    expect(page.locator("#panel")).to_contain_text("It works <b>well</b>.")
    expect(page.locator("#panel dl")).to_contain_text("1.00")
    page.locator("#panel ol .result").nth(1).click()
    expect(page.locator("#panel .title").first).not_to_have_text(TITLES[9])
    answered(page)


def test_a_text_is_asked_for_by_keys_alone(page: Page) -> None:
    page.locator("#points").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#crosshair")).to_be_visible()
    page.keyboard.press("Enter")
    answered(page)
    place = page.locator("#panel dd").last.inner_text()
    expect(page.locator("#panel h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#points")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    answered(page)
    before, after = (float(re.split(", ", text)[0]) for text in (place, page.locator("#panel dd").last.inner_text()))
    assert after > before  # the middle of the screen has moved to the right


def test_neighbours_sentences_are_shown_as_such(page: Page) -> None:
    page.locator("#method").select_option("llm_synthesis")
    page.locator("#points").click(position={"x": 450, "y": 330})
    answered(page)
    expect(page.locator("#panel .prompt")).to_contain_text("no language model was given")


def test_rounds_come_one_after_the_other_and_a_new_click_ends_the_last(page: Page) -> None:
    heard: list[tuple[int, float]] = []
    page.expose_function("heard", lambda number, near: heard.append((number, near)))
    page.evaluate(
        """new MutationObserver(() => {
            const [bar, ...facts] = document.querySelectorAll('#panel progress[value], #panel dt');
            const rounds = facts.find((fact) => fact.textContent === 'Rounds');
            if (bar?.value && rounds) heard(Number(rounds.nextSibling.textContent), bar.value);
        }).observe(document.querySelector('#panel'), { childList: true })"""
    )
    page.locator("#points").click(position={"x": 450, "y": 330})
    answered(page)
    numbers, near = zip(*heard, strict=True)
    assert list(dict.fromkeys(numbers)) == [0, 1, 2, 3]
    assert list(near) == sorted(near)
    page.locator("#points").click(position={"x": 300, "y": 300})
    with page.expect_event("requestfailed", lambda request: request.url.endswith("rounds")):
        page.locator("#points").click(position={"x": 500, "y": 420})
    answered(page)


def test_outside_of_the_map_the_reason_is_said(page: Page) -> None:
    for _ in range(12):
        page.keyboard.press("-")
    page.locator("#points").click(position={"x": 20, "y": 20})
    expect(page.locator("#panel .error")).to_contain_text("outside of the map")


def test_contours_follow_the_camera(page: Page) -> None:
    lines = page.locator("#density g")
    before = lines.get_attribute("transform")
    page.keyboard.press("+")
    expect(lines).not_to_have_attribute("transform", before or "")
    assert page.locator("#density path").count() == 4
    page.locator("#contours").click()
    expect(page.locator("#density")).to_be_hidden()


def test_nothing_is_asked_of_other_servers(browser: Browser, address: str) -> None:
    opened = browser.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address)
    opened.wait_for_selector("html[data-ready]")
    assert asked
    assert all(url.startswith(address) for url in asked)
    opened.close()
