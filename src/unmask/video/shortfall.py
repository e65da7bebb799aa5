"""What a finished reading of a video lacks, in words and as shares.

Frames are counted against what the container promises: the packets that its table lists, the time
stamps of a regular clock, the length that its header states, and the marks at its end.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from unmask.video.damage_account import Gap, gaps
from unmask.video.decode import JUMP_SECONDS, Decoding
from unmask.video.truncation import why_cut_off

SHORT_SECONDS = 0.1
SHORT_STEPS = 2.5
SHORT_RATIO = 0.002
"""A video is shorter than its header says if all are exceeded: headers are rounded, and some count
from another frame."""
NO_LENGTH = ("mpegts", "mpeg", "h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu", "ivf", "dv")
"""Containers whose length FFmpeg guesses from what is in the file."""
_EVEN_PACE = ("asf", "flv", "ogg")
"""Containers that have no counters of lost packets, and whose pictures come at an even pace."""
_MOST_PLACES = 5
"""Gaps that are named."""


@dataclass(frozen=True)
class Lack:
    """What is missing of a video and what of it is damaged."""

    reasons: tuple[str, ...]
    """A line each; empty where nothing is."""
    missing_ratio: float
    """Share of the frames that is not there."""
    damaged_ratio: float
    """Share of the decoded frames that is damaged."""
    gap_seconds: float
    """Time between frames that are there in which frames are missing."""


def compute_shortfall(decoding: Decoding) -> Lack:
    """Return what a reading lacks that is over."""
    unit, step = decoding.clock.seconds_per_unit, decoding.clock.step
    holes = _holes(decoding)
    gap_frames = sum(gap.frames for gap in holes)
    end, beginning = _missing_end(decoding), decoding.packets.headless_units * unit
    # two packets can make one interlaced frame; and at the limit some are still in the decoder
    lost = 0 if decoding.interlaced or decoding.behind_limit else decoding.packets.lost
    unlisted = _unread(decoding)
    frame_seconds = step * unit
    missing = gap_frames + lost + unlisted + decoding.packets.headless
    missing += round(end / frame_seconds) if frame_seconds > 0 and not unlisted else 0
    decoded = decoding.clock.count
    return Lack(
        reasons=tuple(
            _reasons(
                decoding, holes=holes, end=end, beginning=beginning, lost=lost, unread=unlisted
            )
        ),
        missing_ratio=missing / (missing + decoded) if missing else 0.0,
        damaged_ratio=decoding.packets.damaged / decoded if decoded else 0.0,
        gap_seconds=gap_frames * _usual_seconds(decoding),
    )


def _reasons(
    decoding: Decoding,
    *,
    holes: list[Gap],
    end: float,
    beginning: float,
    lost: int,
    unread: int,
) -> Iterator[str]:
    yield from _beginning_words(decoding, beginning)
    if decoding.stopped is not None:
        yield f"decoding stopped at {decoding.seconds:.1f} s: {decoding.stopped}"
    if unread:
        listed = unread + decoding.packets_read
        yield f"{unread} of {listed} frames that the file lists are not in it"
    yield from _damage_words(decoding)
    if lost and not decoding.damaged_packets:
        yield f"{lost} packets that no frame came of"
    if holes:
        yield _gap_words(holes, decoding)
    if decoding.clock.stated and (same := len(decoding.stamps) - len(set(decoding.stamps))):
        yield f"{same} frames have the time stamp of another: the table of times is damaged"
    if decoding.clock.stated and decoding.clock.backward and decoding.hidden_after:
        yield (
            f"an edit list hides {len(decoding.hidden_after)} frames by times that run backwards: "
            "the table of times is damaged"
        )
    if not decoding.behind_limit and decoding.hidden_keys.count(len(decoding.stamps)):
        yield (
            f"at least {_hidden_at_end(decoding)} frames that follow the last one shown: an edit "
            "list hides more than a trimmed end"
        )
    for before, length in decoding.clock.jumps:
        yield f"the clock jumps by {length:.1f} s after {before:.1f} s: that is no recorded time"
    yield from _end_words(decoding, end=end, unread=unread)


def _beginning_words(decoding: Decoding, seconds: float) -> Iterator[str]:
    packets = decoding.packets
    if packets.early:
        yield (
            f"the beginning: the first {packets.early} frames refer to what lies before the first "
            "key frame"
        )
    if packets.headless:
        yield (
            f"the first {seconds:.1f} s: the stream begins without a key frame, and nothing can be "
            "shown before the next"
        )


def _damage_words(decoding: Decoding) -> Iterator[str]:
    skipped, damaged = decoding.damaged_packets, decoding.packets.damaged
    why = f" ({'; '.join(decoding.damage)})" if decoding.damage else ""
    if skipped:
        yield f"{skipped} damaged packets skipped{why}"
    if damaged:
        count = f"{damaged} of {decoding.clock.count} frames"
        yield f"{count} are damaged, or refer to damaged ones{'' if skipped else why}"
    if why and not skipped and not damaged:
        yield f"FFmpeg speaks of damage{why}"


def _end_words(decoding: Decoding, *, end: float, unread: int) -> Iterator[str]:
    if decoding.behind_limit:
        yield f"what lies behind the limit of {decoding.limits.max_seconds:g} s"
    elif end:
        yield (
            f"the last {end:.1f} s of the {decoding.seconds + end:.1f} s that the header promises: "
            "not in the file or not decodable"
        )
    elif not unread and (cut := why_cut_off(decoding.info.path, decoding.info.container)):
        yield f"a part of the file is missing or damaged: {cut}"


def _gap_words(holes: list[Gap], decoding: Decoding) -> str:
    unit, first = decoding.clock.seconds_per_unit, decoding.clock.first or 0
    frames = sum(gap.frames for gap in holes)
    places = [f"{(gap.after - first) * unit:.1f} s" for gap in holes[:_MOST_PLACES]]
    more = f" and {len(holes) - _MOST_PLACES} more places" if len(holes) > _MOST_PLACES else ""
    return (
        f"about {frames} frame{'s' if frames > 1 else ''} missing in an otherwise regular clock, "
        f"after {', '.join(places)}{more}"
    )


def _usual_seconds(decoding: Decoding) -> float:
    """Return the usual distance of two frames, seconds."""
    return decoding.clock.usual_step * decoding.clock.seconds_per_unit


def _holes(decoding: Decoding) -> list[Gap]:
    if not decoding.clock.stated or decoding.is_fragmented or _hides_middle(decoding):
        return _gaps(decoding)
    # a table of times that states gaps is believed, unless as many frames are hidden elsewhere
    if not (hidden := _hidden_at_end(decoding)):
        return []
    holes = _gaps(decoding)
    return holes if sum(gap.frames for gap in holes) == hidden else []


def _gaps(decoding: Decoding) -> list[Gap]:
    even_pace = decoding.info.container in _EVEN_PACE
    damaged = bool(decoding.damage or decoding.packets.damaged or even_pace)
    longest = JUMP_SECONDS / decoding.clock.seconds_per_unit
    first, stamps, keys = decoding.clock.first or 0, array("q"), []
    for place, pts in enumerate(decoding.stamps):
        if pts >= first:
            if place in decoding.key_places:
                keys.append(len(stamps))
            stamps.append(pts)
    if decoding.clock.stated:  # here a gap says that packets were hidden, not that a copy ends
        keys, stamps = [], array("q", sorted(stamps))
    return gaps(stamps, keys, damaged=damaged, longest=longest)


def _hides_middle(decoding: Decoding) -> bool:
    """Tell whether packets are hidden that lie between others, which no trimming does."""
    return any(0 < before < len(decoding.stamps) for before in decoding.hidden_after)


def _hidden_at_end(decoding: Decoding) -> int:
    """Count the packets that an edit list hides after the last one that it does not."""
    return decoding.hidden_after.count(len(decoding.stamps))


def _unread(decoding: Decoding) -> int:
    """Count the packets that the container lists and does not hold."""
    if decoding.packets_promised is None or decoding.behind_limit:
        return 0
    return max(0, decoding.packets_promised - decoding.packets_read)


def _missing_end(decoding: Decoding) -> float:
    """Return by how many seconds the streams end before the header says, or 0."""
    info = decoding.info
    if decoding.behind_limit or not decoding.ends or info.container in NO_LENGTH:
        return 0.0
    if decoding.own_length_seconds is not None:
        promised, end = decoding.own_length_seconds, decoding.ends.get(decoding.stream_index, 0.0)
    else:
        # the length of all: an audio track may be longer than the pictures
        promised, end = decoding.length_seconds or 0.0, max(decoding.ends.values())
    end -= decoding.clock.jumped_seconds
    missing = promised - end
    least = max(SHORT_SECONDS, SHORT_STEPS * _usual_seconds(decoding), SHORT_RATIO * promised)
    return missing if missing > least else 0.0
