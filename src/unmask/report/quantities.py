"""Numbers with their units, times and sizes, as people read them in the language in force."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

from unmask.report.language.translation import N_, _, local_number, ngettext

NOT_MEASURED = N_("not measured")
"""What stands for None on the page."""


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    r"""Write a number with its unit, or that it was not measured.

    >>> number(None), number(0.0, 1, "px")
    ('not measured', '0.0\xa0px')
    """
    if value is None or not math.isfinite(value):
        return _(NOT_MEASURED)
    return local_number(f"{value:,.{digits}f}") + (f"\u00a0{unit}" if unit else "")


def percent(value: float | None) -> str:
    r"""Write a probability as a percentage; the ends are never rounded to certainty.

    >>> percent(0.999), percent(0.87), percent(None)
    ('>99\xa0%', '87\xa0%', 'not measured')
    """
    if value is None or not math.isfinite(value):
        return _(NOT_MEASURED)
    if value > 0.99:
        return ">99\u00a0%"
    if value < 0.01:
        return "<1\u00a0%"
    return f"{value * 100:.0f}\u00a0%"


def clock(seconds: float | None, digits: int = 2) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    >>> clock(63.456), clock(3661.0, 0)
    ('1:03.46', '1:01:01')
    """
    if seconds is None or not math.isfinite(seconds):
        return _(NOT_MEASURED)
    scale = 10**digits
    whole, part = divmod(round(abs(seconds) * scale), scale)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest:02d}" + (local_number(f".{part:0{digits}d}") if digits else "")
    sign = "-" if seconds < 0 else ""
    return sign + (f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}")


def size(count: int) -> str:
    r"""Write a number of bytes, exact and rounded.

    >>> size(1500), size(12)
    ('1.5\xa0kB (1,500\xa0bytes)', '12\xa0bytes')
    """
    exact = ngettext("{number} byte", "{number} bytes", count, number=local_number(f"{count:,}"))
    exact = exact.replace(" ", "\u00a0")
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return local_number(f"{count / step:.1f}") + f"\u00a0{unit} ({exact})"
    return exact


def setting(value: str | float | bool | None) -> str:
    """Write the value of a setting."""
    if value is None:
        return _("not set")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def moment(iso_utc: str | None, offset_minutes: int | None = None) -> str:
    r"""Write a time in UTC, or in local time where its offset is given.

    >>> moment("2026-01-02T23:04:05Z"), moment("2026-01-02T23:04:05Z", 60)
    ('2026-01-02 23:04:05\xa0UTC', '2026-01-03 00:04:05 (UTC+01:00)')
    """
    if iso_utc is None:
        return _(NOT_MEASURED)
    time = datetime.fromisoformat(iso_utc)
    if offset_minutes is None:
        return f"{time:%Y-%m-%d %H:%M:%S}\u00a0UTC"
    local = time.astimezone(timezone(timedelta(minutes=offset_minutes)))
    return f"{local:%Y-%m-%d %H:%M:%S} (UTC{_offset(offset_minutes)})"


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def times(log10: float) -> str:
    """Write a likelihood ratio by its log10, as a factor or a part.

    >>> times(2.0), times(-1.0), times(0.3)
    ('100', '1/10', '2')
    """
    factor = f"{10 ** abs(log10):,.{0 if abs(log10) >= 1 else 1}f}".removesuffix(".0")
    local = local_number(factor)
    return local if log10 >= 0 or factor == "1" else f"1/{local}"
