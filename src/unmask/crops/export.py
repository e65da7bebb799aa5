"""Crop stores in the layouts that other programs read: ImageFolder, WebDataset, `datasets`.

    imagefolder   SPLIT/LABEL/NUMBER.jpg, and SPLIT/metadata.csv      torchvision, Hugging Face
    webdataset    SPLIT-NUMBER.tar of NUMBER.jpg, .cls and .json      webdataset
    datasets      data/SPLIT-00000.parquet and a card                 `datasets.load_dataset`

Pictures are copied as they are encoded. What a store knows of a crop goes along, its video and
split above all: crops of one video belong on one side of a split. Masks stay in the store.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.core.errors import InputError
from unmask.crops.store import CropStore
from unmask.system.files import write_text
from unmask.system.parquet import read_errors

FACTS = (
    "crop_id",
    "video_id",
    "dataset",
    "label",
    "method",
    "target",
    "source",
    "identities",
    "split",
    "fold",
    "compression",
    "track",
    "frame_index",
    "pts_seconds",
    "face_px",
    "sharpness",
    "forged_face",
)
"""What goes along with each picture."""
LABELS = ("real", "fake")
"""Classes by number."""
NO_SPLIT = "all"
"""Split of crops that have none."""
_TAR_CROPS = 2000
_BATCH = 256
_HINT = "check the store with `unmask data verify`"
_PNG = b"\x89PNG"

Row = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    splits: dict[str, int]
    """Crops by split."""
    left_out: int
    """Crops of fakes whose face may not be the forged one."""


def export_crops(
    store: CropStore, folder: Path, layout: str, *, uncertain_fakes: bool = False
) -> Exported:
    """Write a crop store in another layout, whole or not at all.

    Args:
        store: the store.
        folder: where to; must not be there, or be empty.
        layout: one of `LAYOUTS`.
        uncertain_fakes: keep crops of fakes whose face may not be the forged one.

    Raises:
        ValueError: there is no such layout, or the folder is not empty.
        InputError: the store holds no crop.
        ManifestError: the store is damaged.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"no layout {layout!r}; there are: {', '.join(LAYOUTS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} is not empty; an export is written into a new folder")
    splits: Counter[str] = Counter()
    left_out = 0
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".export.") as temporary:
        partial = Path(temporary) / "export"
        partial.mkdir()
        with ExitStack() as stack:
            write = LAYOUTS[layout](partial, stack)
            for row in _rows(store):
                if row["forged_face"] == "uncertain" and not uncertain_fakes:
                    left_out += 1
                    continue
                split = row["split"] or NO_SPLIT
                write(split, splits[split], row)
                splits[split] += 1
        if not splits:
            raise InputError(
                f"no crop of {str(store.folder)!r} is left to export",
                hint="see `unmask data stats FOLDER`; --uncertain-fakes keeps more",
            )
        write_text(partial / "README.md", _card(store, splits, layout))
        if folder.exists():
            folder.rmdir()
        shutil.move(partial, folder)
    return Exported(dict(splits), left_out)


def _rows(store: CropStore) -> Iterator[Row]:
    for path in store.shards():
        with read_errors(path, hint=_HINT), pq.ParquetFile(path) as shard:
            for batch in shard.iter_batches(_BATCH, columns=[*FACTS, "image"]):
                yield from batch.to_pylist()


Write = Callable[[str, int, Row], None]
"""Writes a crop under its split and number."""


def _suffix(image: bytes) -> str:
    return "png" if image.startswith(_PNG) else "jpg"


def _facts(row: Row) -> Row:
    return {name: row[name] for name in FACTS}


def _imagefolder(folder: Path, stack: ExitStack) -> Write:
    tables: dict[str, Any] = {}

    def write(split: str, number: int, row: Row) -> None:
        name = f"{row['label']}/{number:08d}.{_suffix(row['image'])}"
        path = folder / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["image"])
        if split not in tables:
            path = folder / split / "metadata.csv"
            file = path.open("w", newline="", encoding="utf-8")
            tables[split] = csv.DictWriter(stack.enter_context(file), ["file_name", *FACTS])
            tables[split].writeheader()
        facts = _facts(row) | {"identities": " ".join(row["identities"] or ())}
        tables[split].writerow({"file_name": name} | facts)

    return write


def _webdataset(folder: Path, stack: ExitStack) -> Write:
    open_tars: dict[str, tarfile.TarFile] = {}

    def write(split: str, number: int, row: Row) -> None:
        if number % _TAR_CROPS == 0:
            if split in open_tars:
                open_tars[split].close()
            path = folder / f"{split}-{number // _TAR_CROPS:06d}.tar"
            open_tars[split] = stack.enter_context(tarfile.open(path, "w"))  # noqa: SIM115 - the stack closes it
        parts = {
            _suffix(row["image"]): row["image"],
            "cls": str(LABELS.index(row["label"])).encode(),
            "json": json.dumps(_facts(row)).encode(),
        }
        for suffix, content in parts.items():
            member = tarfile.TarInfo(f"{number:08d}.{suffix}")
            member.size = len(content)
            open_tars[split].addfile(member, io.BytesIO(content))

    return write


def _datasets(folder: Path, stack: ExitStack) -> Write:
    writers: dict[str, _Parquet] = {}

    def write(split: str, number: int, row: Row) -> None:
        if split not in writers:
            path = folder / "data" / f"{split}-00000.parquet"
            writers[split] = stack.enter_context(_Parquet(path))
        image = {"bytes": row["image"], "path": f"{number:08d}.{_suffix(row['image'])}"}
        facts = _facts(row) | {"label": LABELS.index(row["label"])}
        writers[split].add({"image": image} | facts)

    return write


_TYPES: dict[str, tuple[pa.DataType, str]] = {
    "label": (pa.int64(), ""),
    "identities": (pa.list_(pa.string()), ""),
    "fold": (pa.int64(), "int64"),
    "track": (pa.int64(), "int64"),
    "frame_index": (pa.int64(), "int64"),
    "pts_seconds": (pa.float64(), "float64"),
    "face_px": (pa.float64(), "float64"),
    "sharpness": (pa.float64(), "float64"),
}
"""Types of facts that are no text, in Arrow and as `datasets` names them."""
_TEXT = (pa.string(), "string")


def _schema() -> pa.Schema:
    """Return the columns with what `datasets` reads of them: a picture, and classes with names."""
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [("image", image), *((name, _TYPES.get(name, _TEXT)[0]) for name in FACTS)]
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    for name in FACTS:
        features[name] = {"dtype": _TYPES.get(name, _TEXT)[1], "_type": "Value"}
    features["label"] = {"names": list(LABELS), "_type": "ClassLabel"}
    features["identities"] = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
    described = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={"huggingface": described})


class _Parquet:
    """A Parquet file that grows by a few crops at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self._schema, self._rows = _schema(), list[Row]()
        self._file = pq.ParquetWriter(path, self._schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()

    def add(self, row: Row) -> None:
        """Add a crop."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []


LAYOUTS: dict[str, Callable[[Path, ExitStack], Write]] = {
    "imagefolder": _imagefolder,
    "webdataset": _webdataset,
    "datasets": _datasets,
}
"""Layouts by name."""


def _card(store: CropStore, splits: Counter[str], layout: str) -> str:
    """Return a card that `datasets` finds the files by, and that says what the crops are."""
    info = store.info
    head = ""
    if layout == "datasets":
        files = "".join(
            f"  - split: {split}\n    path: data/{split}-*.parquet\n" for split in sorted(splits)
        )
        head = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\n"
    counts = "\n".join(f"- {split}: {splits[split]}" for split in sorted(splits))
    leak = "\n\nIts splits leak by design: figures on them are too good." if info.leaks else ""
    return (
        f"{head}# Face crops of {info.dataset}\n\nExported by unmask. Crops by split:\n\n"
        f"{counts}\n\nLabel 0 is real, 1 is fake. Protocol of the splits: "
        f"{info.protocol or 'none'}. Terms of the data set, which hold for its crops: "
        f"{info.licence}{leak}\n"
    )
