"""What every page that the program writes has: its security policy, its files, its escaping.

A page needs neither network nor server, and its policy allows nothing but its pictures, one style
and at most one script. Text from outside is hostile: it is escaped, and characters that hide or
reorder text are shown as code points.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup

from unmask.core.text import visible
from unmask.report.language.translation import _
from unmask.report.quantities import NOT_MEASURED


def policy(style: str, script: str | None = None, *, media: Sequence[str] = ()) -> str:
    """Return the content security policy that allows exactly this style and this script.

    Args:
        style: text of the style.
        script: text of the script.
        media: where films may come from, as the policy names it; nowhere else.
    """
    scripts = "'none'" if script is None else f"'{source_hash(script)}'"
    films = f"media-src {' '.join(media)}; " if media else ""
    return (
        f"default-src 'none'; img-src data:; {films}"
        f"style-src '{source_hash(style)}'; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )


def source_hash(text: str) -> str:
    """Return the hash by which a policy allows a text."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def asset(package: str, name: str) -> str:
    """Return a file of a package's folder `templates`."""
    folder = resources.files(package) / "templates"
    return (folder / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def environment(package: str) -> jinja2.Environment:
    """Return the templates of a package; they escape everything and refuse unknown names."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=make_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def make_visible(value: object) -> object:
    """Make a value that a template writes visible; None is never an empty place."""
    if value is None:
        return _(NOT_MEASURED)
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value
