"""A made-up scan: two faces that were judged and one that could not be, with hostile text."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from unmask.core.face import Landmarks
from unmask.core.media import StreamInfo, VideoInfo
from unmask.core.scan import KeyFramePicture, SaliencyMap, Scan
from unmask.core.scan_record import (
    SCHEMA_VERSION,
    Coverage,
    Curve,
    DetectorInfo,
    KeyFrame,
    ScanRecord,
    TrackResult,
)
from unmask.core.verdicts import Verdict
from unmask.explain.check import Checked, Example, MapRow, Sample
from unmask.explain.summary import summarise
from unmask.report.maps_page import MapsPage

SIDE = 224
LANDMARKS: Landmarks = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0))


METHODS = (("gradcam", 1), ("smoothgrad", 6))


def made_map(method: str, values: np.ndarray) -> SaliencyMap:
    """Make a map that lies on the mouth."""
    regions = (("mouth", 0.62), ("nose", 0.33), ("background", 0.05))
    return SaliencyMap(method, values.astype(np.float32), values.astype(np.float32), None, regions)


def make_picture(track: int, frame: int, *, mapped: bool = True) -> KeyFramePicture:
    """Draw a face-like blob and a map over its mouth."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    shift = 0.02 * math.sin(frame)

    def blob(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.exp(-((((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2) ** 3))

    face = blob(0.5 + shift, 0.5, 0.36, 0.46)
    dark = blob(0.36 + shift, 0.42, 0.07, 0.04) + blob(0.64 + shift, 0.42, 0.07, 0.04)
    mouth = blob(0.5 + shift, 0.74, 0.13, 0.045)
    skin = np.array([[205, 160, 135], [150, 105, 80], [225, 190, 170]][track % 3], dtype=float)
    wall = np.array([70, 84, 100]) + 30 * y[..., None]
    image = wall * (1 - face[..., None]) + (skin - 40 * (x[..., None] - 0.3)) * face[..., None]
    image = image * (1 - 0.75 * np.clip(dark, 0, 1)[..., None]) - 70 * mouth[..., None]
    noise = np.random.default_rng(frame).normal(0, 3, image.shape)
    saliency = np.exp(-(((x - 0.52) / 0.2) ** 2 + ((y - 0.7) / 0.16) ** 2))
    return KeyFramePicture(
        track_id=track,
        frame_index=frame,
        crop=np.clip(image + noise, 0, 255).astype(np.uint8),
        maps=tuple(made_map(name, saliency**power) for name, power in METHODS) if mapped else (),
        agreement=0.71 if mapped else None,
    )


def make_track(number: int, start: float, end: float, scores: list[float | None]) -> TrackResult:
    """Make a track with evenly spread key frames."""
    count = int((end - start) * 30)
    times = tuple(start + n / 30 for n in range(count))
    smooth = tuple(4 + 2 * math.sin(t * 1.3) + math.sin(t * 0.31) for t in times)
    raw = tuple(v + 1.5 * math.sin(n * 2.1) for n, v in enumerate(smooth))
    keys = []
    for n, score in enumerate(scores):
        at = (2 * n + 1) * count // (2 * len(scores))
        keys.append(
            KeyFrame(
                frame_index=round(times[at] * 30),
                pts_seconds=times[at],
                box=(100.0, 80.0, 260.5, 290.25),
                landmarks=LANDMARKS,
                face_px=160.5 - n,
                difference=smooth[at],
                sharpness=None if score is None else 310.25 + n,
                logit=None if score is None else math.log(score / (1 - score)),
                probability=score,
                unusable="too blurred: sharpness below 20" if score is None else None,
            )
        )
    known = [s for s in scores if s is not None]
    verdict = Verdict("cannot judge", None, None, None, 0, "the face is smaller than 48 px")
    if known:
        p = sum(known) / len(known)
        word = "substantial evidence" if p > 0.8 else "little evidence"
        verdict = Verdict(word, p, (max(0, p - 0.13), min(1, p + 0.08)), 1.9, len(known))
    return TrackResult(
        id=number,
        start_seconds=start,
        end_seconds=end,
        frames_sampled=count,
        median_face_px=158.0,
        key_frames=tuple(keys),
        verdict=verdict,
        curve=Curve(times, (None, *raw[1:]), smooth),
    )


def make_scan() -> Scan:
    """Make a scan of a video with three faces."""
    high: list[float | None] = [0.93, 0.81, 0.97, None, 0.88, 0.95, 0.71, 0.9, 0.92, 0.86, 0.99]
    tracks = (
        make_track(1, 0.0, 48.5, high),
        make_track(2, 12.0, 61.0, [0.12, 0.22, 0.06, 0.31, 0.18]),
        make_track(3, 40.0, 44.0, [None, None]),
    )
    result = ScanRecord(
        schema_version=SCHEMA_VERSION,
        video=make_video(),
        verdict=tracks[0].verdict,
        tracks=tracks,
        coverage=Coverage(
            complete=False,
            seconds_analysed=61.5,
            seconds_from_header=62.0,
            frames_decoded=1845,
            frames_sampled=1845,
            frames_without_face=12,
            tracks_found=3,
            tracks_judged=2,
            not_analysed=("Face 3 (40.00 to 44.00 s): smaller than 48 px.", "Sound."),
        ),
        warnings=("The picture was compressed strongly; marks of manipulation may be lost.",),
        detector=DetectorInfo(
            name="squeezenet-first",
            sha256="b" * 64,
            calibration="held-out part of the training material, 1 200 videos",
            limits=("Wholly synthetic faces were not in its training material.",),
        ),
        settings={
            "sample_fps": 30.0,
            "budget": 32,
            "explain": "gradcam,smoothgrad",
            "limits.max_tracks": None,
        },
        versions={"unmask": "0.1.0", "numpy": "2.4.6", "onnxruntime": "1.32.0"},
        command="unmask scan 'clips/interview final.mp4' --budget 32 --seed 0",
    )
    pictures = tuple(
        make_picture(t.id, k.frame_index, mapped=n != 1)
        for t in tracks
        for n, k in enumerate(t.key_frames)
        if k.probability is not None
    )
    faithfulness = tuple((name, f"they are no better than a blob ({name})") for name, _ in METHODS)
    return Scan(result, pictures, faithfulness)


def make_video() -> VideoInfo:
    """Make the facts of a file."""
    return VideoInfo(
        path="clips/interview final.mp4",
        sha256="a3f1" * 16,
        size_bytes=18_345_120,
        kind="video",
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec="h264",
        pixel_format="yuv420p",
        bit_depth=8,
        width_px=1280,
        height_px=720,
        rotation_degrees=0,
        pixel_aspect=1.0,
        transfer="sdr",
        fps_from_header=30000 / 1001,
        duration_seconds=62.0,
        frames_from_header=None,
        streams=(StreamInfo(0, "video", "h264"), StreamInfo(1, "audio", None)),
        metadata={"encoder": "Lavf60.3.100", "creation_time": "2024-03-02T10:11:12Z"},
    )


def with_file(scan: Scan, path: str, metadata: dict[str, str]) -> Scan:
    """Return the scan as if it were of another file."""
    video = replace(scan.result.video, path=path, metadata=metadata)
    return replace(scan, result=replace(scan.result, video=video))


@pytest.fixture(scope="session")
def scan() -> Scan:
    """Return a scan of three faces."""
    return make_scan()


@pytest.fixture(scope="session")
def hostile(scan: Scan) -> Scan:
    """Return a scan of a file whose name and metadata attack the page."""
    return with_file(
        scan,
        "in/\"><script>alert(1)</script>'\u202egpj.mp4",
        {"title": "</style><img src=x onerror=alert(1)>", "na\x00me\u200b": "a\x1b[31m\udcffb"},
    )


def maps_of(logit: float) -> MapsPage:
    """Return a page of six crops, of which one is an example."""
    curve = ((1.0, 0.5, 0.0), (0.0, 0.5, 1.0))
    rows = tuple(
        MapRow(
            f"a/rather/long/name-{n}.mp4#t1f{n}", f"v{n}", "fake", method, logit, None,
            0.5, 0.5, *curve, 0.1, 0.4, 1.0, 0.3, 0.5, (0.4, 0.2, 0.1, 0.0),
        )
        for n in range(6)
        for method in ("gradcam", "smoothgrad", "centre", "random")
    )  # fmt: skip
    picture = np.zeros((8, 8, 3), np.uint8)
    flat = np.ones((8, 8), np.float32)
    example = Example(
        Sample(rows[0].crop_id, "v0", "fake", picture, None), logit, {"gradcam": flat}
    )
    checked = Checked(rows, (), (example,))
    summary = summarise(
        checked, threshold=0.0, interval=lambda values, _: (values.mean() - 0.1, values.mean() + 1)
    )
    return MapsPage("a-detector", "ab" * 32, 0, summary, checked)


@pytest.fixture(scope="session")
def maps() -> MapsPage:
    """Return a page whose crops are called fake."""
    return maps_of(2.0)


@pytest.fixture(scope="session")
def maps_called_real() -> MapsPage:
    """Return a page whose crops are called real."""
    return maps_of(-2.0)
