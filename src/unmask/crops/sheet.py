"""Pictures of a crop store: a contact sheet of crops, and a plot of its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow.compute as pc
from PIL import Image, ImageDraw, ImageFont

from unmask.crops.reading import CropDataset
from unmask.crops.record import Crop
from unmask.crops.stats import BY, StoreStats
from unmask.crops.store import CropStore

_THUMB_PX = 128
_COLUMNS = 8
_CAPTION_PX = 30
_FONT_PX = 11
_BAR_PX = 18
_PLOT_WIDTH_PX = 900
_NAMES_PX = 200
_COLOURS = {"real": "#1f4e9c", "fake": "#c2410c"}


def contact_sheet(
    store: CropStore, *, count: int = 48, label: str | None = None, method: str | None = None
) -> Image.Image:
    """Draw crops in a grid, chosen evenly over the videos, each with its video, label and time.

    Raises:
        ManifestError: there is no such crop.
    """
    data = CropDataset(
        store.folder,
        label=label,  # type: ignore[arg-type]  # an unknown label finds nothing
        where=None if method is None else pc.field("method") == method,
        uncertain_fakes=True,
    )
    chosen = evenly(data.video_ids, count)
    rows = -(-len(chosen) // _COLUMNS)
    cell = _THUMB_PX + _CAPTION_PX
    width = min(len(chosen), _COLUMNS) * _THUMB_PX
    page = Image.new("RGB", (width, rows * cell), "white")
    draw = ImageDraw.Draw(page)
    for number, position in enumerate(chosen):
        crop = cast("Crop", data[position])
        x, y = number % _COLUMNS * _THUMB_PX, number // _COLUMNS * cell
        page.paste(Image.fromarray(crop.pixels).resize((_THUMB_PX, _THUMB_PX)), (x, y))
        for line, text in enumerate(_caption(crop)):
            at = (x + 2, y + _THUMB_PX + 1 + line * (_FONT_PX + 3))
            draw.text(at, text, fill=_COLOURS[crop.record.label], font=_font())
    return page


def evenly(groups: Sequence[str], count: int) -> list[int]:
    """Choose at most `count` positions, as many of each group as of any other where there are.

    Where there are more groups than that, they are chosen evenly in order of appearance.

    >>> evenly(["a", "a", "a", "b"], 2)
    [1, 3]
    """
    members: dict[str, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    names = [list(members)[i] for i in _spread(len(members), count)]
    quota = _quotas([len(members[name]) for name in names], count)
    return sorted(
        members[name][i]
        for name, each in zip(names, quota, strict=True)
        for i in _spread(len(members[name]), each)
    )


def _quotas(sizes: Sequence[int], count: int) -> list[int]:
    """Share a count out over groups, the same to each as far as their sizes allow."""
    quotas = [0] * len(sizes)
    while sum(quotas) < min(count, sum(sizes)):
        for number, size in enumerate(sizes):
            if quotas[number] < size and sum(quotas) < count:
                quotas[number] += 1
    return quotas


def _spread(length: int, count: int) -> list[int]:
    """Return at most `count` positions: the middles of equal parts."""
    parts = min(length, count)
    return [int((part + 0.5) * length / parts) for part in range(parts)]


def _caption(crop: Crop) -> tuple[str, str]:
    known = crop.record
    seconds = known.pts_seconds
    time = f"frame {known.frame_index}" if seconds is None else f"{seconds:.2f} s"
    return _shorten(known.video_id), _shorten(f"{known.method or known.label}, {time}")


def _shorten(text: str) -> str:
    """Cut a text at its start until it fits under a thumbnail: ends of paths tell more."""
    font, shown = _font(), text
    while font.getlength(shown) > _THUMB_PX - 4:
        text = text[1:]
        shown = f"…{text}"
    return shown


@dataclass(frozen=True)
class _Bar:
    """One line of the plot."""

    name: str
    real: int
    fake: int


def plot(stats: StoreStats) -> Image.Image:
    """Draw crops per split, method and compression as bars, reals and fakes in their colours."""
    sections = {name: _bars(stats, name) for name in BY}
    lines = sum(len(bars) + 2 for bars in sections.values()) + 2
    page = Image.new("RGB", (_PLOT_WIDTH_PX, lines * _BAR_PX), "white")
    draw = ImageDraw.Draw(page)
    leaking = "; its splits LEAK by design" if stats.leaks else ""
    title = f"{stats.dataset}: {stats.crops} crops of {stats.videos} videos{leaking}"
    draw.text((8, 4), title, fill="black", font=_font())
    y = 2 * _BAR_PX
    for name, bars in sections.items():
        draw.text((8, y), f"by {name}", fill="#555555", font=_font())
        largest = max(bar.real + bar.fake for bar in bars) if bars else 1
        for line, bar in enumerate(bars, start=1):
            _draw_bar(draw, bar, y + line * _BAR_PX, largest)
        y += (len(bars) + 2) * _BAR_PX
    return page


def _bars(stats: StoreStats, name: str) -> list[_Bar]:
    real: Counter[str] = Counter()
    fake: Counter[str] = Counter()
    for each in stats.counts:
        value = getattr(each, name) or ("real" if name == "method" else "none")
        (real if each.label == "real" else fake)[value] += each.crops
    return [_Bar(value, real[value], fake[value]) for value in sorted(real | fake)]


def _draw_bar(draw: ImageDraw.ImageDraw, bar: _Bar, y: int, largest: int) -> None:
    scale = (_PLOT_WIDTH_PX - _NAMES_PX - 120) / largest
    draw.text((24, y), bar.name[:28], fill="black", font=_font())
    x = float(_NAMES_PX)
    for label, number in (("real", bar.real), ("fake", bar.fake)):
        if number:
            end = x + max(1.0, number * scale)
            draw.rectangle((x, y + 2, end, y + _BAR_PX - 4), fill=_COLOURS[label])
            x = end
    words = [f"{number} {label}" for label, number in (("real", bar.real), ("fake", bar.fake))]
    text = ", ".join(w for w in words if not w.startswith("0 "))
    draw.text((x + 6, y), text, fill="black", font=_font())


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_PX)
