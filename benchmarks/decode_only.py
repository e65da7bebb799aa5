"""Decode a clip with PyAV and do nothing else: the floor that a scan is compared with.

python -m benchmarks.decode_only CLIP
"""

from __future__ import annotations

import sys

import av


def main(path: str) -> None:
    """Decode every frame and print how many there were."""
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        print(sum(1 for _ in container.decode(video=0)))


if __name__ == "__main__":
    main(sys.argv[1])
