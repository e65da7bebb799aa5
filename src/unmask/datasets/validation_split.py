"""A validation split for data sets without an official one, carved out of their train rows.

In Celeb-DF every person's face was put on many others, so that all rows are one connected group and
nothing could be set aside. Persons are divided instead; fakes between the two sides fall out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unmask.datasets.groups import group_rows, place_rows, seeded_order
from unmask.datasets.manifest import Split, VideoRecord
from unmask.datasets.split_checks import SPLITS


def persons_of_rows(records: Sequence[VideoRecord]) -> list[frozenset[str]]:
    """Return each row's persons; a row that tells none has those of rows of the same footage."""
    of_footage: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if record.target:
            of_footage[record.target].update(record.identities[:1])
    return [
        frozenset(record.identities or set().union(*(of_footage[k] for k in record.footage)))
        for record in records
    ]


def some_persons(rows: Sequence[frozenset[str]], *, share: float, seed: int) -> frozenset[str]:
    """Choose about a share of the persons, so that few rows lie between them and the others.

    Persons are added one by one: each time the one with the largest part of its links (fakes with
    another person) to those chosen already; the first, and among equals, by a seeded shuffle. At
    least one person is left over.

    Args:
        rows: persons of each row.
        share: share of the persons to choose, in [0, 1].
        seed: of the shuffle.
    """
    links: dict[str, Counter[str]] = {person: Counter() for row in rows for person in row}
    for row in rows:
        for person in row:
            links[person].update(row - {person})
    size = min(max(1, round(share * len(links))) if share else 0, len(links) - 1)
    names = sorted(links)
    order = seeded_order(names, np.zeros(len(names), dtype=np.int64), seed=seed)
    waiting = [names[place] for place in order]
    chosen: set[str] = set()
    while len(chosen) < size:
        nearest = max(waiting, key=lambda person: _closeness(links[person], chosen))
        chosen.add(nearest)
        waiting.remove(nearest)
    return frozenset(chosen)


def _closeness(links: Counter[str], chosen: set[str]) -> float:
    """Return the share of a person's links that lead to those chosen."""
    return sum(links[person] for person in chosen) / max(1, links.total())


def with_validation(
    records: Sequence[VideoRecord], *, share: float, seed: int
) -> tuple[tuple[VideoRecord, ...], list[str]]:
    """Carve a validation split out of train: by persons where they are known, else by footage.

    A fake between a person who validates and one who trains belongs to neither side and is left
    without a split; no real is.

    Args:
        records: all rows; those of other splits stay as they are.
        share: share of the persons, and of the rows that tell none, to validate on.
        seed: of the choice.

    Returns:
        The rows, and what a user should know.
    """
    train = [record for record in records if record.split == "train"]
    persons = persons_of_rows(train)
    chosen = some_persons([each for each in persons if each], share=share, seed=seed)
    nameless = [r for r, each in zip(train, persons, strict=True) if not each]
    placed = place_rows(nameless, group_rows(nameless), (1 - share, share), seed)
    split_of: dict[str, Split | None] = {
        record.id: SPLITS[part] for record, part in zip(nameless, placed, strict=True)
    }
    split_of |= {r.id: _side(each, chosen) for r, each in zip(train, persons, strict=True) if each}
    carved = tuple(replace(r, split=split_of.get(r.id, r.split)) for r in records)
    return carved, _describe(list(split_of.values()), len(chosen))


def _describe(splits: list[Split | None], persons: int) -> list[str]:
    """Say what was carved and what was left out."""
    text = (
        f"there is no official validation list: {splits.count('validation')} of {len(splits)} "
        f"train rows were made one (all rows of {persons} persons; rows that tell no person by "
        "footage)"
    )
    left_out = (
        f"{splits.count(None)} fakes between a person in train and one in validation were left "
        "out (no split); no real was"
    )
    return [text, left_out] if None in splits else [text]


def _side(persons: frozenset[str], chosen: frozenset[str]) -> Split | None:
    if persons <= chosen:
        return "validation"
    return None if persons & chosen else "train"
