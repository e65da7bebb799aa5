"""The result of a scan, as it is written as JSON.

Boxes are XYXY pixels of the picture as shown on a screen, half-open; times are seconds from the
first frame's time stamp; scores are P(fake) in [0, 1]; `None` means not measured and is never the
same as 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from unmask.core.face import Box, Landmarks
from unmask.core.media import VideoInfo
from unmask.core.verdicts import Verdict

SCHEMA_VERSION = "1"
"""Version of the scan result's JSON."""


@dataclass(frozen=True)
class ViewScore:
    """What one view of a detector says of a key frame."""

    view: str
    """Its name in the detector."""
    logit: float
    """Its network's output."""
    contribution: float
    """That times its weight: what it adds to the key frame's logit."""


@dataclass(frozen=True)
class KeyFrame:
    """One frame of a track that was chosen and scored."""

    frame_index: int
    """Position among all decoded frames."""
    pts_seconds: float
    """Time stamp."""
    box: Box
    """Face box in the frame."""
    landmarks: Landmarks
    """Five points in the frame."""
    face_px: float
    """Shorter side of the face box, pixels of the original frame."""
    difference: float | None
    """Smoothed inter-frame difference at this frame, grey levels."""
    sharpness: float | None = None
    """Variance of the Laplacian of the crop's luma at 128 px."""
    logit: float | None = None
    """The detector's output for this crop, before calibration."""
    probability: float | None = None
    """Calibrated P(fake) of this crop alone."""
    unusable: str | None = None
    """Why the crop was not used for a verdict, if it was not."""
    measured: bool = False
    """Whether box and landmarks were detected in this very frame; else they are interpolated."""
    views: tuple[ViewScore, ...] = ()
    """What each view says, for a detector of several."""
    explained_view: str | None = None
    """The view that GradCAM and GradCAM++ show, for a detector of several: the one that speaks most
    for fake. None where there is no such map."""
    clip: int | None = None
    """For a detector over time: number of the clip in its track, from 1, that the frame is part of.
    All frames of a clip have its logit. None for others, and for frames in no clip."""
    logit_change: float | None = None
    """How far the clip's logit falls when this frame is covered with grey; None where there is no
    clip, or no maps were asked for."""
    gradient_norm: float | None = None
    """Norm of the gradient of the clip's logit at this frame; None as above, and for a detector
    without gradients at its input."""


@dataclass(frozen=True)
class Curve:
    """The signal that key frames were chosen from."""

    pts_seconds: tuple[float, ...]
    """Time stamps of the sampled frames."""
    difference: tuple[float | None, ...]
    """Mean absolute luma difference to the frame before, grey levels."""
    smoothed: tuple[float, ...]
    """The same after smoothing."""


@dataclass(frozen=True)
class TrackResult:
    """One face over time."""

    id: int
    """Number in order of appearance, from 1."""
    start_seconds: float
    """Time of its first sampled frame."""
    end_seconds: float
    """Time of its last sampled frame."""
    frames_sampled: int
    """Sampled frames that it spans."""
    median_face_px: float
    """Median of the shorter side of its boxes, pixels."""
    key_frames: tuple[KeyFrame, ...]
    """Chosen frames in order of time."""
    verdict: Verdict
    """Judgement of this face."""
    curve: Curve
    """Difference signal of this face."""


@dataclass(frozen=True)
class Person:
    """Faces that look so much the same that they are taken for one person's.

    By head, hair and colours in this file alone: a swapped face does not make another person, and a
    person who comes back in another light or pose may be counted again.
    """

    id: int
    """Number in order of appearance, from 1."""
    tracks: tuple[int, ...]
    """Numbers of the faces."""


@dataclass(frozen=True)
class Coverage:
    """What was analysed and what was not."""

    complete: bool
    """Whether the whole file was read and every face found was judged or only passed by."""
    seconds_analysed: float
    """Length of the part that was decoded."""
    seconds_from_header: float | None
    """Length that the header promises."""
    frames_decoded: int
    """Frames decoded in the first pass."""
    frames_sampled: int
    """Frames looked at after sampling to the target rate."""
    frames_without_face: int
    """Sampled frames in no track."""
    tracks_found: int
    """Faces followed."""
    tracks_judged: int
    """Faces that got a judgement other than 'cannot judge'."""
    not_analysed: tuple[str, ...]
    """What was left out, a reason each."""
    passing: tuple[str, ...] = ()
    """Faces that were seen too briefly to be judged beside others that were, a line each."""
    doubtful: tuple[str, ...] = ()
    """What the face detector was never sure of, a line each: hardly faces, and not judged."""
    missing_ratio: float = 0.0
    """Share of the frames that the file should have and that are not in it or give no picture, in
    [0, 1]; an estimate where the file does not say how many it should have."""
    damaged_ratio: float = 0.0
    """Share of the decoded frames that are damaged or refer to damaged ones, in [0, 1]; no key
    frame is chosen from them."""
    frames_left_out: int = 0
    """Frames between the decoded ones that a quick scan did not decode, as none depends on them."""


@dataclass(frozen=True)
class MissRate:
    """How often a detector missed forgeries of one kind."""

    method: str
    """The way of forging, such as `lip-sync`."""
    missed: float | None
    """Share of its videos that got `little evidence`; None: never tested."""
    videos: int
    """Videos behind it."""


@dataclass(frozen=True)
class DetectorInfo:
    """The detector behind the scores."""

    name: str
    """Its name."""
    sha256: str
    """SHA-256 over its `detector.json`, which holds the hashes of all its files."""
    calibration: str
    """What the probabilities were calibrated on."""
    limits: tuple[str, ...]
    """What its makers say it cannot do."""
    misses: tuple[MissRate, ...] = ()
    """What it is likely to miss, by method; empty: the detector's card does not say."""


@dataclass(frozen=True)
class StressedVerdict:
    """The verdict on a file whose faces were distorted."""

    distortion: str
    """Name of the distortion."""
    level: str
    """Its strength with the unit."""
    verdict: Verdict
    """Judgement of the whole file then."""


@dataclass(frozen=True)
class Custody:
    """When a file was scanned, and that it was the same file before and after."""

    started_utc: str
    """When the scan began, ISO 8601 in UTC."""
    finished_utc: str
    """When it ended."""
    utc_offset_minutes: int
    """What local time was ahead of UTC then, minutes."""
    sha256_after: str | None
    """SHA-256 of the file's bytes after the scan; None: it could no longer be read."""
    modified_utc: str | None
    """When the file was last modified, as the file system says; copying may change it."""
    created_utc: str | None = None
    """When it was created there; None: the file system does not say."""


CredentialState = Literal["absent", "unsupported", "unreadable", "well-formed", "valid", "trusted"]
"""What became of checking Content Credentials."""


@dataclass(frozen=True)
class ContentCredentials:
    """What a file says of its own origin; claims, which no score depends on."""

    state: CredentialState
    """`absent`: it has none, which says nothing. `unsupported`: its format carries none.
    `unreadable`: they are damaged. `well-formed`: they can be read, and do not fit the file or its
    signature. `valid`: they fit, by a signer who is on no list of trusted ones. `trusted`: by one
    who is."""
    generator: str | None = None
    """The program or device that wrote them."""
    issuer: str | None = None
    """Who signed, as the certificate says."""
    signed: str | None = None
    """When, as a time stamp says; None: there is none."""
    source_types: tuple[str, ...] = ()
    """IPTC's digital source types that they name, such as `trainedAlgorithmicMedia`."""
    problems: tuple[str, ...] = ()
    """Codes of what did not fit."""
    xmp_source_type: str | None = None
    """IPTC's digital source type in the file's XMP metadata, which nobody signs."""


@dataclass(frozen=True)
class Examination:
    """What whoever runs the program says of the run."""

    case: str | None = None
    """Name or number of the case."""
    analyst: str | None = None
    """Who examines."""
    note: str | None = None
    """Anything else."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a file with the score of one face in it, for programs that mark a timeline.

    Only key frames are scored: a segment reaches halfway to the key frames before and after, or to
    the face's first or last sampled frame.
    """

    start_seconds: float
    """Where it begins."""
    end_seconds: float
    """Where it ends."""
    face: int
    """Number of the face."""
    box: Box
    """Place of the face in the key frame, XYXY pixels of the picture as shown."""
    modality: Literal["video", "picture"]
    """What was looked at; sound is not."""
    kind: Literal["face manipulation"]
    """What the score speaks for."""
    score: float | None
    """Calibrated probability of the key frame alone, in [0, 1]; None: it could not be used."""


@dataclass(frozen=True)
class ScanRecord:
    """Everything known about one file after a scan. Its JSON is versioned."""

    schema_version: str
    """Version of this structure."""
    video: VideoInfo
    """The file."""
    verdict: Verdict
    """Judgement of the whole video: that of its most suspicious face."""
    tracks: tuple[TrackResult, ...]
    """The faces, in order of appearance."""
    coverage: Coverage
    """What was analysed."""
    warnings: tuple[str, ...]
    """What a reader should know before relying on this."""
    detector: DetectorInfo
    """The detector."""
    settings: dict[str, str | int | float | bool | None]
    """Every setting of the run, resolved."""
    versions: dict[str, str]
    """Versions of the program and of what it computes with."""
    command: str
    """The command that repeats this scan."""
    stress: tuple[StressedVerdict, ...] | None = None
    """The verdict under distortions; None: not asked for."""
    persons: tuple[Person, ...] = ()
    """The faces that were looked at, by person."""
    custody: Custody | None = field(default=None, compare=False)
    """When the scan ran, and the file before and after; None: frames in memory."""
    credentials: ContentCredentials | None = None
    """What the file says of its origin; None: not looked for (`unmask[provenance]`)."""
    segments: tuple[Segment, ...] = ()
    """The same scores as stretches of time; empty in results of earlier versions too."""


@dataclass(frozen=True)
class Failure:
    """A file that could not be scanned at all."""

    path: str
    """Path as given."""
    error: str
    """What was wrong."""
    hint: str
    """The next step."""
    kind: str | None = None
    """Kind of failure: name of the exception, such as `NotMedia`; None where it is not known."""


@dataclass(frozen=True)
class ScanDocument:
    """The JSON that `unmask scan --json` writes: always this shape, for one file or many."""

    schema_version: str
    """Version of this structure."""
    results: tuple[ScanRecord, ...]
    """A result for each file that was scanned, in the order given."""
    failures: tuple[Failure, ...]
    """The files that were not."""
    examination: Examination | None = None
    """Case, analyst and note, where they were given."""
