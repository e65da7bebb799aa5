"""Forge films: a few seconds of real films, as they are and with each kind of made forgery.

    python tools/forged_films.py sources.csv films/ --yunet face_detection_yunet.onnx

Of every held-out real film in `sources.csv` (as in tools/wide_material.py) there are written, all
encoded alike, `NAME-real.mp4` and a forged film of each kind; and `films.csv`, a table that
`unmask data index table` reads. A forgery keeps its mask, colours and sizes over the film and
trembles a little from frame to frame, as forged films do. They are for validation and calibration.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.training.face_shape import fitted_shape
from unmask.training.forgeries import FacePicture, Forgery, blend, mouth, render
from unmask.training.recipe import FORGERIES

Pixels = NDArray[np.uint8]
_LONGER_PX = 1280
"""Films are made smaller than this: a forger's tools work on 720p."""
_MARGIN = 1.6


def frames(path: Path, count: int) -> list[Pixels]:
    """Return frames from the middle of a film, one after another, sides even."""
    with av.open(str(path)) as container:
        total = sum(1 for packet in container.demux(video=0) if packet.size)
    first = max(0, (total - count) // 2)
    taken = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if first <= number < first + count:
                scale = min(1.0, _LONGER_PX / max(frame.width, frame.height))
                size = (2 * round(frame.width * scale / 2), 2 * round(frame.height * scale / 2))
                image = frame.to_image()
                taken.append(np.asarray(image if image.size == size else image.resize(size)))
            if number >= first + count:
                break
    return taken


def points_over_time(detector: cv2.FaceDetectorYN, film: list[Pixels]) -> list[NDArray | None]:
    """Return the landmarks of the largest face of each frame, `(79, 2)`; None without one."""
    height, width = film[0].shape[:2]
    scale = min(1.0, 512 / max(height, width))
    size = (round(width * scale), round(height * scale))
    detector.setInputSize(size)
    tracked: list[NDArray | None] = []
    for pixels in film:
        _, rows = detector.detect(
            cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)[:, :, ::-1]
        )
        if rows is None:
            tracked.append(None)
            continue
        row = rows[np.argmax(rows[:, 2] * rows[:, 3])].astype(np.float64) / scale
        tracked.append(fitted_shape(row[4:14].reshape(5, 2)))
    return tracked


def forged(
    pixels: Pixels,
    points: NDArray,
    kind: Forgery,
    *,
    seed: int,
    number: int,
    other: FacePicture | None,
) -> Pixels:
    """Return a frame with its face forged; the draws follow from the seed, all but a trembling."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = (high - low).max() * _MARGIN / 2
    centre = (low + high) / 2
    x0, y0 = np.maximum(0, np.floor(centre - half)).astype(int)
    x1, y1 = np.minimum(pixels.shape[1::-1], np.ceil(centre + half)).astype(int)
    side = min(x1 - x0, y1 - y0)
    if side < 48:
        return pixels
    x1, y1 = x0 + side, y0 + side
    tremble = np.random.default_rng((seed, number)).normal(0, 0.004 * side, 2)
    face = FacePicture(Image.fromarray(pixels[y0:y1, x0:x1]), points - (x0, y0) + tremble)
    rng = np.random.default_rng(seed)
    if kind == "blend":
        pair = blend(face, rng, keep_target=True)
    elif kind == "mouth":
        pair = mouth(face, rng, other=other)
    else:
        pair = render(face, rng)
    whole = pixels.copy()
    whole[y0:y1, x0:x1] = np.asarray(pair.fake)
    return whole


def donor(film: list[Pixels], tracked: list[NDArray | None], number: int) -> FacePicture | None:
    """Return the frame a second later, whose mouth is spoken in place of the frame's own."""
    place = (number + 25) % len(film)
    points = tracked[place]
    if points is None:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    side = int((high - low).max() * _MARGIN)
    x0, y0 = np.maximum(0, ((low + high) / 2 - side / 2)).astype(int)
    return FacePicture(
        Image.fromarray(film[place][y0 : y0 + side, x0 : x0 + side]), points - (x0, y0)
    )


def write(path: Path, film: Iterator[Pixels], *, crf: int) -> None:
    """Write a film in H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.pix_fmt, stream.options = "yuv420p", {"crf": str(crf), "preset": "veryfast"}
        stream.thread_count = 1
        for pixels in film:
            if not stream.codec_context.is_open:
                stream.height, stream.width = pixels.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Write the films and their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--yunet", required=True)
    parser.add_argument("--frames", type=int, default=72)
    value = parser.parse_args()
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(value.yunet, "", (320, 320), 0.7, 0.3, 50)
    value.target.mkdir(parents=True, exist_ok=True)
    with value.sources.open() as file:
        sources = [row for row in csv.DictReader(file) if row["fold"] == "held-out"]
    with (value.target / "films.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "dataset", "method", "target"])
        for seed, source in enumerate(sources):
            film = frames(Path(source["path"]), value.frames)
            tracked = points_over_time(detector, film)
            crf = (18, 23, 28)[seed % 3]
            for kind in (None, *FORGERIES):
                name = f"{source['source']}-{kind or 'real'}.mp4"
                result = (
                    pixels
                    if kind is None or points is None
                    else forged(
                        pixels, points, kind, seed=seed, number=n, other=donor(film, tracked, n)
                    )
                    for n, (pixels, points) in enumerate(zip(film, tracked, strict=True))
                )
                write(value.target / name, result, crf=crf)
                label = "fake" if kind else "real"
                method = f"made-{kind}" if kind else ""
                table.writerow([name, label, source["dataset"], method, source["source"]])
            print(f"{source['source']}: {len(film)} frames", flush=True)


if __name__ == "__main__":
    main()
