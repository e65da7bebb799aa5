"""The page that shows the house names rooms and modules that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "unmask"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


def named_in(section: str) -> list[str]:
    """Return the modules in the second column of a table."""
    cells = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def section_of(room: str) -> str:
    return PAGE.partition(f"\n### {room}\n")[2].partition("\n#")[0]


def pattern(name: str) -> str:
    """Return a name as a pattern: `experiments/NAME` and `runs/COMMAND` stand for many."""
    return re.sub(r"\b(NAME|COMMAND|X)\b", "*", name).rstrip("/")


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_drawn_and_its_modules_exist(room: str) -> None:
    drawn = PAGE.partition("ground")[0] + PAGE.partition("ground")[2].partition("```")[0]
    assert re.search(rf"\b{room}\b", drawn)
    names = [each for each in named_in(section_of(room)) if not each.startswith("unmask ")]
    assert names
    places = (SOURCE / room, SOURCE, ROOT)
    for name in names:
        patterns = (pattern(name), f"{pattern(name)}.py")
        assert any(list(place.glob(each)) for place in places for each in patterns), name


def test_no_room_is_drawn_that_is_not_there() -> None:
    assert sorted(re.findall(r"\n### (\w+)\n", PAGE)) == ROOMS
