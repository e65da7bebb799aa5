"""The page in a real browser: it opens from disk, obeys mouse and keyboard, and fits."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moving_square import FPS, with_film, write_film
from unmask.core.scan import Scan
from unmask.report.html import Place, to_html, to_html_batch
from unmask.report.maps_page import MapsPage, maps_page

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
from selenium import webdriver  # noqa: E402 - after the check that it is there
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

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


@pytest.fixture(scope="module")
def films(scan: Scan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pages: with the film beside, embedded, gone, and of many files."""
    folder = Path(os.environ.get("UNMASK_SHOTS") or tmp_path_factory.mktemp("films"))
    film = folder / "a film.mp4"
    write_film(film)
    filmed = with_film(scan, film)
    for name, embed in (("beside", None), ("embedded", 10_000_000)):
        target = folder / f"{name}.html"
        page = to_html_batch([filmed], place=Place(target, 1, embed))
        target.write_text(page, encoding="utf-8")
    gone = (folder / "beside.html").read_text(encoding="utf-8").replace("a%20film", "gone")
    (folder / "gone.html").write_text(gone, encoding="utf-8")
    many = [_clip(scan, number) for number in range(57)]
    target = folder / "many.html"
    page = to_html_batch(many, [("broken.mp4", "it is empty")], place=Place(target, 58))
    target.write_text(page, encoding="utf-8")
    return folder


def _clip(scan: Scan, number: int) -> Scan:
    """Return a scan of one of many files, with one of three verdicts."""
    video = replace(scan.result.video, path=f"clips/{number:02d} interview.mp4")
    verdict = scan.result.tracks[(0, 2, 1)[min(number % 19, 2)]].verdict
    return replace(scan, result=replace(scan.result, video=video, verdict=verdict, tracks=()))


@pytest.fixture(params=[(width, scheme) for width in (1280, 390) for scheme in ("light", "dark")])
def screen(browser: Any, request: pytest.FixtureRequest) -> None:
    """Set width and colour scheme."""
    show(browser, *request.param)


def show(browser: Any, width: int, scheme: str) -> None:
    size(browser, width)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


@pytest.fixture
def player(browser: Any, films: Path, screen: None) -> Any:
    browser.get((films / "beside.html").as_uri())
    return ready(browser)


def ready(browser: Any) -> Any:
    """Wait until the film shows its first key frame; return its player."""
    wait(
        browser, "const v = document.querySelector('video'); return v.readyState > 1 && !v.seeking"
    )
    return browser.find_element(By.CSS_SELECTOR, "[data-player]")


def wait(browser: Any, condition: str) -> None:
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(condition))


def seconds(browser: Any) -> float:
    wait(browser, "return !document.querySelector('video').seeking")
    return float(browser.execute_script("return document.querySelector('video').currentTime"))


def box(browser: Any) -> float:
    """Return where the box on the film begins, pixels of the film; -1 where there is none."""
    script = (
        "const r = document.querySelector('.player .screen .over');"
        "return r.getAttribute('visibility') === 'hidden' ? -1 : Number(r.getAttribute('x'))"
    )
    return float(browser.execute_script(script))


def test_a_dot_of_the_player_moves_film_box_and_face_together(
    browser: Any, player: Any, scan: Scan
) -> None:
    key = scan.result.tracks[0].key_frames[5]
    player.find_elements(By.CSS_SELECTOR, ".player-face:not([hidden]) a.dot")[5].click()
    assert seconds(browser) == pytest.approx(key.pts_seconds, abs=1 / FPS)
    assert box(browser) == 40 + key.frame_index % 120
    assert shown(browser.find_element(By.ID, "r1-face1")) == "r1-face1-frame6"
    assert "Key frame 6 of 11" in player.find_element(By.CSS_SELECTOR, "[data-now]").text


def test_one_frame_on_shows_no_score_and_moves_the_box(browser: Any, player: Any) -> None:
    before, left = seconds(browser), box(browser)
    player.find_element(By.CSS_SELECTOR, "button[data-frame='1']").click()
    assert seconds(browser) == pytest.approx(before + 1 / FPS, abs=1e-3)
    wait(browser, "return document.querySelector('[data-now]').textContent.includes('between')")
    assert left < box(browser) <= left + 2


def test_key_frame_buttons_step_through_the_film(browser: Any, player: Any, scan: Scan) -> None:
    dots = player.find_elements(By.CSS_SELECTOR, ".player-face:not([hidden]) a.dot")
    dots[2].click()
    player.find_element(By.CSS_SELECTOR, "button[data-go='1']").click()
    expected = scan.result.tracks[0].key_frames[3].pts_seconds
    assert seconds(browser) == pytest.approx(expected, abs=1 / FPS)


def test_another_face_brings_its_own_timeline(browser: Any, player: Any, scan: Scan) -> None:
    Select(player.find_element(By.CSS_SELECTOR, "[data-choose]")).select_by_value("2")
    shown_lines = player.find_elements(By.CSS_SELECTOR, ".player-face:not([hidden])")
    assert [each.get_attribute("data-track") for each in shown_lines] == ["2"]
    first = scan.result.tracks[1].key_frames[0].pts_seconds
    assert seconds(browser) == pytest.approx(first, abs=1 / FPS)


def test_a_face_shows_itself_in_the_film(browser: Any, player: Any, scan: Scan) -> None:
    face = browser.find_element(By.ID, "r1-face2")
    browser.execute_script("arguments[0].querySelector('[data-show]').click()", face)
    assert player.find_element(By.CSS_SELECTOR, "[data-choose]").get_attribute("value") == "2"
    track = scan.result.tracks[1]
    assert track.start_seconds <= seconds(browser) <= track.end_seconds


def test_a_film_within_the_page_plays(browser: Any, films: Path) -> None:
    browser.get((films / "embedded.html").as_uri())
    ready(browser)
    assert browser.execute_script("return document.querySelector('video').duration") > 60


def test_without_the_film_whole_key_frames_are_shown(browser: Any, films: Path) -> None:
    browser.get((films / "gone.html").as_uri())
    wait(browser, "return document.querySelector('video').hidden")
    player = browser.find_element(By.CSS_SELECTOR, "[data-player]")
    assert player.find_element(By.CSS_SELECTOR, ".film-lost").is_displayed()
    player.find_element(By.CSS_SELECTOR, "button[data-go='1']").click()
    picture = player.find_element(By.CSS_SELECTOR, "img.full")
    assert picture.is_displayed()
    assert picture.get_property("naturalWidth") == 320
    assert box(browser) > 0


@pytest.fixture
def summary(browser: Any, films: Path, screen: None) -> Any:
    browser.get((films / "many.html").as_uri())
    return browser.find_element(By.ID, "summary")


def rows(summary: Any) -> list[Any]:
    return [r for r in summary.find_elements(By.CSS_SELECTOR, "[data-row]") if r.is_displayed()]


def test_the_summary_says_how_many_need_a_look(summary: Any) -> None:
    assert summary.find_element(By.TAG_NAME, "h1").text == "3 of 58 files need a look"
    words = [row.get_attribute("data-word") for row in rows(summary)]
    assert words[:5] == ["substantial evidence"] * 3 + ["failed", "cannot judge"]


def test_the_table_is_filtered_by_word_and_text(summary: Any) -> None:
    Select(summary.find_element(By.CSS_SELECTOR, "select[data-word]")).select_by_value("failed")
    assert [row.find_element(By.TAG_NAME, "th").text for row in rows(summary)] == ["broken.mp4"]
    Select(summary.find_element(By.CSS_SELECTOR, "select[data-word]")).select_by_value("")
    summary.find_element(By.CSS_SELECTOR, "[data-find]").send_keys("07 inter")
    assert len(rows(summary)) == 1
    assert summary.find_element(By.CSS_SELECTOR, "[data-shown]").text == "1 of 58 shown"


def test_the_table_is_sorted_by_a_heading(browser: Any, films: Path) -> None:
    size(browser, 1280)
    browser.get((films / "many.html").as_uri())
    summary = browser.find_element(By.ID, "summary")
    button = summary.find_element(By.CSS_SELECTOR, "[data-sort=path]")
    button.click()
    assert rows(summary)[0].find_element(By.TAG_NAME, "th").text == "broken.mp4"
    button.click()
    assert rows(summary)[0].find_element(By.TAG_NAME, "th").text == "clips/56 interview.mp4"
    assert button.find_element(By.XPATH, "..").get_attribute("aria-sort") == "descending"


def test_a_row_leads_to_a_page_of_its_own_and_back(browser: Any, films: Path, summary: Any) -> None:
    summary.find_element(By.CSS_SELECTOR, "tbody a").click()
    assert browser.find_element(By.TAG_NAME, "h1").text.endswith("interview.mp4")
    browser.find_element(By.CSS_SELECTOR, ".back a").click()
    assert browser.find_element(By.ID, "summary").is_displayed()


def test_the_summary_is_printed_on_one_page(browser: Any, films: Path) -> None:
    browser.get((films / "many.html").as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    pages = re.findall(rb"/Type /Page\b", base64.b64decode(printed["data"]))
    assert len(pages) == 1


AXE = os.environ.get("UNMASK_AXE")


@pytest.mark.skipif(not AXE, reason="UNMASK_AXE does not name axe.min.js (npm pack axe-core)")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["beside", "gone", "many"])
def test_axe_finds_nothing(browser: Any, films: Path, name: str, scheme: str, width: int) -> None:
    show(browser, width, scheme)
    browser.get((films / f"{name}.html").as_uri())
    browser.execute_script(Path(str(AXE)).read_text(encoding="utf-8"))
    result = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert [(v["id"], v["nodes"][0]["target"]) for v in result["violations"]] == []
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


LETTERS = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
function ground(element) {
  for (let each = element; each; each = each.parentElement) {
    const colour = rgb(getComputedStyle(each).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
for (const fold of document.querySelectorAll("details")) fold.open = true;
return [...document.querySelectorAll("svg text")].map((text) => {
  const style = getComputedStyle(text);
  const pair = [light(rgb(style.fill)), light(ground(text))].sort((a, b) => b - a);
  return [text.textContent, Number(style.opacity), (pair[0] + 0.05) / (pair[1] + 0.05)];
});
"""
"""Returns the letters of charts, their opacity and their contrast; axe looks at none of these."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "maps"])
def test_letters_of_charts_stand_out(browser: Any, address: str, name: str, scheme: str) -> None:
    show(browser, 1280, scheme)
    browser.get(f"{address}/{name}.html")
    letters = browser.execute_script(LETTERS)
    assert len(letters) > 5
    assert [each for each in letters if each[1] < 1 or each[2] < 4.5] == []
