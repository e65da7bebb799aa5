"""The index of a store's pages in a real browser: it opens with 10,000 files, and finds one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="needs pyarrow (extra `data`)")

from scan_records import scan_record, stored_row
from unmask.results.index import Choice, Ranking
from unmask.results.pages import index_page
from unmask.results.rows import FileRow

FILES = 10_000
HOSTILE = "</script><img src=x onerror=alert(1)>\u202e.mp4"


def rows(count: int) -> Iterator[FileRow]:
    """Yield rows of as many files, one of them with a hostile name and one without a verdict."""
    first = stored_row(scan_record("clip.mp4", 0.9))
    yield replace(first, path=HOSTILE, result_id="a" * 64, sha256="a" * 64, probability=0.99)
    refused = stored_row(scan_record("dark.mp4", None))
    yield refused
    for number in range(count - 2):
        path = f"corpus/{number % 7}/clip {number:05d}.mp4"
        yield replace(
            first,
            path=path,
            absolute_path=f"/{path}",
            result_id=f"{number:064d}",
            sha256=f"{number:064d}",
            word=("little evidence", "inconclusive", "some evidence")[number % 3],
            probability=(number * 37 % 1000) / 1000 * 0.9,
        )


def test_hostile_names_stay_text() -> None:
    page = index_page(Ranking(rows(5)), Choice())
    assert "<img" not in page
    assert "\u202e" not in page
    assert "script-src &#39;sha256-" in page
    assert page.count("</script>") == 2


@pytest.mark.system
def test_an_index_of_10000_files_opens_and_finds_one(tmp_path: Path) -> None:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium or chromedriver is not installed")
    file = tmp_path / "index.html"
    file.write_text(index_page(Ranking(rows(FILES)), Choice()), encoding="utf-8")
    driver = browser(webdriver, tmp_path / "profile")
    try:
        began = time.monotonic()
        driver.get(file.as_uri())
        assert "of 10000 shown" in driver.find_element("id", "count").text
        assert time.monotonic() - began < 20
        driver.find_element("id", "search").send_keys("clip 04711")
        assert driver.find_element("id", "count").text == "1 of 1 shown, 10000 in all."
        driver.find_element("id", "search").clear()
        driver.find_element("id", "search").send_keys("nothing like it")
        assert driver.find_element("id", "count").text == "No file matches."
        driver.find_element("id", "search").clear()
        driver.find_element("id", "least").send_keys("89")
        assert driver.find_element("id", "rows").text.startswith("script><img src=x")
        severe = [each for each in driver.get_log("browser") if each["level"] == "SEVERE"]
        assert severe == []
    finally:
        driver.quit()


def browser(webdriver: Any, profile: Path) -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
