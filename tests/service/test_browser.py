"""The page in a real browser, as a person uses it: drop, watch, read, seek, compare, delete."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra serve is not installed")
from selenium import webdriver  # noqa: E402 - after the check that it is there
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

from report.test_browser import CHROMIUM, DRIVER, start  # noqa: E402
from service.calls import CLIP  # noqa: E402

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed"
    ),
]
WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from unmask.service.app import create_app
    from unmask.service.serving import _listen
    from unmask.service.settings import ServiceSettings

    data = tmp_path_factory.mktemp("data")
    app = create_app(ServiceSettings(data=data, warm_up=False))
    listening = _listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    listening.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def clean_console(browser: Any) -> Iterator[None]:
    """Let no page break its policy or fail in a script."""
    browser.get_log("browser")
    yield
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


def until(browser: Any, check: Callable[[Any], Any], seconds: float = 90) -> Any:
    return WebDriverWait(browser, seconds).until(check)


def one(browser: Any, selector: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, selector)


def resize(browser: Any, width: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


@pytest.fixture(scope="module")
def result(browser: Any, address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hand in the clip as a person does, watch it, and return the address of its result."""
    resize(browser, 1280)
    film = tmp_path_factory.mktemp("film") / "Rede & Antwort.mp4"
    shutil.copyfile(CLIP, film)
    browser.get(address)
    one(browser, "#file").send_keys(str(film))
    until(browser, lambda b: "/scans/" in b.current_url)
    assert one(browser, "progress").get_attribute("max") == "1"
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "article.report"))
    return str(browser.current_url)


@pytest.fixture
def page(browser: Any, result: str) -> Any:
    resize(browser, 1280)
    browser.get(result)
    return browser


def test_the_verdict_stands_in_words_with_its_uncertainty(page: Any) -> None:
    text = one(page, "section.verdict").text
    assert "Some evidence of manipulation" in text
    assert "95 % range" in text
    assert "This is not proof" in text
    assert "of 20 genuine videos" in text


def test_choosing_a_moment_moves_the_film_there(page: Any) -> None:
    video = one(page, "video")
    until(page, lambda b: b.execute_script("return arguments[0].readyState", video) >= 1)
    dots = page.find_elements(By.CSS_SELECTOR, "a.dot")
    page.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", dots[3]
    )
    text = str(dots[3].get_attribute("aria-label"))
    until(page, lambda b: b.execute_script("return arguments[0].currentTime", video) > 0)
    at = page.execute_script("return arguments[0].currentTime", video)
    minutes, seconds = text.partition(" at ")[2].partition(",")[0].split(":")
    assert abs(at - (60 * int(minutes) + float(seconds))) < 1 / 25


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["/", "/docs", ""])
def test_no_page_is_wider_than_the_screen(
    browser: Any, address: str, result: str, width: int, path: str
) -> None:
    resize(browser, width)
    browser.get(address + path if path else result)
    fits = "return document.documentElement.scrollWidth <= innerWidth"
    until(browser, lambda b: b.execute_script(fits), 10)


def test_what_is_touched_on_a_phone_is_large_enough(browser: Any, address: str) -> None:
    resize(browser, 390)
    browser.get(address)
    for element in browser.find_elements(By.CSS_SELECTOR, "button, .choose, nav a, select"):
        if element.is_displayed():
            assert element.size["height"] >= 44


def test_the_history_is_searched_and_leads_to_the_result(
    browser: Any, address: str, result: str
) -> None:
    resize(browser, 1280)
    browser.get(address)
    one(browser, "#query").send_keys("antwort", Keys.ENTER)
    until(browser, lambda b: "query=antwort" in b.current_url)
    one(browser, "table.files a").click()
    until(browser, lambda b: b.current_url == result)
    browser.get(f"{address}/?query=nothing-like-this")
    assert "Nothing matches." in one(browser, "main").text


def test_a_file_is_chosen_with_the_keyboard_alone(browser: Any, address: str) -> None:
    resize(browser, 1280)
    browser.get(address)
    seen = []
    for _ in range(8):
        webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
        seen.append(browser.switch_to.active_element.get_attribute("id"))
    assert "file" in seen
    one(browser, "#file").send_keys(str(CLIP.parent / "original.mp4"))
    until(browser, lambda b: "/scans/" in b.current_url)
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "article.report"))


def test_two_files_are_compared(browser: Any, address: str, result: str) -> None:
    resize(browser, 1280)
    browser.get(address)
    boxes = browser.find_elements(By.CSS_SELECTOR, "#compare input[type=checkbox]")
    button = one(browser, "#compare-button")
    assert not button.is_enabled()
    for box in boxes[:2]:
        box.click()
    button.click()
    until(browser, lambda b: "/compare?" in b.current_url)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".sides section")) == 2


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script that looks for barriers; `make test-system` installs it."""
    place = os.environ.get("UNMASK_AXE")
    if place is None or not Path(place).is_file():
        pytest.skip("UNMASK_AXE names no axe.min.js")
    return Path(place).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def failed(address: str) -> str:
    """Hand in a damaged film and return the address of its page."""
    boundary = "x-x-x"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="cut.mp4"'
    body = f"{head}\r\n\r\n".encode() + CLIP.read_bytes()[:400] + f"\r\n--{boundary}--".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{address}/v1/scans", body, kind)
    with urllib.request.urlopen(request) as answer:
        scan = json.load(answer)
    while scan["state"] != "failed":
        with urllib.request.urlopen(address + scan["links"]["self"]) as answer:
            scan = json.load(answer)
        time.sleep(0.1)
    return f"{address}/scans/{scan['id']}"


@pytest.fixture(scope="module")
def pages(address: str, result: str, failed: str) -> list[str]:
    """Return the address of each kind of page."""
    scan_id = result.rsplit("/", 1)[1]
    compared = f"{address}/compare?first={scan_id}&second={scan_id}"
    return [address, f"{address}/docs", result, failed, compared, f"{address}/scans/{'0' * 32}"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_has_a_barrier_that_axe_can_find(
    browser: Any, pages: list[str], axe: str, width: int, scheme: str
) -> None:
    resize(browser, width)
    text = []
    emulated = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)
    for page in pages:
        browser.get(page)
        browser.execute_script(axe)
        results = browser.execute_async_script(
            "const done = arguments[0]; axe.run().then((r) => done(r.violations.map("
            "(v) => `${v.id}: ${v.nodes.map((n) => n.target).slice(0, 3).join(' ')}`)))"
        )
        text += [f"{page}: {each}" for each in results]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get_log("browser")  # the browser itself reports the status 404
    assert text == []


def tab_to(browser: Any, selector: str, most: int = 120) -> Any:
    """Press the tab key until the focus is on an element."""
    for _ in range(most):
        webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
        focused = browser.switch_to.active_element
        if browser.execute_script("return arguments[0].matches(arguments[1])", focused, selector):
            return focused
    raise AssertionError(f"the tab key does not reach {selector}")


def test_a_result_is_read_and_deleted_with_the_keyboard_alone(browser: Any, address: str) -> None:
    resize(browser, 1280)
    browser.get(address)
    one(browser, "#file").send_keys(str(CLIP))
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "article.report"))
    url = browser.current_url
    browser.get(url)
    video = one(browser, "video")
    until(browser, lambda b: b.execute_script("return arguments[0].readyState", video) >= 1)
    tab_to(browser, ".player a.dot").send_keys(Keys.HOME)
    until(browser, lambda b: b.execute_script("return arguments[0].currentTime", video) < 1)
    before = browser.execute_script("return arguments[0].currentTime", video)
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    until(browser, lambda b: b.execute_script("return arguments[0].currentTime", video) > before)
    tab_to(browser, "button.danger").send_keys(Keys.ENTER)
    browser.switch_to.alert.accept()
    until(browser, lambda b: b.current_url == f"{address}/")


def test_what_is_no_video_is_refused_in_words(browser: Any, address: str, tmp_path: Path) -> None:
    note = tmp_path / "note.mp4"
    note.write_text("no film", encoding="utf-8")
    browser.get(address)
    one(browser, "#file").send_keys(str(note))
    until(browser, lambda b: "no video or picture" in one(b, "#sending").text)
    browser.get_log("browser")  # the browser itself reports the refusal


def test_without_scripts_a_file_is_handed_in_and_read(address: str, tmp_path: Path) -> None:
    plain = start(tmp_path / "profile", script=False)
    try:
        plain.get(address)
        one(plain, "#file").send_keys(str(CLIP))
        one(plain, "button.main-button").click()
        until(plain, lambda b: b.find_elements(By.CSS_SELECTOR, "article.report"))
    finally:
        plain.quit()


def test_downloads_are_there(page: Any) -> None:
    from unmask.service.pdf import available

    links = [a.get_attribute("href") for a in page.find_elements(By.CSS_SELECTOR, ".downloads a")]
    sizes = page.execute_async_script(
        "const [urls, done] = arguments; Promise.all(urls.map(async (u) => {"
        "const a = await fetch(u); return a.ok ? (await a.blob()).size : 0; })).then(done)",
        links,
    )
    assert len(sizes) == 4 + available()
    assert min(sizes) > 500


def test_deleting_asks_and_then_leaves_nothing(browser: Any, address: str) -> None:
    browser.get(address)
    link = one(browser, "table.files a")
    url = link.get_attribute("href")
    link.click()
    until(browser, lambda b: b.current_url == url)
    one(browser, "button.danger").click()
    browser.switch_to.alert.dismiss()
    assert browser.current_url == url
    one(browser, "button.danger").click()
    browser.switch_to.alert.accept()
    until(browser, lambda b: b.current_url == f"{address}/")
    browser.get(url)
    assert "There is no such scan" in one(browser, "main").text
    time.sleep(0.2)
    browser.get_log("browser")  # the browser itself reports the status 404
