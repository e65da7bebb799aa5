"""The frozen values that cross rooms, and the scan result that is written as JSON.

Conventions: pictures are HWC RGB uint8 as shown on a screen (rotation and pixel aspect applied);
boxes are XYXY pixels of that picture, half-open; times are seconds from the first frame's time
stamp; scores are P(fake) in [0, 1]; `None` means not measured and is never the same as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels, half-open."""

Point = tuple[float, float]
"""x, y in pixels."""

Landmarks = tuple[Point, Point, Point, Point, Point]
"""Left eye, right eye, nose, left mouth corner, right mouth corner (as seen in the picture)."""

Word = Literal[
    "substantial evidence", "some evidence", "inconclusive", "little evidence", "cannot judge"
]
"""How much speaks for manipulation."""

Answer = Literal["real", "fake", "cannot judge"]
"""The label that a detector did not rule out."""

UNSEEN = frozenset(["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])
"""Unicode categories without a picture of their own: controls, directions, surrogates, ..."""
SCHEMA_VERSION = "1"
"""Version of the scan result's JSON."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded picture."""

    index: int
    """Position among all decoded frames, from 0."""
    pts_seconds: float
    """Time stamp, seconds from the first frame."""
    image: NDArray[np.uint8]
    """`(H, W, 3)` RGB."""

    def __post_init__(self) -> None:
        """Check shape and type."""
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, got {self.image.shape}")

    def __repr__(self) -> str:
        """Show the shape, not the pixels."""
        height, width = self.image.shape[:2]
        return f"Frame(index={self.index}, pts_seconds={self.pts_seconds:.3f}, {width}x{height})"


@dataclass(frozen=True, eq=False)
class PicturePart:
    """A part of a picture that is cut by the coordinates of the whole: `part[rows, columns]`."""

    pixels: NDArray[np.uint8]
    """`(h, w, 3)` RGB of the part."""
    left: int
    """Column of the whole where it begins."""
    top: int
    """Row of the whole where it begins."""
    shape: tuple[int, int, int]
    """Height, width and channels of the whole."""
    whole: Callable[[], NDArray[np.uint8]]
    """Returns the whole picture, should more than the part be asked for; that may take long."""

    def __getitem__(
        self, place: tuple[slice | NDArray[np.int64], slice | NDArray[np.int64]]
    ) -> NDArray[np.uint8]:
        """Return pixels as `whole()[place]` does; slices have both ends and no step."""
        height, width = self.pixels.shape[:2]
        rows = _within(place[0], self.top, height)
        columns = _within(place[1], self.left, width)
        if rows is None or columns is None:
            return self.whole()[place]
        return self.pixels[rows, columns]

    def __repr__(self) -> str:
        """Show the place, not the pixels."""
        height, width = self.pixels.shape[:2]
        return f"PicturePart({width}x{height} at {self.left}, {self.top} of {self.shape})"


def _within(
    place: slice | NDArray[np.int64], start: int, length: int
) -> slice | NDArray[np.int64] | None:
    """Return places of a whole as those of a part; None where they reach beyond it."""
    if isinstance(place, slice):
        low, high = place.start - start, place.stop - start
        return slice(low, high) if 0 <= low <= high <= length else None
    moved = place - start
    return moved if moved.min() >= 0 and moved.max() < length else None


@dataclass(frozen=True)
class Face:
    """One detected face."""

    box: Box
    """Box of the face, forehead to chin."""
    landmarks: Landmarks
    """Five points."""
    confidence: float
    """The detector's own score in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Look:
    """What a face looks like, small; in memory only."""

    face: NDArray[np.float32]
    """`(32, 32)` luma of the upright face, grey levels."""
    head: NDArray[np.float32]
    """`(10, 10, 3)` RGB of the head."""

    def __repr__(self) -> str:
        """Show the shapes, not the pixels."""
        return f"Look(face={self.face.shape}, head={self.head.shape})"


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face followed over sampled frames without a cut.

    Frames in which another face hides it are left out.
    """

    id: int
    """Number of the track in its video, from 1, in order of appearance."""
    frame_indices: NDArray[np.int64]
    """`(N,)` decoded-frame indices, ascending."""
    pts_seconds: NDArray[np.float64]
    """`(N,)` time stamps."""
    boxes: NDArray[np.float32]
    """`(N, 4)` XYXY pixels; interpolated between detections."""
    landmarks: NDArray[np.float32]
    """`(N, 5, 2)` pixels; interpolated between detections."""
    differences: NDArray[np.float32]
    """`(N,)` mean absolute luma difference to the face crop before, grey levels in [0, 255];
    the first is NaN (not measured)."""
    confidence: float
    """The face detector's best score of it in [0, 1]; scales differ between detectors."""
    detected: NDArray[np.bool_] | None = None
    """`(N,)` whether the face was detected in that frame and not interpolated; None: not known."""
    clear: NDArray[np.bool_] | None = None
    """`(N,)` whether no other face is near and none was missed around that frame; None: all."""
    looks: tuple[Look, ...] = ()
    """What it looks like when it is clear; in memory only, for the length of a scan."""

    def __post_init__(self) -> None:
        """Check that the arrays belong together."""
        count = len(self.frame_indices)
        if count == 0:
            raise ValueError("a track has at least one frame")
        lengths = {len(a) for a in (self.pts_seconds, self.boxes, self.landmarks, self.differences)}
        lengths |= {len(a) for a in (self.detected, self.clear) if a is not None}
        if lengths != {count}:
            raise ValueError(f"arrays of a track differ in length: {count} and {sorted(lengths)}")

    def __len__(self) -> int:
        """Return the number of sampled frames."""
        return len(self.frame_indices)

    def __repr__(self) -> str:
        """Show the extent, not the arrays."""
        start, end = self.pts_seconds[0], self.pts_seconds[-1]
        return f"FaceTrack(id={self.id}, {len(self)} frames, {start:.2f}..{end:.2f} s)"


@dataclass(frozen=True)
class StreamInfo:
    """One stream of a container."""

    index: int
    """Position in the container."""
    kind: str
    """`video`, `audio`, `subtitle`, `data` or `attachment`."""
    codec: str | None
    """Codec name, where it is known."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file says of itself, read before anything is decoded."""

    path: str
    """Path as given."""
    sha256: str
    """SHA-256 of the file's bytes, hexadecimal."""
    size_bytes: int
    """Size of the file."""
    kind: Literal["video", "image"]
    """Moving (animations too) or still."""
    container: str
    """Container format name."""
    codec: str
    """Codec name of the picture stream."""
    pixel_format: str
    """FFmpeg's name of the pixel format."""
    bit_depth: int
    """Bits per component."""
    width_px: int
    """Width as shown: after rotation and pixel aspect."""
    height_px: int
    """Height as shown."""
    rotation_degrees: int
    """Clockwise turn that the header asks of a player: 0, 90, 180 or 270."""
    pixel_aspect: float
    """Width of a coded pixel over its height."""
    transfer: Literal["sdr", "pq", "hlg"]
    """Transfer function: standard or one of the two HDR ones."""
    fps_from_header: float | None
    """Average frame rate, as the header has it."""
    duration_seconds: float | None
    """Duration, as the header has it."""
    frames_from_header: int | None
    """Number of frames, as the header has it."""
    streams: tuple[StreamInfo, ...]
    """All streams."""
    metadata: dict[str, str]
    """Container and stream metadata, as written by whoever made the file: untrusted text."""
    mirrored: bool = False
    """Whether the header asks a player to mirror the turned picture left to right."""


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
class LikelihoodStatement:
    """How much likelier the evidence is if the face is fake than if it is real."""

    log10: float
    """Log10 of that ratio, no further than the bounds."""
    log10_lower: float
    """Smallest that the calibration data support (ELUB)."""
    log10_upper: float
    """Largest."""
    words: str
    """The ratio on the verbal scale of ENFSI."""
    of_single_crops: bool = False
    """Whether a face over time was weighed by what was fitted on single crops."""


@dataclass(frozen=True)
class ConformalAnswer:
    """The label that is left when those are ruled out that rarely score like this."""

    label: Answer
    """It, which is no proof of it; `cannot judge` where both or neither are left."""
    error_rate: float
    """Most often that the true label is ruled out, among data like those of the calibration."""


@dataclass(frozen=True)
class WordRate:
    """How often a verdict's word is given to genuine and to forged videos of sources left out."""

    of_genuine: float
    """Share of the genuine ones that get this word."""
    of_fake: float
    """Share of the forged ones that get it."""
    genuine: int
    """Genuine videos behind it."""
    fakes: int
    """Forged videos behind it."""
    data: str
    """What was measured, and how."""


@dataclass(frozen=True)
class Verdict:
    """A judgement in words, with the number behind it."""

    word: Word
    """How much speaks for manipulation."""
    probability: float | None
    """Calibrated P(fake) at even prior odds, no further than the calibration data support."""
    interval: tuple[float, float] | None
    """95 % interval of the probability; None for a single key frame, whose scatter is not known."""
    logit: float | None
    """Mean logit over the key frames used."""
    frames_used: int
    """Key frames behind the number."""
    reason: str | None = None
    """Why it cannot be judged, or what limits the judgement."""
    likelihood: LikelihoodStatement | None = None
    """Likelihood ratio; None: the detector has none for such input, or it is out of range."""
    answer: ConformalAnswer | None = None
    """Conformal answer; None likewise."""
    out_of_range: str | None = None
    """In what the face is poorer than what the calibration saw; None: in nothing that is known."""
    interval_covers_sources: bool = False
    """Whether the interval also covers how far the calibration is off on films of other sources;
    if not, it covers the scatter of the key frames and the size of the calibration set alone."""
    rate: WordRate | None = None
    """How often this word is given; None: the detector's card does not say."""
    faces_judged: int | None = None
    """Faces among which the strongest decides; None: a judgement of one face."""
    deciding_track: int | None = None
    """Track of the face that decides; None: a judgement of one face, or nothing was judged."""

    def __post_init__(self) -> None:
        """A refusal has a reason and no probability; a judgement has one."""
        if (self.word == "cannot judge") != (self.probability is None):
            raise ValueError(f"{self.word!r} does not go with probability {self.probability}")
        if self.word == "cannot judge" and not self.reason:
            raise ValueError("'cannot judge' needs its reason")


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


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """Where the network looked, by one method."""

    method: str
    """Name of the method, such as `gradcam`."""
    values: NDArray[np.float32]
    """`(S, S)` in [0, 1], scaled by its own maximum."""
    raw: NDArray[np.float32]
    """`(h, w)` what the method computed, of any sign, on its own grid."""
    empty: str | None
    """Why it is all zero; None where it is not."""
    regions: tuple[tuple[str, float], ...] | None
    """Share of the map in each region of the face, the largest first; None where it is empty."""


@dataclass(frozen=True, eq=False)
class KeyFramePicture:
    """What a report shows of one key frame; pictures do not go into the JSON."""

    track_id: int
    """The track."""
    frame_index: int
    """The key frame."""
    crop: NDArray[np.uint8]
    """`(S, S, 3)` RGB, what the detector's first view saw."""
    maps: tuple[SaliencyMap, ...]
    """Where the network looked, a map for each method that was asked for."""
    agreement: float | None = None
    """Mean rank correlation of these maps; None for fewer than two that say anything."""
    other_crops: tuple[NDArray[np.uint8], ...] = ()
    """`(S, S, 3)` RGB, what its other views saw."""
    view: str | None = None
    """Which of several views GradCAM and GradCAM++ show; None where there is one, or no map."""

    @property
    def crops(self) -> tuple[NDArray[np.uint8], ...]:
        """What each view saw."""
        return (self.crop, *self.other_crops)


@dataclass(frozen=True, eq=False)
class Still:
    """A whole frame, reduced."""

    frame_index: int
    """Position among all decoded frames."""
    jpeg: bytes
    """The picture as JPEG."""

    def __repr__(self) -> str:
        """Show the size, not the bytes."""
        return f"Still(frame_index={self.frame_index}, {len(self.jpeg)} bytes)"


@dataclass(frozen=True, eq=False)
class BoxPath:
    """Where a face is over time."""

    track_id: int
    """The track."""
    pts_seconds: tuple[float, ...]
    """Time stamps, ascending."""
    boxes: tuple[tuple[int, int, int, int], ...]
    """XYXY pixels at each."""

    def __repr__(self) -> str:
        """Show the extent, not the boxes."""
        return f"BoxPath(track_id={self.track_id}, {len(self.boxes)} boxes)"


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan result and the pictures that go with it."""

    result: ScanRecord
    """The result."""
    pictures: tuple[KeyFramePicture, ...]
    """One for each key frame that was scored."""
    faithfulness: tuple[tuple[str, str], ...] = ()
    """Methods with what was measured of their maps for this detector, in words."""
    stills: tuple[Still, ...] = ()
    """Whole key frames."""
    paths: tuple[BoxPath, ...] = ()
    """Where each face is over time."""
