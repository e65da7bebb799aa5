"""Face crops that studies choose from: one table with labels, footage, persons and pictures.

From a crop store, from Parquet files of encoded pictures, from the frames of films, or invented.
A choice of rows has a hash of its own, which is part of the identity of every cell that uses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unmask.core.errors import ManifestError
from unmask.crops.source import CropSource, open_crops
from unmask.datasets.groups import Grouping, connect, place_groups
from unmask.system.files import file_sha256

COLUMNS = pa.schema(
    [
        ("name", pa.string()),
        ("label", pa.string()),
        ("video", pa.string()),
        ("target", pa.string()),
        ("source", pa.string()),
        ("method", pa.string()),
        ("person", pa.string()),
        ("split", pa.string()),
        ("frame", pa.int64()),
        ("condition", pa.string()),
        ("image", pa.large_binary()),
        ("persons", pa.list_(pa.string())),
    ]
)
"""Columns: `target` and `source` name footage, `condition` what was done to a crop, `persons` all
whose faces went into it, `person` the first of them."""
SIDES = ("train", "validation", "test")
RATIOS = (0.6, 0.15, 0.25)
"""Shares of the sides where the data mark none."""

_NOT_STATED = "that of the data, not stated"
Names = NDArray[np.object_]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Material:
    """Crops."""

    title: str
    """What it is, in words."""
    sha256: str
    """Identity of its rows."""
    licence: str
    """Its terms."""
    table: pa.Table
    """`COLUMNS`."""
    leak: str | None = None
    """Why the split that its rows mark leaks; None where it does not, or none is known to."""

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self.table)

    def __repr__(self) -> str:
        """Show the counts."""
        return f"Material({self.title!r}, {self.reals} real, {len(self) - self.reals} fake)"

    def names(self, column: str) -> Names:
        """Return a column of text, `(N,)`; None where it is not known."""
        names: Names = self.table[column].to_numpy(zero_copy_only=False).astype(object)
        return names

    @cached_property
    def is_fake(self) -> NDArray[np.bool_]:
        """`(N,)` labels."""
        return np.asarray(self.names("label") == "fake", dtype=np.bool_)

    @property
    def persons(self) -> list[list[str]]:
        """The persons of each crop; none where they are not known."""
        return [each or [] for each in self.table["persons"].to_pylist()]

    @property
    def reals(self) -> int:
        """Number of reals."""
        return int((~self.is_fake).sum())

    @property
    def described(self) -> str:
        """What it is, with counts, identity and terms."""
        return (
            f"{self.title}: {self.reals} real and {len(self) - self.reals} fake crops "
            f"({self.sha256[:12]}); terms: {self.licence}"
        )

    def take(self, positions: Positions | NDArray[np.bool_]) -> Material:
        """Return the crops at positions, or those for which a mask holds."""
        chosen = np.flatnonzero(positions) if positions.dtype == np.bool_ else positions
        digest = hashlib.sha256(self.sha256.encode() + np.asarray(chosen, "<i8").tobytes())
        return replace(self, sha256=digest.hexdigest(), table=self.table.take(chosen))

    def at_most(self, count: int | None, *, seed: int = 0) -> Material:
        """Return at most so many crops, whole footage at a time, with the shares of the classes.

        Args:
            count: about how many, not fewer than one group; None for all.
            seed: of the draw.
        """
        if count is None or count >= len(self):
            return self
        return self.take(
            np.sort(np.flatnonzero(self.parted((count, len(self) - count), seed) == 0))
        )

    def parted(self, ratios: Sequence[float], seed: int, *, persons: bool = False) -> Positions:
        """Return the part of each crop, `(N,)`: linked footage (and persons) stay together."""
        grouping = self.linked(persons=persons)
        targets = [str(each) for each in self.names("target")]
        return place_groups(grouping, self.is_fake.astype(np.int64), targets, ratios, seed)

    def linked(self, *, persons: bool) -> Grouping:
        """Return the groups of crops that share footage (or persons), also through others."""
        footage = zip(self.names("target"), self.names("source"), strict=True)
        keys = [[("footage", key) for key in pair if key] for pair in footage]
        if persons:
            for row, named in zip(keys, self.persons, strict=True):
                row += [("person", person) for person in named]
        return connect(keys)

    def write(self, path: Path) -> None:
        """Write the crops as training reads them."""
        table = self.table.select(["name", "label", "target", "video", "frame", "image"])
        columns = ["name", "label", "original", "video", "frame", "image"]
        pq.write_table(table.rename_columns(columns), path)


@dataclass(frozen=True, eq=False)
class Sides:
    """Crops to learn from, to choose by and to judge by."""

    training: Material
    """To learn from."""
    validation: Material
    """To choose the epoch by."""
    test: Material
    """To judge by."""
    leak: str | None = None
    """Why they share footage or persons by design; None where they do not."""


def choose_sides(material: Material, *, test: Material | None = None, seed: int = 0) -> Sides:
    """Return the sides that the data mark, else sides carved by footage.

    Args:
        material: crops.
        test: crops to judge by that were given apart; None to take them from the material.
        seed: of the carving.

    Raises:
        ManifestError: a side lacks a class.
    """
    marked = material.names("split")
    names = SIDES if test is None else SIDES[:2]
    as_marked = set(names) <= set(marked)
    if as_marked:
        parts = [material.take(marked == side) for side in names]
    else:
        part = material.parted(RATIOS[: len(names)], seed)
        parts = [material.take(part == number) for number in range(len(names))]
    parts += [] if test is None else [test]
    for side, result in zip(SIDES, parts, strict=True):
        if not 0 < result.reals < len(result):
            raise ManifestError(
                f"the {side} side of {material.title} lacks real or fake crops: {result!r}",
                hint="give more crops, or mark the column `split`",
            )
    # footage that is carved shares nothing, whatever the marks do
    leaks = [material.leak] if as_marked or test is not None else []
    leaks += [] if test is None else [test.leak]
    training, validation, judged = parts
    return Sides(training, validation, judged, join_reasons(leaks))


def join_reasons(leaks: Iterable[str | None]) -> str | None:
    """Return several reasons why splits leak as one, each once; None where there is none."""
    return "; ".join(dict.fromkeys(leak for leak in leaks if leak)) or None


def read_material(paths: Sequence[Path], *, limit: int | None = None, seed: int = 0) -> Material:
    """Read crop stores and Parquet files of crops.

    Fakes of a store whose face may not be the forged one (`forged_face` is `uncertain`) are left
    out, as in training.

    Args:
        paths: stores' folders and files with at least the columns name, label and image.
        limit: about the most crops to read, whole footage at a time; None for all.
        seed: of that choice.

    Raises:
        InputNotFound: there is no such file or folder.
        ManifestError: it holds no crops.
    """
    sources = [open_crops(path) for path in paths]
    tables = [_without_pictures(source, number) for number, source in enumerate(sources)]
    hashes = "".join(file_sha256(file) for source in sources for file in source.files)
    title = ", ".join(path.name for path in paths)
    licence = "; ".join(dict.fromkeys(source.licence or _NOT_STATED for source in sources))
    digest = hashlib.sha256(hashes.encode()).hexdigest()
    leak = join_reasons(source.leak for source in sources)
    whole = Material(title, digest, licence, pa.concat_tables(tables), leak)
    chosen = whole.at_most(limit, seed=seed)
    names = set(chosen.names("name"))
    filled = []
    for source, table in zip(sources, tables, strict=True):
        kept = np.array([name in names for name in table["name"].to_pylist()], dtype=np.bool_)
        pictures = [source.encoded(int(position)) for position in np.flatnonzero(kept)]
        filled.append(with_column(table.filter(pa.array(kept)), "image", pictures))
    return replace(chosen, table=pa.concat_tables(filled))


def with_column(table: pa.Table, name: str, values: pa.ChunkedArray | Sequence[Any]) -> pa.Table:
    """Return a table of `COLUMNS` with other values in one of them."""
    field = COLUMNS.field(name)
    column = values.cast(field.type) if hasattr(values, "cast") else pa.array(values, field.type)
    return table.set_column(COLUMNS.get_field_index(name), field, column)


def _without_pictures(source: CropSource, number: int) -> pa.Table:
    """Return crops as a table of `COLUMNS`, the pictures left empty; names begin with `number`."""
    rows = [
        {
            "name": f"{number}/{crop.crop_id}",
            "label": crop.label,
            "video": crop.video_id,
            "target": crop.target or crop.video_id,
            "source": crop.source,
            "method": crop.method,
            "person": next(iter(crop.identities), None),
            "persons": crop.identities,
            "split": crop.split,
            "frame": crop.frame_index or 0,
            "image": b"",
        }
        for crop in source.records()
    ]
    return pa.Table.from_pylist(rows, schema=COLUMNS)
