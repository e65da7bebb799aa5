"""The page in a real browser: it opens from disk, obeys mouse and keyboard, and fits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unmask.report.html import to_html, to_html_batch
from unmask.report.maps_page import MapsPage, maps_page
from unmask.values import Scan

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver  # noqa: E402 - after the check that it is there
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed"
    ),
]
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
)


def start(profile: Path, *, script: bool = True) -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not script:
        options.add_experimental_option(
            "prefs", {"profile.managed_default_content_settings.javascript": 2}
        )
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(
    scan: Scan, hostile: Scan, maps: MapsPage, tmp_path_factory: pytest.TempPathFactory
) -> str:
    folder = Path(os.environ.get("UNMASK_SHOTS") or tmp_path_factory.mktemp("page"))
    (folder / "report.html").write_text(to_html(scan), encoding="utf-8")
    batch = to_html_batch([scan, hostile], [("broken/file.mp4", "no picture stream")])
    (folder / "batch.html").write_text(batch, encoding="utf-8")
    (folder / "maps.html").write_text(maps_page(maps), encoding="utf-8")
    return folder.as_uri()


@pytest.fixture
def face(browser: Any, address: str) -> Any:
    size(browser, 1400)
    browser.get(f"{address}/report.html")
    return browser.find_element(By.ID, "r1-face1")


def size(browser: Any, width: int) -> None:
    """Set the width of the page itself; a window cannot be as narrow as a telephone."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def shown(face: Any) -> str:
    (only,) = [f for f in face.find_elements(By.CSS_SELECTOR, ".frame") if f.is_displayed()]
    return str(only.get_attribute("id"))


def test_a_click_on_a_dot_shows_its_frame(face: Any) -> None:
    face.find_elements(By.CSS_SELECTOR, "a.dot")[4].click()
    assert shown(face) == "r1-face1-frame5"


def test_arrow_keys_move_and_stop_at_the_ends(browser: Any, face: Any) -> None:
    face.find_elements(By.CSS_SELECTOR, "a.dot")[4].click()
    for keys, frame in ((Keys.ARROW_RIGHT, 6), (Keys.ARROW_LEFT, 5), (Keys.END, 11)):
        browser.switch_to.active_element.send_keys(keys)
        assert shown(face) == f"r1-face1-frame{frame}"
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert shown(face) == "r1-face1-frame11"


def test_one_dot_of_a_face_is_in_the_tab_order(face: Any) -> None:
    dots = face.find_elements(By.CSS_SELECTOR, "a.dot")
    assert sorted(d.get_attribute("tabindex") for d in dots) == ["-1"] * 10 + ["0"]


def test_the_map_can_be_hidden_and_faded(browser: Any, face: Any) -> None:
    face.find_elements(By.CSS_SELECTOR, "a.dot")[4].click()
    image = face.find_element(By.CSS_SELECTOR, "#r1-face1-frame5 .overlay")
    assert image.is_displayed()
    face.find_element(By.CSS_SELECTOR, "input[type=range]").send_keys(Keys.HOME)
    assert float(image.value_of_css_property("opacity")) == pytest.approx(0.1)
    face.find_element(By.CSS_SELECTOR, ".toggle").click()
    assert not image.is_displayed()


@pytest.mark.parametrize("width", [360, 390, 768, 1400])
@pytest.mark.parametrize("name", ["report", "batch", "maps"])
def test_the_page_fits_its_width(browser: Any, address: str, width: int, name: str) -> None:
    size(browser, width)
    browser.get(f"{address}/{name}.html")
    opened = "for (const d of document.querySelectorAll('details')) d.open = true;"
    browser.execute_script(opened)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


def test_the_console_stays_empty(browser: Any, address: str) -> None:
    browser.get_log("browser")
    browser.get(f"{address}/batch.html")
    assert browser.get_log("browser") == []


def test_pictures_are_loaded(browser: Any, face: Any) -> None:
    sides = "return [...document.images].map(i => i.naturalWidth)"
    assert min(browser.execute_script(sides)) > 0


def test_without_script_every_frame_can_be_read(address: str, tmp_path: Path) -> None:
    driver = start(tmp_path, script=False)
    try:
        driver.get(f"{address}/report.html")
        face = driver.find_element(By.ID, "r1-face1")
        frames = face.find_elements(By.CSS_SELECTOR, ".frame")
        assert len([f for f in frames if f.is_displayed()]) == 11
        assert not face.find_element(By.CSS_SELECTOR, ".steps").is_displayed()
    finally:
        driver.quit()


def test_on_paper_every_frame_is_shown_and_nothing_to_press(browser: Any, face: Any) -> None:
    """A4 between Chromium's margins is 718 px wide: narrower than some narrow screens."""
    size(browser, 718)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        frames = face.find_elements(By.CSS_SELECTOR, ".frame")
        assert all(frame.is_displayed() for frame in frames)
        for control in (".toggle", ".steps", "label", "input[type=range]"):
            assert not face.find_element(By.CSS_SELECTOR, control).is_displayed()
        assert face.find_element(By.CSS_SELECTOR, ".ramp").is_displayed()
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 718
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
