"""Augmentation of face crops: geometry, then what cameras, editors and uploads do to a picture.

Images are HWC RGB uint8; every function takes a numpy generator and returns a new image. A real
crop and the fake made from it take the same degradation (`degrade` with generators in the same
state), so that only the forgery tells them apart.
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

Pixels = NDArray[np.uint8]

_H264_SHARE = 1 / 3
_RESAMPLING = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
)


def random_window(image: Image.Image, rng: np.random.Generator, size_px: int) -> Image.Image:
    """Cut a jittered square out of a square crop, flip it at random, and resize it.

    Args:
        image: a square crop.
        rng: source of randomness.
        size_px: side of the result in pixels.
    """
    side = image.width
    window = side * rng.uniform(0.78, 1.0)
    left, top = rng.uniform(0, side - window, size=2)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.3:
        image = image.rotate(rng.uniform(-8, 8), Image.Resampling.BILINEAR)
    return image.resize(
        (size_px, size_px),
        Image.Resampling.BILINEAR,
        box=(left, top, left + window, top + window),
        reducing_gap=2.0,
    )


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return the image after one round of JPEG compression at `quality` (1..95)."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def h264(image: Image.Image, crf: int) -> Image.Image:
    """Return an image as a key frame of H.264 at a constant rate factor (0..51).

    x264 takes even sides only: the last column or row of odd ones is repeated, and cut off again.
    """
    width, height = image.size
    pixels = np.pad(np.asarray(image), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    return frames[0].to_image().crop((0, 0, width, height))


def compress(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Compress by JPEG, or every third time by H.264, from hardly to strongly."""
    if rng.random() < _H264_SHARE:
        return h264(image, int(rng.integers(18, 39)))
    return jpeg(image, int(rng.integers(30, 96)))


def recolour(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """Change brightness, contrast, saturation, gamma and tint by up to `strength` (0.2: 20 %)."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(1.0 + rng.uniform(-strength, strength))
    gamma = float(np.exp(rng.uniform(-strength, strength)))
    tint = np.exp(rng.uniform(-strength, strength, size=3) / 3)
    levels = np.linspace(0, 1, 256) ** gamma
    return image.point(
        (255 * np.outer(tint, levels)).clip(0, 255).round().astype(int).ravel().tolist()
    )


def rescale(
    image: Image.Image,
    rng: np.random.Generator,
    *,
    smallest: float = 0.35,
    compressed_share: float = 0.0,
) -> Image.Image:
    """Shrink by a random factor down to `smallest` and enlarge again, as a small face would be.

    Args:
        image: any picture.
        rng: source of randomness.
        smallest: least factor.
        compressed_share: how often the small picture is compressed before it is enlarged; the
            blocks of a low-resolution video are larger than 8 pixels in a crop of it.
    """
    size = image.size
    factor = rng.uniform(smallest, 0.95)
    small = (max(8, round(size[0] * factor)), max(8, round(size[1] * factor)))
    down, up = rng.integers(len(_RESAMPLING), size=2)
    image = image.resize(small, _RESAMPLING[down])
    if rng.random() < compressed_share:
        image = jpeg(image, int(rng.integers(30, 91)))
    return image.resize(size, _RESAMPLING[up])


def smooth_skin(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Smooth what varies little and keep edges, as make-up and beauty filters do to skin.

    Args:
        image: any picture.
        rng: source of randomness.
    """
    radius = rng.uniform(0.006, 0.025) * image.height
    sharp = np.asarray(image, dtype=np.float32)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    contrast = np.abs(sharp - soft).max(axis=2, keepdims=True)
    grey_levels = rng.uniform(8, 30)  # detail of more than that stays
    share = rng.uniform(0.4, 1.0) * np.exp(-((contrast / grey_levels) ** 2))
    smoothed = sharp + share * (soft - sharp)
    return Image.fromarray(smoothed.round().clip(0, 255).astype(np.uint8))


def wear(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Wear an image as sharing does: blurred at times, then made small and encoded, up to twice.

    Args:
        image: any picture.
        rng: source of randomness.
    """
    if rng.random() < 0.4:
        radius = rng.uniform(0.004, 0.025) * image.height
        image = image.filter(ImageFilter.GaussianBlur(radius))
    for _ in range(int(rng.integers(1, 3))):
        factor = rng.uniform(0.45, 0.95)
        width, height = (max(16, 2 * round(side * factor / 2)) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BILINEAR)
        sent = h264(small, int(rng.integers(20, 34)))
        image = sent.resize(image.size, Image.Resampling.BILINEAR)
    return image


def erase(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Put one colour over a rectangle of a fiftieth to a fifth of the image.

    Args:
        image: an RGB picture.
        rng: source of randomness.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """
    area, aspect = rng.uniform(0.02, 0.2), np.exp(rng.uniform(-1, 1))
    width, height = (
        max(1, round(side * share))
        for side, share in zip(
            image.size, np.sqrt([area * aspect, area / aspect]).tolist(), strict=True
        )
    )
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    erased = image.copy()
    erased.paste(tuple(rng.integers(256, size=3).tolist()), (left, top, left + width, top + height))
    return erased


def degrade(
    image: Image.Image,
    rng: np.random.Generator,
    *,
    compression_ratio: float = 0.65,
    worn_ratio: float = 0.0,
    erased_ratio: float = 0.0,
) -> Image.Image:
    """Apply a random chain of colour, scale, blur, noise and compression changes.

    Args:
        image: any picture.
        rng: source of randomness.
        compression_ratio: how often the image is compressed at the end; at 0 small pictures are not
            compressed before they are enlarged either.
        worn_ratio: how often it was worn by sharing before that, see `wear`.
        erased_ratio: how often a rectangle is erased at the very end, see `erase`.
    """
    if worn_ratio and rng.random() < worn_ratio:
        image = wear(image, rng)
    if rng.random() < 0.7:
        image = recolour(image, rng, 0.25)
    if rng.random() < 0.45:
        image = rescale(image, rng, compressed_share=0.5 if compression_ratio else 0.0)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.4)))
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(1, 8), size=(image.height, image.width, 3))
        noisy = np.asarray(image, dtype=np.float32) + noise
        image = Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))
    if rng.random() < compression_ratio:
        image = compress(image, rng)
    if rng.random() < 0.05:
        image = image.convert("L").convert("RGB")
    if erased_ratio and rng.random() < erased_ratio:
        image = erase(image, rng)
    return image
