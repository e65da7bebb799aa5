"""A film to go with a made-up scan: a grey square moves over a dark ground."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from unmask.core.scan import BoxPath, Scan
from unmask.scanner.stills import still

WIDTH, HEIGHT, FPS, SECONDS = 320, 180, 30, 62


def write_film(path: Path) -> None:
    """Write a film that browsers play, as long as the made-up scan says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(FPS), options={"crf": "40", "g": "30"}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def picture(number: int) -> np.ndarray:
    """Draw a frame."""
    image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    left = 40 + number % 120
    image[50:110, left : left + 50] = 170
    return image


def with_film(scan: Scan, path: Path) -> Scan:
    """Return the scan as one of a film at a path, with stills and paths of its faces."""
    data = path.read_bytes()
    video = replace(
        scan.result.video,
        path=str(path),
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        width_px=WIDTH,
        height_px=HEIGHT,
        fps_from_header=float(FPS),
    )
    keys = {key.frame_index for track in scan.result.tracks for key in track.key_frames}
    stills = tuple(still(index, picture(index)) for index in sorted(keys))
    tracks = tuple(
        replace(t, key_frames=tuple(replace(k, box=_box(k.frame_index)) for k in t.key_frames))
        for t in scan.result.tracks
    )
    paths = tuple(
        BoxPath(
            track.id,
            tuple(n / FPS for n in _frames(track.start_seconds, track.end_seconds)),
            tuple(_box(n) for n in _frames(track.start_seconds, track.end_seconds)),
        )
        for track in tracks
    )
    verdict = replace(scan.result.verdict, faces_judged=2, deciding_track=1)
    result = replace(scan.result, video=video, tracks=tracks, verdict=verdict)
    return replace(scan, result=result, stills=stills, paths=paths)


def _frames(start: float, end: float) -> range:
    return range(round(start * FPS), round(end * FPS))


def _box(number: int) -> tuple[int, int, int, int]:
    left = 40 + number % 120
    return left, 50, left + 50, 110
