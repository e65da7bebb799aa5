"""Forge the crops of a wide table, and keep them as wide crops: for every framing of a detector.

    python tools/forged_crops.py held-out.parquet forged.parquet

Each real crop stays, as `VIDEO-real`, and gets a forgery of one kind, as `VIDEO-KIND`, the kinds in
turn; both are compressed alike. Boxes are kept, so that the crops of any margin can be cut.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from unmask.training.augment import compress
from unmask.training.face_windows import read_landmarks
from unmask.training.forgeries import FacePicture, blend, mouth, render
from unmask.training.recipe import FORGERIES


def _jpeg(image: Image.Image, seed: int) -> bytes:
    worn = compress(image, np.random.default_rng((3, seed)))
    buffer = io.BytesIO()
    worn.save(buffer, "PNG")
    return buffer.getvalue()


def pair(row: dict, number: int) -> list[dict]:
    """Return the rows of a real crop and of its forgery."""
    image = Image.open(io.BytesIO(row["image"])).convert("RGB")
    face = FacePicture(image, read_landmarks(tuple(row["landmarks"])))
    rng = np.random.default_rng((2, number))
    kind = FORGERIES[number % len(FORGERIES)]
    if kind == "blend":
        result = blend(face, rng, keep_target=True)
    elif kind == "mouth":
        result = mouth(face, rng)
    else:
        again = row.get("rendered")
        rendered = Image.open(io.BytesIO(again)).convert("RGB") if again else None
        result = render(face, rng, rendered=rendered)
    common = {k: v for k, v in row.items() if k not in {"image", "rendered"}} | {
        "original": row["video"]
    }
    return [
        common | {
            "name": f"{row['name']}-{word}", "video": f"{row['video']}-{word}", "label": label,
            "method": None if label == "real" else f"made-{kind}", "image": _jpeg(picture, number),
        }
        for word, label, picture in (("real", "real", result.real), (kind, "fake", result.fake))
    ]  # fmt: skip


def main(source: Path, target: Path) -> None:
    """Write the table."""
    rows = pq.read_table(source).to_pylist()
    table = [each for number, row in enumerate(rows) for each in pair(row, number)]
    pq.write_table(pa.Table.from_pylist(table), target, row_group_size=256)
    print(f"{len(table)} crops written to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
