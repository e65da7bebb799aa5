"""How the pages are drawn: templates, the filters they use, and the texts that scripts show."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from unmask.report.language.translation import LANGUAGES, _, local_number
from unmask.service import scans


def draw(name: str, **values: Any) -> str:
    """Draw a template in the language in force.

    Args:
        name: its file name.
        values: what it shows; text among them is escaped.
    """
    texts = {"states": _states(), "stages": _stages(), "languages": LANGUAGES}
    return _templates().get_template(name).render(**texts, **values)


@cache
def _templates() -> jinja2.Environment:
    environment = scans.templates("unmask.service")
    environment.filters.update(
        time_element=_time_element, iso_minute=_iso_minute, short_size=_short_size
    )
    environment.globals.update(script_texts=_script_texts)
    return environment


def _iso_minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _time_element(seconds: float) -> Markup:
    """Return a moment that a script writes in the reader's time and way."""
    moment = _iso_minute(seconds)
    return Markup('<time datetime="{}Z">{} UTC</time>').format(moment.replace(" ", "T"), moment)


def _short_size(count: int) -> str:
    for least, unit in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if count >= least:
            return local_number(f"{count / least:.3g}") + f"\u00a0{unit}"
    return f"{count}\u00a0B"


def _states() -> dict[str, str]:
    return {
        "queued": _("waiting"),
        "running": _("being scanned"),
        "failed": _("could not be scanned"),
    }


def _stages() -> dict[str, str]:
    return {
        "starting": _("Being scanned: getting ready"),
        "opening": _("Being scanned: opening the file"),
        "reading": _("Being scanned: reading the film and following faces"),
        "key frames": _("Being scanned: choosing key frames"),
        "scoring": _("Being scanned: judging faces"),
        "drawing": _("Being scanned: drawing the film"),
        "writing": _("Being scanned: writing the report"),
    }


def _script_texts() -> dict[str, Any]:
    """Return what `page.js` shows; #n and #name stand for what it fills in."""
    return {
        "stages": _stages(),
        "waiting": _("Waiting for its turn"),
        "seconds": _("about {n} seconds left", n="#n"),
        "minutes": _("about {n} minutes left", n="#n"),
        "soon": _("a few seconds left"),
        "sending": _("Sending"),
        "sending_name": _("Sending {name}", name="#name"),
        "empty": _("This file is empty."),
        "large": _("This file is larger than this service takes."),
        "received": _("Received."),
        "watch": _("Watch its scan"),
        "done": _("Done."),
        "result": _("See the result"),
        "silent": _("The service does not answer. Is it still running?"),
        "status": _("The service answered {status}.", status="#n"),
    }
