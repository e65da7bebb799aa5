"""Make a table of forgeries from the real faces of films: what a wide network is validated on.

    python tools/made_forgeries.py wide-validation.parquet held-out.parquet stills.parquet

Of each real crop that is taken there are the real itself and one forgery of each kind, at the
network's size and framing, all four changed alike by what cameras and uploads do. The inputs are
tables of tools/wide_material.py, of films that no training sees.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from unmask.training.augment import degrade
from unmask.training.batches import forgery_maker, resize_crop
from unmask.training.crop_table import Crops, read_crops
from unmask.training.forgery_source import ForgeryMaker
from unmask.training.recipe import FORGERIES, load_recipe


def taken(crops: Crops, *, of_film: int, stills: int) -> list[int]:
    """Return positions: some frames of each film, and some of the crops that are alone."""
    by_video: dict[str, list[int]] = {}
    for index, key in enumerate(crops.keys):
        by_video.setdefault(key.video, []).append(index)
    films = [frames for frames in by_video.values() if len(frames) > 3]
    alone = [frames[0] for frames in by_video.values() if len(frames) <= 3]
    chosen = [frames[len(frames) * n // of_film] for frames in films for n in range(of_film)]
    return chosen + alone[:: max(1, len(alone) // max(1, stills))][:stills]


def encoded(image: Image.Image) -> bytes:
    """Return a picture as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def rows(maker: ForgeryMaker, crops: Crops, index: int, size_px: int) -> list[dict]:
    """Return the rows of one real crop; the window and the wear are the same in all."""
    key = crops.keys[index]
    dicts = []
    for kind in FORGERIES:
        pair = maker.forged(index, np.random.default_rng((7, index)), size_px, kind=kind)
        for label, image in (("real", pair.real), ("fake", pair.fake)):
            if label == "real" and kind != "mouth":  # a blend's real may be restyled
                continue
            worn = degrade(
                resize_crop(image, size_px), np.random.default_rng((8, index)), worn_ratio=0.1
            )
            dicts.append({
                "name": f"{key.video}/{index}/{kind if label == 'fake' else 'real'}",
                "label": label, "video": f"{key.video}#{kind if label == 'fake' else 'real'}",
                "original": key.video, "frame": key.frame,
                "method": f"made-{kind}" if label == "fake" else None, "image": encoded(worn),
            })  # fmt: skip
    return dicts


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--recipe", default="wide")
    parser.add_argument("--of-film", type=int, default=4)
    parser.add_argument("--stills", type=int, default=40)
    parser.add_argument("--size-px", type=int)
    value = parser.parse_args()
    recipe = load_recipe(value.recipe)
    crops = read_crops(value.sources)
    maker = forgery_maker(crops, recipe)
    size_px = value.size_px or recipe.network.size_px
    table = [
        row
        for index in taken(crops, of_film=value.of_film, stills=value.stills)
        for row in rows(maker, crops, index, size_px)
    ]
    pq.write_table(pa.Table.from_pylist(table), value.target, row_group_size=256)
    print(f"{len(table)} crops written to {value.target}")


if __name__ == "__main__":
    main()
