"""Toy crops for training: reals are smooth blotches, fakes are theirs with a fine checkerboard."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, *, fake: bool, side: int = 40) -> bytes:
    """Return one square crop, encoded without loss."""
    rng = np.random.default_rng(seed)
    blotches = Image.fromarray(rng.integers(60, 200, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(blotches.resize((side, side), Image.Resampling.BICUBIC), dtype=np.int16)
    if fake:
        board = np.indices((side, side)).sum(axis=0) // 2 % 2
        pixels = pixels + 40 * board[:, :, None]
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_toy_crops(
    path: Path, *, families: int = 8, fakes: int = 2, prefix: str = "clip", side: int = 40
) -> Path:
    """Write families of one real crop and the fakes made from it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for number in range(families):
        original = f"{prefix}{number}"
        rows += [
            {
                "name": original if copy == 0 else f"{original}-fake{copy}",
                "label": "real" if copy == 0 else "fake",
                "original": original,
                "image": picture(number, fake=copy > 0, side=side),
            }
            for copy in range(fakes + 1)
        ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
