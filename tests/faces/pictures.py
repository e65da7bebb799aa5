"""Pictures with faces in the public domain, the same on every machine, for the face detectors."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE_FRAMES = (0, 40, 80, 120)

Pixels = NDArray[np.uint8]


def astronaut(side_px: int) -> Pixels:
    """Return NASA's portrait of Eileen Collins, reduced or enlarged to a square."""
    picture = Image.fromarray(data.astronaut())
    return np.asarray(picture.resize((side_px, side_px), Image.Resampling.BICUBIC))


def crowd() -> Pixels:
    """Return a picture of several faces: some small, one large, some dark, some mirrored."""
    picture = np.full((600, 960, 3), 96, dtype=np.uint8)
    picture[100:600, 460:960] = astronaut(500)
    picture[:200, :200] = astronaut(200)
    picture[:140, 240:380] = astronaut(140)[:, ::-1]
    picture[220:440, 10:230] = astronaut(220) // 3
    picture[460:600, 100:240] = 255 - (255 - astronaut(140)) // 2
    return picture


def frames(name: str) -> dict[str, Pixels]:
    """Return some frames of an example clip, by name and number."""
    taken: dict[str, Pixels] = {}
    with av.open(str(EXAMPLES / name)) as container:
        for number, frame in enumerate(islice(container.decode(video=0), EXAMPLE_FRAMES[-1] + 1)):
            if number in EXAMPLE_FRAMES:
                taken[f"{name} {number}"] = frame.to_ndarray(format="rgb24").astype(np.uint8)
    return taken


def pictures() -> dict[str, Pixels]:
    """Return all pictures by name."""
    portraits = {f"astronaut {side}": astronaut(side) for side in (120, 300, 512, 900)}
    return portraits | {"crowd": crowd()} | frames("original.mp4") | frames("forged.mp4")
