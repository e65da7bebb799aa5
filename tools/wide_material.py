"""Cut wide face crops from real films and pictures: the material that made forgeries are made of.

    python tools/wide_material.py sources.csv wide.parquet --yunet face_detection_yunet.onnx

`sources.csv` has a row per source: `path` (a film, a folder of pictures, or a Parquet file with the
columns `name` and `image`), `source` (name of the film or collection), `dataset`, `licence`, `fold`
(`train` or `held-out`), `label` (`real` or `fake`) and `frames` (crops taken of a film at most).
The output is a table of crops for `unmask train` with the face's box and YuNet's five points in
pixels of the crop. Crops hold 1.75 of the box, mirrored at the edge of the picture as a scan cuts
them, are at most 400 px large and never enlarged. tools/dense_landmarks.py adds more points.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from unmask.faces.squares import cut_square, square_around

Pixels = NDArray[np.uint8]

MARGIN_RATIO = 1.75
"""Side of a crop over the longer side of the box: a window of 1.45 may still be moved in it."""
LARGEST_PX = 400
"""Side of a crop at most."""
SMALLEST_FACE_PX = 56
"""Longer side of a face at least."""
LEAST_SCORE = 0.8
"""YuNet's score of a face at least."""
SEARCHED_PX = 640
"""Longer side of the picture that faces are searched in."""
FACES = 2
"""Faces of a frame at most."""
QUALITY = 96
"""JPEG quality of the stored crops."""


def pictures(source: dict[str, str]) -> Iterator[tuple[str, int, Pixels]]:
    """Yield video, frame and RGB pixels of a source's pictures."""
    path = Path(source["path"])
    if path.is_dir():
        for number, file in enumerate(sorted(path.iterdir())):
            with Image.open(file) as image:
                yield f"{source['source']}/{file.stem}", number, np.asarray(image.convert("RGB"))
    elif path.suffix == ".parquet":
        for row in pq.read_table(path, columns=["name", "image"]).to_pylist():
            with Image.open(io.BytesIO(row["image"])) as image:
                yield f"{source['source']}/{row['name']}", 0, np.asarray(image.convert("RGB"))
    else:
        for frame, pixels in film_frames(path, int(source["frames"])):
            yield source["source"], frame, pixels


def film_frames(path: Path, count: int) -> Iterator[tuple[int, Pixels]]:
    """Yield frames of a film at even distances, with their numbers."""
    with av.open(str(path)) as container:
        total = sum(1 for packet in container.demux(video=0) if packet.size)
    chosen = set(np.linspace(0, total - 1, count + 2)[1:-1].round().astype(int).tolist())
    with av.open(str(path)) as container:
        frames = enumerate(container.decode(video=0))
        while True:
            try:
                number, frame = next(frames)
            except StopIteration:
                return
            except av.error.InvalidDataError as error:  # old films end damaged
                print(f"{path.name}: the rest cannot be decoded ({error})")
                return
            if number in chosen:
                yield number, frame.to_ndarray(format="rgb24")


def faces(detector: cv2.FaceDetectorYN, pixels: Pixels) -> list[NDArray[np.float64]]:
    """Return the largest faces, `(15,)` each: x, y, width, height, five points, score."""
    height, width = pixels.shape[:2]
    scale = min(1.0, SEARCHED_PX / max(height, width))
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    detector.setInputSize(size)
    _, rows = detector.detect(np.ascontiguousarray(small[:, :, ::-1]))
    if rows is None:
        return []
    rows = rows.astype(np.float64)
    rows[:, :14] /= scale
    sides = rows[:, 2:4].max(axis=1)
    kept = rows[(rows[:, 14] >= LEAST_SCORE) & (sides >= SMALLEST_FACE_PX)]
    return list(kept[np.argsort(-kept[:, 2:4].max(axis=1))][:FACES])


def crop(pixels: Pixels, face: NDArray[np.float64]) -> dict[str, object]:
    """Return the encoded crop, with box and points in its pixels."""
    x, y, width, height = face[:4]
    square = square_around((x, y, x + width, y + height), margin_ratio=MARGIN_RATIO)
    side = square[2] - square[0]
    size_px = min(LARGEST_PX, round(side))
    scale, corner = size_px / side, np.array(square[:2])
    box = (np.array([[x, y], [x + width, y + height]]) - corner) * scale
    points = (face[4:14].reshape(5, 2) - corner) * scale
    buffer = io.BytesIO()
    image = Image.fromarray(cut_square(pixels, square, size_px=size_px))
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return {
        "image": buffer.getvalue(),
        "face_box": box.ravel().round(2).tolist(),
        "landmarks": points.ravel().round(2).tolist(),
        "face_px": float(min(width, height)),
    }


def crops(source: dict[str, str], detector: cv2.FaceDetectorYN) -> Iterator[dict[str, object]]:
    """Yield a row for each face of a source."""
    for video, frame, pixels in pictures(source):
        for place, face in enumerate(faces(detector, pixels)):
            yield {
                "name": f"{video}/{frame}/{place}",
                "label": source["label"],
                "video": video,
                "original": video,
                "frame": frame,
                "dataset": source["dataset"],
                "licence": source["licence"],
                "split": "validation" if source["fold"] == "held-out" else "train",
                **crop(pixels, face),
            }


def main() -> None:
    """Write the crops."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--yunet", required=True)
    value = parser.parse_args()
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(value.yunet, "", (320, 320), 0.7, 0.3, 50)
    rows: list[dict[str, object]] = []
    with value.sources.open() as file:
        for source in csv.DictReader(file):
            before = len(rows)
            rows += crops(source, detector)
            print(f"{source['source']}: {len(rows) - before} crops", flush=True)
    pq.write_table(pa.Table.from_pylist(rows), value.target, row_group_size=512)
    print(f"{len(rows)} crops written to {value.target}")


if __name__ == "__main__":
    main()
