"""Write what facenet-pytorch's MTCNN says of public-domain faces, for the tests.

`tests/faces/mtcnn_reference.json` holds boxes, points and scores for `tests/faces/pictures.py`, so
that our MTCNN is held against the original without torch or facenet-pytorch. Make it again only if
the pictures change; facenet-pytorch pins an old torch, so it goes beside a newer one with

    pip install --no-deps facenet-pytorch==2.6.0 requests
    PYTHONPATH=tests python tools/make_face_references.py tests/faces/mtcnn_reference.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from facenet_pytorch import MTCNN

import faces.pictures as public

MIN_FACE_PX = 24
DECIMALS = 4


def reference() -> dict[str, list[dict[str, object]]]:
    """Return the faces of every picture: box, points and score."""
    network = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX, device="cpu")
    faces = {}
    for name, picture in public.pictures().items():
        boxes, scores, points = network.detect(picture, landmarks=True)
        result = [] if boxes is None else zip(boxes, scores, points, strict=True)
        faces[name] = [
            {
                "box": [round(float(v), DECIMALS) for v in box],
                "landmarks": [[round(float(v), DECIMALS) for v in point] for point in marks],
                "confidence": round(float(score), 6),
            }
            for box, score, marks in result
        ]
    return faces


def main(out: str) -> None:
    """Write the file."""
    Path(out).write_text(json.dumps(reference(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
