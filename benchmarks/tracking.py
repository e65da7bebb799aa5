"""How well faces are followed: `python -m benchmarks.tracking FOLDER`, with a folder of clips.

Two heads cut out of two clips of different people are laid over a plain or moving ground along
known ways, so that it is known who is where and how much of each shows. Counted are tracks that
hold two people, changes of a person's track, frames covered, and half faces among the key frames.
Then, over all pairs of clips, whether the grouping of tracks by person merges two people or splits
one. The table goes to docs/tracking.md by hand, with the version that it was measured on.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from unmask.core.face import FaceTrack, Look
from unmask.core.settings import ScanSettings
from unmask.faces.association import overlap
from unmask.faces.detector import FaceDetector, create
from unmask.faces.persons import group
from unmask.faces.tracks import Tracker
from unmask.scanner.passes import choose_in, measured_key_frame
from unmask.video import LumaPass, probe

SUFFIXES = {".mp4", ".mpg", ".mov", ".mkv", ".webm"}
SETTINGS = ScanSettings()
WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 25, 100
_SLOW_FPS = 5
"""Of the clips whose looks are compared: two detections a second need no more."""
HEAD_PX = 150
HEAD_RATIO = 1.9
"""Side of a cut head over the longer side of its face box."""
WHOLE, HALF = 0.97, 0.9
"""A face counts as whole, or as half hidden, by the share of its box that shows."""


@dataclass(frozen=True, eq=False)
class Head:
    """A moving head, cut out."""

    pictures: list[Image.Image]
    boxes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shown:
    """A rendered frame, as a tracker takes it."""

    index: int
    pixels: NDArray[np.uint8]
    scale: float = 1.0
    fps: float = FPS

    @property
    def pts_seconds(self) -> float:
        """Return its time."""
        return self.index / self.fps

    @property
    def luma(self) -> NDArray[np.uint8]:
        """Return its luma."""
        return np.asarray(Image.fromarray(self.pixels).convert("L"))

    def rgb(self) -> NDArray[np.uint8]:
        """Return its colours."""
        return self.pixels


Place = tuple[float, float] | None
"""Centre of a head in shares of the picture; None: not there."""
Way = Callable[[float], tuple[Place, Place]]
"""Places of both heads at a time in [0, 1]; the second is in front."""


def across(t: float) -> tuple[Place, Place]:
    """Move from side to side, past each other."""
    return (0.14 + 0.72 * t, 0.5), (0.86 - 0.72 * t, 0.5)


def across_quickly(t: float) -> tuple[Place, Place]:
    """Move to and fro three times, at up to 14 face widths a second."""
    swing = 0.5 - 0.5 * np.cos(2 * np.pi * 3 * t)
    return (0.14 + 0.72 * swing, 0.48), (0.86 - 0.72 * swing, 0.52)


def close_together(t: float) -> tuple[Place, Place]:
    """Sit side by side and sway."""
    sway = 0.02 * np.sin(2 * np.pi * 2 * t)
    return (0.41 + sway, 0.5), (0.59 + sway / 2, 0.48)


def behind_and_back(t: float) -> tuple[Place, Place]:
    """Go behind the other and come back on the same side."""
    return (0.2 + 0.3 * np.sin(np.pi * t), 0.5), (0.5, 0.52)


def in_and_out(t: float) -> tuple[Place, Place]:
    """Walk through the picture; the other is there for a while."""
    return (-0.2 + 1.4 * t, 0.45), ((0.3, 0.55) if 0.3 < t < 0.8 else None)


def pan(t: float) -> tuple[Place, Place]:
    """Look at both with a camera that pans."""
    shift = 0.25 * np.sin(2 * np.pi * t)
    return (0.33 + shift, 0.5), (0.67 + shift, 0.5)


def cut_to_cut(t: float) -> tuple[Place, Place]:
    """Show one, then the other, where the first was."""
    return ((0.5, 0.5), None) if int(t * 6) % 2 == 0 else (None, (0.5, 0.5))


SCENES: dict[str, Way] = {
    "two cross": across,
    "two cross six times, very fast": across_quickly,
    "close together": close_together,
    "behind another and back": behind_and_back,
    "in and out": in_and_out,
    "pan": pan,
    "cuts from one to the other, same ground": cut_to_cut,
}


def heads(path: Path, detector: FaceDetector, count: int = FRAMES) -> Head | None:
    """Cut the largest head out of a clip, if it has one throughout; it plays to and fro."""
    frames = list(itertools.islice(_frames(path), count // 2))
    track = longest(_follow(frames, detector))
    if track is None or len(track) < len(frames) or len(frames) < count // 2:
        return None
    pictures, boxes = [], []
    for (pixels, scale), box in zip(frames, track.boxes, strict=True):
        small = box * scale
        reach = float(max(small[2:] - small[:2])) * HEAD_RATIO / 2
        middle = (small[:2] + small[2:]) / 2
        corner = np.concatenate([middle - reach, middle + reach])
        cut = Image.fromarray(pixels).transform(
            (HEAD_PX, HEAD_PX), Image.Transform.EXTENT, tuple(corner), Image.Resampling.BILINEAR
        )
        pictures.append(cut)
        boxes.append((small - np.tile(corner[:2], 2)) * HEAD_PX / (2 * reach))
    order = [*range(len(pictures)), *reversed(range(len(pictures)))]
    return Head([pictures[n] for n in order], np.array([boxes[n] for n in order]))


def _frames(path: Path, fps: float = FPS) -> Iterator[tuple[NDArray[np.uint8], float]]:
    limits = SETTINGS.limits
    for frame in LumaPass(
        probe(path, limits=limits), sample_fps=fps, long_side_px=640, limits=limits
    ):
        yield frame.rgb(), frame.scale


def _follow(
    frames: list[tuple[NDArray[np.uint8], float]], detector: FaceDetector, fps: float = FPS
) -> list[FaceTrack]:
    tracker = Tracker(detector, every_seconds=SETTINGS.detect_every_seconds)
    for index, (pixels, scale) in enumerate(frames):
        tracker.add(Shown(index, pixels, scale, fps))
    return tracker.finish()


def longest(tracks: list[FaceTrack]) -> FaceTrack | None:
    """Return the longest track, if there is one."""
    return max(tracks, key=len, default=None)


def render(way: Way, pair: tuple[Head, Head]) -> Iterator[tuple[NDArray[np.uint8], list]]:
    """Yield frames with, for each person, its box and the share of it that shows."""
    ground = np.random.default_rng(0).integers(90, 140, (HEIGHT // 40, WIDTH // 40, 3))
    mask = Image.new("L", (HEAD_PX, HEAD_PX))
    ImageDraw.Draw(mask).ellipse((8, 2, HEAD_PX - 8, HEAD_PX + 20), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(3))
    plain = Image.fromarray(ground.astype(np.uint8)).resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC
    )
    for n in range(FRAMES):
        canvas, truth = plain.copy(), []
        owner = np.full((HEIGHT, WIDTH), -1)
        for person, (place, head) in enumerate(zip(way(n / FRAMES), pair, strict=True)):
            if place is None:
                truth.append(None)
                continue
            corner = [
                round(p * s - HEAD_PX / 2) for p, s in zip(place, (WIDTH, HEIGHT), strict=True)
            ]
            canvas.paste(head.pictures[n], tuple(corner), mask)
            layer = Image.new("L", (WIDTH, HEIGHT))
            layer.paste(mask, tuple(corner))
            owner[np.asarray(layer) > 127] = person
            truth.append(head.boxes[n] + np.tile(corner, 2))
        yield (
            np.asarray(canvas),
            [(p, b, _share(owner, p, b)) for p, b in enumerate(truth) if b is not None],
        )


def _share(owner: NDArray[np.int64], person: int, box: NDArray[np.float64]) -> float:
    """Return the share of a box that no other person and no edge hides."""
    x0, y0, x1, y1 = (round(float(v)) for v in box)
    inside = owner[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    return float(np.isin(inside, (person, -1)).sum()) / max(1, (x1 - x0) * (y1 - y0))


def measure(way: Way, pair: tuple[Head, Head], detector: FaceDetector) -> Counter[str]:
    """Follow a scene and compare with what is known."""
    rendered = list(render(way, pair))
    tracks = _follow([(pixels, 1.0) for pixels, _ in rendered], detector)
    tracks = [t for t in tracks if t.confidence >= detector.sure_confidence]
    counts: Counter[str] = Counter()
    holder: dict[int, int] = {}
    held: dict[int, Counter[int]] = {}
    for n, (_, truth) in enumerate(rendered):
        for person, box, share in truth:
            if share < WHOLE:
                continue
            counts["whole"] += 1
            track = _nearest(tracks, n, box)
            if track is None:
                continue
            counts["covered"] += 1
            counts["switches"] += holder.get(person, track.id) != track.id
            holder[person] = track.id
            held.setdefault(track.id, Counter())[person] += 1
    counts["tracks"] = len(tracks)
    counts["mixed"] = sum(len(people) > 1 for people in held.values())
    for track in tracks:
        counts.update(_key_frames(track, rendered, detector))
    return counts


def _nearest(tracks: list[FaceTrack], frame: int, box: NDArray[np.float64]) -> FaceTrack | None:
    seen = []
    for track in tracks:
        place = np.flatnonzero(track.frame_indices == frame)
        if len(place):
            seen.append((overlap(track.boxes[place[0]].astype(float), box), -track.id, track))
    best = max(seen, default=None)
    return best[2] if best and best[0] >= 0.4 else None


def _key_frames(track: FaceTrack, rendered: list, detector: FaceDetector) -> Counter[str]:
    counts: Counter[str] = Counter()
    chosen = choose_in(track, frozenset(), SETTINGS)
    for position in chosen.positions:
        index = int(track.frame_indices[position])
        pixels, truth = rendered[index]
        key = measured_key_frame(detector, pixels, chosen, int(position))
        shares = [(overlap(np.array(key.box), box), share) for _, box, share in truth]
        best, share = max(shares, default=(0.0, 0.0))
        counts["key frames"] += 1
        counts["unfit"] += key.unusable is not None
        counts["half"] += key.unusable is None and (best < 0.3 or share < HALF)
    return counts


def looks_of(path: Path, detector: FaceDetector) -> dict[str, FaceTrack]:
    """Follow the beginning, the end and a shifted copy of a clip, as if they were three shots."""
    frames = list(itertools.islice(_frames(path, _SLOW_FPS), 30))
    third = len(frames) // 3
    parts = {"start": frames[:third], "end": frames[-third:], "again": frames[1:third]}
    result = {name: longest(_follow(part, detector, _SLOW_FPS)) for name, part in parts.items()}
    return {name: track for name, track in result.items() if track is not None}


def merged(one: FaceTrack, other: FaceTrack) -> bool:
    """Tell whether two tracks would be grouped, were they of one film."""
    later = replace(other, id=2, frame_indices=other.frame_indices + 10_000)
    return len(group([replace(one, id=1), later])) == 1


def in_grey(track: FaceTrack) -> FaceTrack:
    """Return a track whose looks have lost their colours."""
    looks = tuple(
        Look(each.face, np.repeat(each.head.mean(axis=2, keepdims=True), 3, axis=2))
        for each in track.looks
    )
    return replace(track, looks=looks)


def grouping(paths: list[Path], detector: FaceDetector) -> None:
    """Print how often tracks of two clips are merged, and tracks of one are not."""
    report({path: looks_of(path, detector) for path in paths})


def report(looks: dict[Path, dict[str, FaceTrack]]) -> None:
    """Print what the grouping makes of the shots of some clips."""
    parts = {path: each for path, each in looks.items() if len(each) == 3}
    for title, change in (("colour", lambda t: t), ("grey", in_grey)):
        pairs = list(itertools.combinations(parts, 2))
        wrong = [
            (a.name, b.name)
            for a, b in pairs
            if merged(change(parts[a]["start"]), change(parts[b]["start"]))
        ]
        split = sum(not merged(change(p["start"]), change(p["end"])) for p in parts.values())
        again = sum(not merged(change(p["start"]), change(p["again"])) for p in parts.values())
        print(
            f"{title}: {len(parts)} clips; merged {len(wrong)} of {len(pairs)} pairs {wrong}; "
            f"split: beginning and end {split}, the same again {again}"
        )


def main() -> None:
    """Print a row per scene, then the grouping."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--face-detector", default="mtcnn")
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--no-grouping", action="store_true")
    options = parser.parse_args()
    detector = create(options.face_detector, threads=1)
    paths = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    cut = (heads(path, detector) for path in paths)
    people = list(itertools.islice((h for h in cut if h is not None), 2 * options.pairs))
    pairs = list(zip(people[::2], people[1::2], strict=False))
    print("| scene | tracks | mixed | switches | covered | key frames | half | unfit |")
    for name, way in SCENES.items():
        total: Counter[str] = Counter()
        for pair in pairs:
            total += measure(way, pair, detector)
        share = total["covered"] / max(1, total["whole"])
        print(
            f"| {name} | {total['tracks']} for {2 * len(pairs)} | {total['mixed']} "
            f"| {total['switches']} "
            f"| {share:.0%} | {total['key frames']} | {total['half']} | {total['unfit']} |",
            flush=True,
        )
    if not options.no_grouping:
        grouping(paths, detector)


if __name__ == "__main__":
    main()
