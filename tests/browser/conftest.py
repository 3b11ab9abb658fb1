"""The system's chromium, driven by playwright. Its event loop ends with the module: no asyncio.run goes beside it."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]
WITHOUT_WEBGL = ["--no-sandbox", "--disable-3d-apis", "--disable-background-networking"]


def chromium(playwright: Playwright, flags: list[str]) -> Browser:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium; install it with: apt-get install chromium")
    return playwright.chromium.launch(executable_path=found, args=flags)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    started = chromium(playwright, FLAGS)
    yield started
    started.close()


@pytest.fixture(scope="module")
def browser_without_webgl(playwright: Playwright) -> Iterator[Browser]:
    started = chromium(playwright, WITHOUT_WEBGL)
    yield started
    started.close()
