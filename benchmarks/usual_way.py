"""The usual way to score a video for deepfakes, as the scan's counterpart.

OpenCV reads every frame, facenet-pytorch's MTCNN looks at 32 uniform ones at full size, and a torch
network of the shipped detector's size scores the largest face of each, eagerly, on the CPU. Its
weights are random: they do not change the time. The interpreter needs cv2, torch, timm
and facenet-pytorch, not unmask.

    python benchmarks/usual_way.py CLIP
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
import timm
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

FRAMES = 32
CROP_PX = 192
NETWORK = "tf_efficientnet_lite2"
MARGIN = 0.85

Picture = NDArray[np.uint8]


def read(path: str) -> tuple[int, list[Picture]]:
    """Read every frame; return their number and the uniform ones as RGB."""
    video = cv2.VideoCapture(path)
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    expected = set(np.linspace(0, max(0, total - 1), FRAMES).astype(int).tolist())
    count, kept = 0, []
    while True:
        good, frame = video.read()
        if not good:
            return count, kept
        if count in expected:
            kept.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        count += 1


def crop(picture: Picture, box: NDArray[np.float32]) -> Picture:
    """Cut the square around a face and resize it."""
    half = MARGIN * max(box[2] - box[0], box[3] - box[1]) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    top, left = max(0, int(y - half)), max(0, int(x - half))
    cut = picture[top : max(top + 1, int(y + half)), left : max(left + 1, int(x + half))]
    return cv2.resize(cut, (CROP_PX, CROP_PX))


def faces(pictures: list[Picture]) -> list[Picture]:
    """Return the largest face of each picture that has one."""
    finder = MTCNN(device="cpu")
    result = []
    for picture in pictures:
        boxes, _ = finder.detect(picture)  # largest first
        if boxes is not None:
            result.append(crop(picture, boxes[0]))
    return result


def score(crops: list[Picture]) -> list[float]:
    """Return the probability of each crop."""
    network = timm.create_model(NETWORK, num_classes=1).eval()
    normalised = np.stack(crops).astype(np.float32) / 127.5 - 1
    with torch.inference_mode():
        logits = network(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy()))
    return torch.sigmoid(logits[:, 0]).tolist()


def main(path: str) -> None:
    """Score a clip; print the number of frames read and of faces scored."""
    count, pictures = read(path)
    crops = faces(pictures)
    print(count, len(score(crops)) if crops else 0)


if __name__ == "__main__":
    main(sys.argv[1])
