"""Render the faces of a table once more by a small autoencoder that is trained here.

    python tools/rendered_faces.py --train a.parquet b.parquet --steps 3000 \
        --write a.parquet a-rendered.parquet --write b.parquet b-rendered.parquet

The autoencoder is convolutional, halves a picture three times and doubles it again in one of three
ways (bilinear, transposed convolution, pixels shuffled), each with a decoder of its own. The output
table has the column `rendered` beside `image`: the crop at a random resolution (the face 80 to
200 px large), through a random decoder, with a little noise on the code. `unmask train` makes
forgeries of them (`augmentation.forgeries.rendered`).
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, l1_loss

CODE = 16
_PATCH = 96


def _block(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.SiLU())


class _Bilinear(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.mix = _block(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(interpolate(x, scale_factor=2, mode="bilinear"))


def _transposed(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(channels, out, 4, 2, 1), nn.SiLU())


def _shuffled(channels: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4 * out, 3, 1, 1), nn.PixelShuffle(2), nn.SiLU())


DOUBLINGS = (_Bilinear, _transposed, _shuffled)


class Autoencoder(nn.Module):
    """One encoder, a decoder for each way of doubling."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _block(3, 16, 2), _block(16, 32, 2), _block(32, 48, 2), _block(48, 48),
            nn.Conv2d(48, CODE, 1),
        )  # fmt: skip
        self.decoders = nn.ModuleList(
            nn.Sequential(
                _block(CODE, 48), _block(48, 48), double(48, 32), double(32, 16), double(16, 12),
                nn.Conv2d(12, 3, 3, 1, 1),
            )
            for double in DOUBLINGS
        )  # fmt: skip
        self.apply(_spread)

    def forward(self, x: Tensor, way: int, noise: float = 0.0) -> Tensor:
        """Return pictures like `x` `(N, 3, H, W)`, sides multiples of 8, in [-1, 1].

        The decoder adds detail to the picture made eight times smaller, so colours stay.
        """
        code = self.encoder(x)
        if noise:
            code = code + noise * code.std() * torch.randn_like(code)
        coarse = interpolate(avg_pool2d(x, 8), scale_factor=8, mode="bilinear")
        return coarse + self.decoders[way](code)


def _spread(module: nn.Module) -> None:
    """Keep the spread of activations from layer to layer: PyTorch's own draw lets it vanish."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.ConvTranspose2d):
            module.weight.data *= 2  # a quarter of its taps meet at a pixel


def _patches(path: Path, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return patches of faces at random resolutions, `(N, 96, 96, 3)`."""
    table = pq.read_table(path, columns=["image", "face_box"])
    patches = []
    for index in rng.permutation(len(table))[:count]:
        image = Image.open(io.BytesIO(table["image"][int(index)].as_py())).convert("RGB")
        box = table["face_box"][int(index)].as_py()
        side = max(box[2] - box[0], box[3] - box[1]) * rng.uniform(0.6, 1.3)
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        window = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        window = tuple(np.clip(window, 0, image.width).tolist())
        patches.append(
            np.asarray(image.resize((_PATCH, _PATCH), Image.Resampling.BILINEAR, window))
        )
    return np.stack(patches)


def trained(paths: list[Path], steps: int, batch: int = 16) -> Autoencoder:
    """Train the autoencoder, each step another decoder."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    patches = np.concatenate([_patches(path, 1200, rng) for path in paths])
    network = Autoencoder().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.from_numpy(patches[rng.integers(len(patches), size=batch)])
        x = chosen.permute(0, 3, 1, 2).float() / 127.5 - 1
        loss = l1_loss(network(x, step % len(DOUBLINGS)), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step}: {loss.item():.4f}", flush=True)
    return network.eval()


@torch.inference_mode()
def rendered(
    network: Autoencoder, encoded: bytes, box: list[float], rng: np.random.Generator
) -> bytes:
    """Return a crop as the autoencoder renders it, in its size, as JPEG."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    longer = max(box[2] - box[0], box[3] - box[1])
    factor = min(1.0, rng.uniform(80, 200) / longer)
    side = max(48, 8 * round(image.width * factor / 8))
    small = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    x = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    out = network(x, int(rng.integers(len(DOUBLINGS))), noise=float(rng.choice((0.0, 0.03, 0.08))))
    pixels = ((out[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    back = Image.fromarray(pixels).resize(image.size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    back.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def write(network: Autoencoder, source: Path, target: Path) -> None:
    """Write a table with the column `rendered`."""
    table = pq.read_table(source)
    rng = np.random.default_rng(1)
    pictures = [
        rendered(network, image.as_py(), box.as_py(), rng)
        for image, box in zip(table["image"], table["face_box"], strict=True)
    ]
    table = table.append_column("rendered", pa.array(pictures, pa.binary()))
    pq.write_table(table, target, row_group_size=256)
    print(f"{len(table)} crops written to {target}", flush=True)


def main() -> None:
    """Train, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--write", type=Path, nargs=2, action="append", required=True)
    value = parser.parse_args()
    torch.set_num_threads(1)
    network = trained(value.train, value.steps)
    for source, target in value.write:
        write(network, source, target)


if __name__ == "__main__":
    main()
