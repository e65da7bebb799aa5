"""Every default of a scan and of what a new detector judges, and those that several rooms share.

The command line and the report take theirs from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace

NEW_MIN_FACE_PX = 48.0
"""Faces below this are not judged by a newly exported detector."""
NEW_MIN_SHARPNESS = 6.0
"""Crops below this are not judged by a newly exported detector (see `scoring.sharpness`)."""

DEFAULT_MARGIN_RATIO = 1.3
"""Side of a square crop over the longer side of the face box, as the field cuts it."""
LARGEST_CROP_PX = 640
"""Longest side of a crop in a crop store; smaller ones keep the pixels of their frame."""
DEFAULT_SIZE_PX = 224
"""Side of a new network's square input."""
FOLDS = 5
"""Folds of `k-fold`."""
FRAMES_PER_ROW = 3
"""Frames that a leak audit looks at of each row."""
SUBSTANTIAL_KEY_FRAMES = 6
"""Fewest usable key frames behind `substantial evidence`, where a detector does not say: below it
the mean over a face scatters too much to accuse anybody."""
REPLICATES = 2000
"""Draws of a bootstrap interval."""


@dataclass(frozen=True)
class Limits:
    """What a file may cost, in the file and while it is read: media files are hostile input.

    Clean files stay far below each. Those of size are checked on headers, before anything is
    decoded. Those of time and memory hold in the worker processes of the command line and of
    `scanner.batch`; `Scanner.scan`, which runs in its caller's process, leaves them to its caller.
    """

    max_bytes: int = 32 * 2**30
    """Largest file."""
    max_pixels: int = 64_000_000
    """Most pixels in a frame (8K video has 33 million)."""
    max_side_px: int = 65_535
    """Longest side of a frame: no JPEG can be longer, and each row costs memory of its own, so that
    a picture of one column would cost ten times as much as its pixels."""
    max_animation_frame_pixels: int = 16_777_216
    """Most pixels in a frame of a GIF or APNG animation, twice those of 4K: a frame of any size
    takes 20 bytes."""
    max_bytes_in_flight: int = 512 * 2**20
    """Most bytes of decoded frames that wait for their turn: six of 8K in 8 bits. Larger frames
    wait in smaller number."""
    max_animation_pixels_per_byte: int = 100_000
    """Most pixels that a GIF, APNG or WebP animation may unfold of each byte in the file; what lies
    behind is not analysed (and reported so). A frame in which nothing changes takes 20 bytes at the
    least, so that one at rest in Full HD stays below for ever."""
    free_animation_pixels: int = 500_000_000
    """Pixels of an animation that are decoded whatever its size: 60 frames of 4K, one to two
    seconds of work."""
    max_seconds: float = 6 * 3600.0
    """What lies behind this time is not analysed (and reported so)."""
    max_streams: int = 64
    """Most streams in a container; the demuxer opens no more."""
    max_tag_bytes: int = 4 * 2**20
    """Most bytes of a container's tags. Cover pictures are attachments or streams and no tags."""
    max_tags: int = 10_000
    """Most texts and tags of a PNG or Matroska file: each costs time, however small it is, and in
    Matroska their number counts squared (33,000 took 5 s, 131,000 over two minutes)."""
    max_pages: int = 1000
    """Most pages of a TIFF file that are counted; only the first is analysed in any case."""
    max_tracks: int = 40
    """Most faces judged in a video, the longest and largest first; others are reported."""
    max_memory_bytes: int = 8 * 2**30
    """Most memory for the data of a worker process. A photo of 64 million pixels takes 0.8 GiB, 8K
    video on many cores up to 4."""
    open_seconds: float = 30.0
    """Longest time in which a file is opened and its first frame decoded, besides a second for
    each 10 MB, for which it is read once; clean files take a second."""
    silent_seconds: float = 120.0
    """Longest time without progress: one frame, or one batch of crops with its maps, which take
    seconds on a slow machine."""
    base_seconds: float = 900.0
    """Time that any file may take in all, besides that for each minute of film."""
    seconds_per_film_minute: float = 900.0
    """Time that a minute of film may take on top: fifteen times as long as it plays. A minute of
    4K at 60 frames per second takes three on two cores."""

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing."""
        for name in (each.name for each in fields(self) if each.name != "max_tracks"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be finite and above zero, got {value:g}")

    def total_seconds(self, film_seconds: float | None) -> float:
        """Return the time that a file may take in all.

        Args:
            film_seconds: how long it says it plays; None where it does not say. No more counts than
                is analysed.
        """
        minutes = min(film_seconds or 0.0, self.max_seconds) / 60
        return self.base_seconds + minutes * self.seconds_per_film_minute


TRIAGE_BUDGET = 8
"""Most frames of a face that a triage scores."""


@dataclass(frozen=True)
class ScanSettings:
    """How a video is looked at."""

    sample_fps: float = 30.0
    """Frames are sampled to at most this rate (the paper's 30)."""
    face_detector: str = "yunet"
    """Name of the face detector."""
    detect_every_seconds: float = 0.5
    """Longest time between two face detections; boxes in between are interpolated."""
    detect_closely_seconds: float = 0.1
    """The same while faces are near each other, move fast, or have just come or gone."""
    detect_long_side_px: int = 640
    """Least longer side of the reduced frames that faces are searched in; no frame is reduced more
    than 2.5 times."""
    selector: str = "uniform"
    """Name of the key-frame selector. Evenly spread frames separate forged films better than the
    paper's `local-maxima` of the difference, which are moving, blurred faces (detector log, 25)."""
    budget: int = 12
    """Most key frames in a track; more were measured to tell hardly more."""
    least_key_frames: int = 3
    """Fewest, where a track is that long: what the selector leaves open is filled up with evenly
    spread frames, so that a face that hardly moves can be judged."""
    passing_seconds: float = 0.75
    """A face that cannot be judged and spans less than this only passed by: it is reported, and the
    analysis counts as complete without it (half a second is two detections, often of no face)."""
    passing_share: float = 0.1
    """Most that such faces may span together, over the time of the faces that were judged; with
    more of them the analysis is not complete."""
    smoothing_frames: int = 50
    """Length of the Hann window over the difference signal, in sampled frames."""
    seed: int = 0
    """Seed of whatever is random."""
    explain: tuple[str, ...] = ("gradcam",)
    """Methods that make maps of the key frames; empty for none."""
    triage: bool = False
    """Whether only key frames of the encoder and a few others are looked at (see `for_triage`)."""
    quick: bool = True
    """Whether frames of H.264 and HEVC that no other is decoded from are left out, half of most
    films, where the selector spreads key frames evenly: others measure each frame's difference."""
    limits: Limits = field(default_factory=Limits)
    """What is refused."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense before any file is opened."""
        for name in (
            "sample_fps",
            "detect_every_seconds",
            "detect_closely_seconds",
            "detect_long_side_px",
            "budget",
            "least_key_frames",
            "smoothing_frames",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and above zero, got {value}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        for name in ("passing_seconds", "passing_share"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and not negative, got {value}")

    def for_triage(self) -> ScanSettings:
        """Return the same settings for a quick look: few frames, evenly spread, without maps."""
        budget = min(self.budget, TRIAGE_BUDGET)
        return replace(self, triage=True, selector="uniform", budget=budget, explain=())
