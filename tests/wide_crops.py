"""A table of wide crops with boxes and landmarks, for tests."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from drawn_faces import drawn_face, five_points
from toy_material import png


def write_wide_crops(
    path: Path, *, films: int = 2, frames: int = 3, five: bool = False, rendered: bool = False
) -> Path:
    """Write some frames of some films, each a drawn face in a crop of 200 px."""
    face = drawn_face()
    points = five_points() if five else face.points
    low, high = face.points.min(axis=0), face.points.max(axis=0)
    rows = [
        {
            "name": f"film{film}/{frame}",
            "label": "real",
            "video": f"film{film}",
            "frame": frame,
            "image": png(drawn_face(seed=10 * film + frame).image),
            "face_box": [*low.tolist(), *high.tolist()],
            "landmarks": points.ravel().tolist(),
        }
        | ({"rendered": png(drawn_face(seed=99).image)} if rendered else {})
        for film in range(films)
        for frame in range(frames)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
