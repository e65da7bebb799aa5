"""Reading pictures from video and image files: what a file is, a cheap pass, chosen frames.

The lowest room of the flow. `probe` refuses what is hostile or no media before anything large is
decoded; `LumaPass` reads every frame once as small luma pictures, from which key frames are
chosen; `read_frames` reads only the chosen frames in full colour.
"""

from __future__ import annotations

from unmask.video.decode import FrameStamp
from unmask.video.full_frame import FramePart, FullFrame
from unmask.video.luma import LumaFrame, LumaPass
from unmask.video.probe import probe
from unmask.video.rgb import read_frames
from unmask.video.triage import TriagePass, read_looks

__all__ = [
    "FramePart",
    "FrameStamp",
    "FullFrame",
    "LumaFrame",
    "LumaPass",
    "TriagePass",
    "probe",
    "read_frames",
    "read_looks",
]
