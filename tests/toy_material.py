"""Toy training material: a few drawn faces as crop files, and weights in the Keras layout."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FAMILIES = 4
FAKES_PER_REAL = 3


def drawn_face(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """Draw a head with eyes and a mouth in random colours on random noise."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    width, height = size
    draw = ImageDraw.Draw(image)
    skin, dark = (tuple(rng.integers(low, low + 90, 3).tolist()) for low in (140, 10))
    draw.ellipse((0.2 * width, 0.12 * height, 0.8 * width, 0.95 * height), fill=skin)
    for x in (0.35, 0.58):
        draw.ellipse((x * width, 0.4 * height, (x + 0.08) * width, 0.46 * height), fill=dark)
    draw.ellipse((0.38 * width, 0.7 * height, 0.62 * width, 0.77 * height), fill=dark)
    return image


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_crops(path: Path, *, seed: int = 0) -> Path:
    """Write a crop file: `FAMILIES` reals with their fakes, and a fake whose real is missing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for number in range(FAMILIES):
        real = f"real{number}.mp4"
        rows.append({"name": real, "label": "real", "original": real})
        rows += [
            {"name": f"fake{number}-{n}.mp4", "label": "fake", "original": real}
            for n in range(FAKES_PER_REAL)
        ]
    rows.append({"name": "orphan.mp4", "label": "fake", "original": "elsewhere.mp4"})
    table = [row | {"image": png(drawn_face(seed + n))} for n, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(table), path)
    return path


def write_celeba(path: Path) -> Path:
    """Write aligned pictures in CelebA's size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    faces = [{"image": png(drawn_face(100 + n, (178, 218)))} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(faces), path)
    return path


def write_imagenet_weights(path: Path, *, seed: int = 0) -> Path:
    """Write random weights of SqueezeNet 1.1's features as Keras lays them out."""
    import h5py

    rng = np.random.default_rng(seed)
    widths = [(64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)]
    widths += [(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]
    layers = {"conv1": (3, 3, 64)}
    for number, (channels, squeeze, expand) in enumerate(widths, start=2):
        layers[f"fire{number}/squeeze1x1"] = (1, channels, squeeze)
        layers[f"fire{number}/expand1x1"] = (1, squeeze, expand)
        layers[f"fire{number}/expand3x3"] = (3, squeeze, expand)
    with h5py.File(path, "w") as file:
        for name, (side, inputs, outputs) in layers.items():
            scale = (2 / (side * side * inputs)) ** 0.5 / (100 if name == "conv1" else 1)
            kernel = rng.normal(0, scale, (side, side, inputs, outputs))
            group = file.create_group(f"{name}/{name}")
            group["kernel:0"] = kernel.astype(np.float32)
            group["bias:0"] = rng.normal(0, 0.1, outputs).astype(np.float32)
    return path
