"""`unmask keyframes`: what the selector chose, and the difference curve that it chose from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import typer
from PIL import Image, ImageDraw

from unmask.cli.inputs import refuse_overwriting, require_suffix
from unmask.cli.messages import complain
from unmask.core.errors import InputError, UnmaskError
from unmask.core.settings import ScanSettings
from unmask.faces.squares import cut_square, square_around
from unmask.scanner.batch import attempt
from unmask.scanner.passes import ChosenFrames, FirstPass, choose, decode_chosen, first_pass
from unmask.system.files import check_parent_folder, write_whole

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pdf")
_THUMB_PX = 128
_COLUMNS = 8
_CURVE_HEIGHT_PX = 120
_LABEL_PX = 16
_WIDTH_PX = _COLUMNS * _THUMB_PX
_MARGIN_RATIO = 1.3


def run_keyframes(video: str, sheet: Path | None, settings: ScanSettings) -> int:
    """Print a line per key frame; draw the sheet; 3 if no face was found, or it cannot be read."""
    if sheet is not None:
        _check_sheet(sheet, video)
    looked = attempt(video, partial(_look_at, video, settings, drawn=sheet is not None))
    if isinstance(looked, InputError):
        raise looked
    if isinstance(looked, UnmaskError):
        complain(looked)
        return 3
    chosen, page = looked
    typer.echo("face\tframe\tseconds\tdifference\tsmoothed")
    for each in chosen:
        for p in each.positions:
            track = each.track
            raw = track.differences[p]
            typer.echo(
                f"{track.id}\t{track.frame_indices[p]}\t{track.pts_seconds[p]:.3f}\t"
                f"{'' if np.isnan(raw) else f'{raw:.3f}'}\t{each.smoothed[p]:.3f}"
            )
    if not chosen:
        typer.echo("no face was found\nhint: look at the video; tiny faces are not seen", err=True)
        return 3
    if sheet is not None and page is not None:
        write_whole(sheet, lambda partial: page.save(partial, picture_format(sheet)))
    return 0


def picture_format(path: Path) -> str:
    """Return Pillow's name for the format that a file's name tells."""
    return Image.registered_extensions()[path.suffix.lower()]


def _check_sheet(sheet: Path, video: str) -> None:
    """Refuse before anything is read what could not be written at the end."""
    check_parent_folder(sheet)
    require_suffix(sheet, SHEET_SUFFIXES, what="picture")
    refuse_overwriting([sheet], [Path(video)])


def _look_at(
    video: str, settings: ScanSettings, *, drawn: bool
) -> tuple[list[ChosenFrames], Image.Image | None]:
    """Return the key frames of each face, and the sheet where it is wanted and there is a face."""
    first = first_pass(video, settings)
    chosen = [choose(first, track, settings) for track in first.tracks]
    return chosen, draw_sheet(first, chosen, settings) if drawn and chosen else None


def draw_sheet(first: FirstPass, chosen: list[ChosenFrames], settings: ScanSettings) -> Image.Image:
    """Draw each face's difference curve with its key frames below it."""
    thumbs = _thumbs(first, chosen, settings)
    rows = [-(-len(each.positions) // _COLUMNS) for each in chosen]
    heights = [_CURVE_HEIGHT_PX + row * (_THUMB_PX + _LABEL_PX) for row in rows]
    page = Image.new("RGB", (_WIDTH_PX, sum(heights)), "white")
    top = 0
    for each, height in zip(chosen, heights, strict=True):
        page.paste(_curve(each), (0, top))
        draw = ImageDraw.Draw(page)
        for number, p in enumerate(each.positions):
            x = number % _COLUMNS * _THUMB_PX
            y = top + _CURVE_HEIGHT_PX + number // _COLUMNS * (_THUMB_PX + _LABEL_PX)
            index = int(each.track.frame_indices[p])
            page.paste(thumbs[each.track.id, index], (x, y + _LABEL_PX))
            draw.text((x + 3, y + 2), f"{each.track.pts_seconds[p]:.2f} s", fill="black")
        top += height
    return page


def _thumbs(
    first: FirstPass, chosen: list[ChosenFrames], settings: ScanSettings
) -> dict[tuple[int, int], Image.Image]:
    thumbs = {}
    for frame, each, p in decode_chosen(first, chosen, settings.limits):
        x0, y0, x1, y1 = (float(v) for v in each.track.boxes[p])
        square = square_around((x0, y0, x1, y1), margin_ratio=_MARGIN_RATIO)
        thumbs[each.track.id, frame.index] = Image.fromarray(
            cut_square(frame.image, square, size_px=_THUMB_PX)
        )
    return thumbs


def _curve(each: ChosenFrames) -> Image.Image:
    picture = Image.new("RGB", (_WIDTH_PX, _CURVE_HEIGHT_PX), "white")
    draw = ImageDraw.Draw(picture)
    track = each.track
    raw = np.nan_to_num(track.differences, nan=0.0)
    top = max(float(raw.max()), 1e-6)
    start, end = track.pts_seconds[0], track.pts_seconds[-1]
    x = (track.pts_seconds - start) / max(end - start, 1e-6) * (_WIDTH_PX - 11) + 5

    def line(values: np.ndarray) -> list[tuple[float, float]]:
        y = _CURVE_HEIGHT_PX - 6 - values / top * (_CURVE_HEIGHT_PX - 30)
        return list(zip(x.tolist(), y.tolist(), strict=True))

    draw.text(
        (5, 3),
        f"face {track.id}: {start:.2f} to {end:.2f} s, difference 0 to {top:.1f}",
        fill="black",
    )
    draw.line(line(raw), fill="#c8c8c8")
    smoothed = line(each.smoothed)
    draw.line(smoothed, fill="#1f4e9c", width=2)
    for p in each.positions:
        cx, cy = smoothed[p]
        draw.ellipse((cx - 4, cy - 4, cx + 4, cy + 4), fill="#c2410c")
    return picture
