"""How often genuine clips are called forged, alone and joined: false alarms by number of faces.

    python -m benchmarks.joined_clips FOLDER [FOLDER ...] [--seconds 3]

Scans the beginning of each genuine clip once. A join of n clips is judged by the faces of n clips
drawn at random, as one film that shows them one after the other would be. Intervals: bootstrap over
clips (Wilson for clips alone).
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np

from unmask.cli.inputs import MEDIA_SUFFIXES
from unmask.core.scan_record import ScanRecord
from unmask.core.settings import Limits, ScanSettings
from unmask.core.verdicts import Verdict, Word
from unmask.scanner.scanner import Scanner
from unmask.scanner.verdict import judge_video

JOINS = (1, 2, 4, 8, 16, 32)
DRAWS = 400
WORDS: tuple[Word, ...] = (
    "little evidence", "inconclusive", "some evidence", "substantial evidence",
)  # fmt: skip


def scan_clips(folders: list[Path], seconds: float) -> tuple[Scanner, list[list[Verdict]]]:
    """Return the verdicts on the faces of each clip that could be scanned."""
    settings = ScanSettings(explain=(), limits=Limits(max_seconds=seconds))
    scanner = Scanner(settings=settings)
    clips = []
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES):
            result: ScanRecord = scanner.scan(path).result
            clips.append([track.verdict for track in result.tracks])
            print(path.name, result.verdict.word, file=sys.stderr)
    return scanner, clips


def judge_join(clips: list[list[Verdict]], scanner: Scanner) -> Word:
    """Return the word of a film that shows clips one after the other."""
    faces = [verdict for clip in clips for verdict in clip]
    numbered = dict(enumerate(faces, 1))
    return judge_video(numbered, scanner.bundle.manifest, why_none="no face").word


def shares(
    clips: list[list[Verdict]], scanner: Scanner, count: int, seed: int
) -> dict[Word, float]:
    """Return how often each word is given to joins of `count` clips."""
    rng = np.random.default_rng(seed)
    if count == 1:
        words = [judge_join([clip], scanner) for clip in clips]
    else:
        picks = [rng.choice(len(clips), size=count, replace=False) for _ in range(DRAWS)]
        words = [judge_join([clips[i] for i in pick], scanner) for pick in picks]
    judged = [word for word in words if word != "cannot judge"]
    return {word: judged.count(word) / max(1, len(judged)) for word in WORDS}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    request = parser.parse_args()
    scanner, clips = scan_clips(request.folders, request.seconds)
    faces = [sum(v.probability is not None for v in clip) for clip in clips]
    print(f"{len(clips)} clips, {sum(faces)} faces judged, {request.seconds:g} s each\n")
    print("| clips joined | " + " | ".join(WORDS) + " | called forged, 95 % interval |")
    print("|---|" + "---|" * (len(WORDS) + 1))
    for count in (n for n in JOINS if n <= len(clips)):
        share = shares(clips, scanner, count, seed=count)
        low, high = forged_interval(clips, scanner, count)
        cells = " | ".join(f"{share[word]:.1%}" for word in WORDS)
        print(f"| {count} | {cells} | {low:.1%} to {high:.1%} |")


def forged_interval(
    clips: list[list[Verdict]], scanner: Scanner, count: int
) -> tuple[float, float]:
    """Return the interval of the share called `some` or `substantial`, over draws of clips."""
    if count == 1:
        words = [judge_join([clip], scanner) for clip in clips]
        judged = [word for word in words if word != "cannot judge"]
        forged = sum(word in ("some evidence", "substantial evidence") for word in judged)
        return wilson(forged, len(judged))
    rng = np.random.default_rng(0)
    values = []
    for replicate in range(100):
        drawn = [clips[i] for i in rng.integers(len(clips), size=len(clips))]
        share = shares(drawn, scanner, count, seed=replicate)
        values.append(share["some evidence"] + share["substantial evidence"])
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of Wilson for a share."""
    z, share = 1.96, hits / count
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


if __name__ == "__main__":
    main()
