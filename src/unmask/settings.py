"""Every default of a scan and of what a new detector judges, and those that several rooms share.

The command line and the report take theirs from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

NEW_MIN_FACE_PX = 48.0
"""Faces below this are not judged by a newly exported detector."""
NEW_MIN_SHARPNESS = 6.0
"""Crops below this are not judged by a newly exported detector (see `scoring.sharpness`)."""

DEFAULT_MARGIN_RATIO = 1.3
"""Side of a square crop over the longer side of the face box, as the field cuts it."""
CROP_SIZE_PX = 256
"""Side of a crop in a crop store."""
FOLDS = 5
"""Folds of `k-fold`."""
FRAMES_PER_ROW = 3
"""Frames that a leak audit looks at of each row."""
REPLICATES = 2000
"""Draws of a bootstrap interval."""


@dataclass(frozen=True)
class Limits:
    """What is refused before decoding: media files are hostile input."""

    max_bytes: int = 32 * 2**30
    """Largest file."""
    max_pixels: int = 64_000_000
    """Most pixels in a frame (8K video has 33 million)."""
    max_seconds: float = 6 * 3600.0
    """What lies behind this time is not analysed (and reported so)."""
    max_streams: int = 64
    """Most streams in a container."""
    max_tracks: int = 40
    """Most faces judged in a video, the longest and largest first; others are reported."""

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing."""
        least = min(self.max_bytes, self.max_pixels, self.max_seconds, self.max_streams)
        if not (least > 0 and math.isfinite(self.max_seconds)):
            raise ValueError(f"limits must be finite and above zero, got {self}")


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
    """Time between two face detections; boxes in between are interpolated."""
    detect_long_side_px: int = 640
    """Least longer side of the reduced frames that faces are searched in; no frame is reduced more
    than 2.5 times."""
    selector: str = "local-maxima"
    """Name of the key-frame selector."""
    budget: int = 32
    """Most key frames in a track."""
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
    limits: Limits = field(default_factory=Limits)
    """What is refused."""

    def __post_init__(self) -> None:
        """Refuse values that make no sense before any file is opened."""
        for name in (
            "sample_fps",
            "detect_every_seconds",
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
