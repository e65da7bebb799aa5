"""The HTML page: complete, self-contained, and proof against what a file says of itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from unmask.core.scan import Scan
from unmask.core.scan_record import MissRate
from unmask.core.verdicts import ConformalAnswer, LikelihoodStatement, WordRate
from unmask.explain.methods import EXPLAINERS
from unmask.report.html import compile_templates, environment, to_html, to_html_batch


class Page(HTMLParser):
    """Collects elements, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


@pytest.fixture(scope="module")
def page(scan: Scan) -> Page:
    return Page(to_html(scan))


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert not re.search(r"@import|url\(", page.raw["style"])


def test_policy_allows_exactly_the_style_and_script_of_the_page(page: Page) -> None:
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_no_element_carries_its_own_style_or_handler(page: Page) -> None:
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {n for n in names if n == "style" or n.startswith("on")}


def test_ids_are_unique_and_links_lead_somewhere(scan: Scan, hostile: Scan) -> None:
    tags = Page(to_html_batch([scan, hostile], [])).tags
    ids = Counter(a["id"] for _, a in tags if "id" in a)
    assert max(ids.values()) == 1
    targets = {str(a["href"])[1:] for t, a in tags if t == "a"}
    assert targets <= set(ids)
    for name in ("aria-labelledby", "for"):
        assert {a[name] for _, a in tags if name in a} <= set(ids)


def test_verdict_comes_with_its_number_interval_and_limits(page: Page) -> None:
    for part in (
        "Substantial evidence of manipulation",
        "89\u00a0%",
        "76\u00a0% \u2013 97\u00a0%",
        "95 % range: scatter between the key frames alone",
        "not proof",
    ):
        assert part in page.text


def test_a_verdict_says_how_often_it_is_given_and_what_it_may_miss(scan: Scan) -> None:
    rate = WordRate(0.45, 0.1, 120, 90, "three sources")
    misses = (MissRate("lip-sync", 0.8, 20), MissRate("generated faces", None, 0))
    verdict = replace(scan.result.tracks[1].verdict, rate=rate)
    detector = replace(scan.result.detector, misses=misses)
    text = to_html(Scan(replace(scan.result, verdict=verdict, detector=detector), scan.pictures))
    assert "of 20 genuine videos and pictures" in text
    assert "about 9 got this verdict, of 20 manipulated ones about 2" in text
    assert "lip-sync (80\u00a0% of 20); never tested: generated faces" in text


def test_a_video_unlike_the_calibration_gets_no_large_percentage(scan: Scan) -> None:
    verdict = replace(scan.result.verdict, out_of_range="sharpness: 2, calibrated on 9 to 90")
    text = to_html(Scan(replace(scan.result, verdict=verdict), scan.pictures))
    assert "not tested on video like this" in text
    assert "odds-number" not in text.split("</style>")[1]


def test_among_several_faces_the_deciding_one_is_named_and_linked(scan: Scan) -> None:
    verdict = replace(scan.result.verdict, faces_judged=5, deciding_track=1)
    text = to_html(Scan(replace(scan.result, verdict=verdict), scan.pictures))
    assert "face 1 decides: of the 5 faces that were judged, its 10 key frames score" in text
    assert 'href="#r1-face1">Go to face 1' in text


def test_little_evidence_is_not_called_genuine(scan: Scan) -> None:
    result = replace(scan.result, verdict=scan.result.tracks[1].verdict)
    assert "This does not mean that the video is genuine" in to_html(Scan(result, scan.pictures))


def test_every_scored_frame_has_a_crop_and_each_map_lies_apart(scan: Scan, page: Page) -> None:
    kinds = Counter(str(a.get("class")).split()[0] for t, a in page.tags if t == "img")
    assert kinds["crop"] == len(scan.pictures)
    assert kinds["overlay"] == sum(len(p.maps) for p in scan.pictures)


def test_a_frame_with_maps_has_the_raw_crop_beside_it(scan: Scan, page: Page) -> None:
    beside = [a for t, a in page.tags if t == "img" and a.get("class") == "beside"]
    assert len(beside) == sum(bool(p.maps) for p in scan.pictures)


def test_maps_are_put_into_words_for_those_who_do_not_see_them(page: Page) -> None:
    described = {a["alt"] for t, a in page.tags if (a.get("class") or "").startswith("overlay")}
    assert described == {
        f"Where the model looked, by {name}: mouth 62\u00a0%, nose 33\u00a0%, background 5\u00a0%"
        for name in ("GradCAM", "SmoothGrad")
    }
    assert "Agreement of the methods on this frame: 0.71" in page.text


def test_each_method_can_be_chosen_and_says_how_far_to_trust_it(page: Page) -> None:
    radios = [a for t, a in page.tags if t == "input" and a.get("type") == "radio"]
    assert [a["value"] for a in radios[:2]] == ["gradcam", "smoothgrad"]
    assert "they are no better than a blob (gradcam)" in page.text
    assert "they are no better than a blob (smoothgrad)" in page.text
    assert "Where the model looked, not proof" in page.text


def test_all_methods_at_once_can_be_shown(page: Page) -> None:
    places = [f"m{number}" for number in range(1, len(EXPLAINERS) + 1)]
    for shown in (".overlay.", ".looked .", ".trust.", ".choice ."):
        for place in places:
            assert re.search(rf"{re.escape(shown)}{place}\b", page.raw["style"]), (shown, place)


def test_rollout_says_that_it_does_not_show_what_moved_the_score(scan: Scan, page: Page) -> None:
    rolled = tuple(
        replace(p, maps=tuple(replace(m, method="attention-rollout") for m in p.maps[:1]))
        for p in scan.pictures
    )
    assert "whatever its score" not in page.text
    text = Page(to_html(replace(scan, pictures=rolled))).text
    assert "Attention rollout shows what the network attends to, whatever its score" in text


def test_not_measured_is_said_in_words(page: Page) -> None:
    assert "Probability: not measured" in page.text
    assert re.search(r"Frames \(header\)\s*not measured", page.text)
    assert "None" not in page.text.replace("None recorded", "")


def test_file_facts_and_command_are_there(scan: Scan, page: Page) -> None:
    video = scan.result.video
    for part in (video.sha256, video.container, "18,345,120", "Lavf60.3.100", scan.result.command):
        assert part in page.text


def test_hostile_text_makes_no_element(scan: Scan, hostile: Scan) -> None:
    tame, wild = Page(to_html(scan)), Page(to_html(hostile))
    assert Counter(t for t, _ in wild.tags) == Counter(t for t, _ in tame.tags)
    assert "<script>alert(1)</script>" in wild.text


def test_unseen_characters_are_shown_as_code_points(hostile: Scan) -> None:
    text = to_html(hostile)
    assert not re.search("[\x00\x1b\u200b\u202e\udc80-\udcff]", text)
    for code in ("202E", "0000", "200B", "001B", "DCFF"):
        assert f"⟨U+{code}⟩" in text
    text.encode("utf-8")


def test_text_from_the_file_is_never_a_template(scan: Scan) -> None:
    result = replace(scan.result, warnings=("{{ 7 * 7 }}",))
    assert "{{ 7 * 7 }}" in Page(to_html(Scan(result, scan.pictures))).text


def test_a_scan_without_faces_is_drawn(scan: Scan) -> None:
    verdict = scan.result.tracks[2].verdict
    result = replace(scan.result, tracks=(), verdict=verdict, warnings=())
    assert "No face was found" in to_html(Scan(result, ()))


def test_a_still_picture_is_drawn_without_times(scan: Scan) -> None:
    key = replace(scan.result.tracks[0].key_frames[0], pts_seconds=0.0, difference=None)
    curve = replace(
        scan.result.tracks[0].curve, pts_seconds=(0.0,), difference=(None,), smoothed=(0.0,)
    )
    track = replace(
        scan.result.tracks[0], start_seconds=0.0, end_seconds=0.0, key_frames=(key,), curve=curve
    )
    video = replace(scan.result.video, kind="image", duration_seconds=None, fps_from_header=None)
    coverage = replace(scan.result.coverage, frames_sampled=1)
    result = replace(scan.result, video=video, coverage=coverage, tracks=(track,))
    text = to_html(Scan(result, scan.pictures))
    assert "still picture" in text
    assert "Score of this picture" in text
    for of_videos in ("0:00.00", "Frame number", "Timeline", "Previous", "is followed"):
        assert of_videos in to_html(scan)
        assert of_videos not in text


def test_batch_has_a_row_for_each_file_and_each_failure(scan: Scan) -> None:
    failures = [("bad/<b>.mp4", "no picture\u202e stream")]
    page = Page(to_html_batch([scan, scan], failures))
    links = [a["href"] for t, a in page.tags if t == "a"]
    assert {"#r1", "#r2"} <= set(links)
    assert "bad/<b>.mp4" in page.text
    assert "no picture⟨U+202E⟩ stream" in page.text


def test_an_empty_batch_is_drawn() -> None:
    assert "0 files" in Page(to_html_batch([], [])).text


def test_faces_that_passed_by_are_listed(scan: Scan) -> None:
    passed = replace(
        scan.result.coverage, complete=True, not_analysed=(), passing=("face 3, 4.2-4.7 s: brief",)
    )
    page = to_html(replace(scan, result=replace(scan.result, coverage=passed)))
    assert "<bdi>face 3, 4.2-4.7 s: brief</bdi>" in page
    assert "but for those that only passed by" in page
    assert "Nothing was recorded as left out" not in page


def test_likelihood_ratio_answer_and_range_stand_beside_the_verdict(scan: Scan) -> None:
    verdict = replace(
        scan.result.verdict,
        likelihood=LikelihoodStatement(1.5, -1.0, 2.0, "moderate support for fake"),
        answer=ConformalAnswer("fake", 0.05),
        out_of_range="sharpness: 9, calibrated on 20 to 900",
    )
    text = Page(to_html(replace(scan, result=replace(scan.result, verdict=verdict)))).text
    for message in (
        "Likelihood ratio 32 (moderate support for fake); the data support 1/10 to 100",
        "Scores this high are rare among reals: at most 5\u00a0% of reals like those of the",
        "A score that is rare among fakes does not prove a face real",
        "A likelihood ratio tells how much likelier such a score is",
        "Outside the calibration data: sharpness: 9, calibrated on 20 to 900",
    ):
        assert message in text


def test_what_is_compiled_ahead_is_what_a_report_needs(
    scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.cache_clear()
    compile_templates()
    assert environment().loader is not None
    monkeypatch.setattr(environment().loader, "load", None)  # nothing more can be loaded
    to_html(scan)
    environment.cache_clear()
