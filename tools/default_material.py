"""Cut aligned CelebA pictures to the squares that the shipped detector was trained on.

    python tools/default_material.py celeba.parquet celeba-square.parquet

The input has a column `image` with encoded pictures of 178 x 218 px (CelebA's aligned form) and a
column `name`. The output is a file of crops for `unmask train`; docs/training.md has the rest.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

WINDOW = (21, 52, 157, 188)
"""Square, px: somewhat wider than DFDC's crops; training cuts windows out of it."""
SIZE = (178, 218)


def square(encoded: bytes) -> bytes:
    """Return the square of an encoded picture, as PNG."""
    with Image.open(io.BytesIO(encoded)) as image:
        if image.size != SIZE:
            raise ValueError(f"an aligned CelebA picture is {SIZE} px, got {image.size}")
        buffer = io.BytesIO()
        image.convert("RGB").crop(WINDOW).save(buffer, "PNG")
    return buffer.getvalue()


def main(source: Path, target: Path) -> None:
    """Write the crops."""
    rows = [
        {
            "name": f"celeba/{row['name']}",
            "label": "real",
            "original": f"celeba/{row['name']}",
            "image": square(row["image"]),
        }
        for row in pq.read_table(source, columns=["name", "image"]).to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows), target)
    print(f"{len(rows)} crops written to {target}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
