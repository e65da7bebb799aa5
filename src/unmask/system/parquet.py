"""Reading Parquet files that may come from anywhere: whatever the reader says of damage, one error.

Arrow raises a dozen kinds of exceptions on damaged files, and Python others on what Arrow lets
through (texts that are no UTF-8, dates beyond the calendar). All rooms read tables here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.core.errors import ManifestError, UnmaskError

_SMALL_ROWS = 100_000
"""So many rows are read whatever the file's size."""
CROPS_HINT = "give a crop store, or a Parquet file of crops; get an undamaged copy of it"
"""What to do about a file of crops that cannot be read."""
_REASON_CHARACTERS = 200


@contextmanager
def read_errors(path: str | Path, *, hint: str) -> Iterator[None]:
    """Turn whatever is raised while a file is read into one error.

    Raises:
        ManifestError: something was.
    """
    try:
        yield
    except UnmaskError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_REASON_CHARACTERS] or type(error).__name__
        raise ManifestError(
            f"{str(path)!r} is not a Parquet file, or is damaged: {reason}", hint=hint
        ) from error


def read_table(
    path: str | Path,
    *,
    hint: str,
    columns: Sequence[str] | None = None,
    repeated: Sequence[str] = (),
) -> pa.Table:
    """Read a file, or columns of it, and check the values.

    Args:
        path: the file.
        hint: what to do where it is damaged.
        columns: those that are read; None for all.
        repeated: columns of texts that many rows share: a dictionary holds each text once.

    Raises:
        ManifestError: it is damaged, or claims more rows than its bytes can hold.
    """
    present = column_names(path, hint=hint) if repeated else []
    coded = [name for name in repeated if name in present]
    with read_errors(path, hint=hint), pq.ParquetFile(path, read_dictionary=coded) as file:
        rows, size = file.metadata.num_rows, Path(path).stat().st_size
        # each row of ours has a name of its own: that takes more than a byte
        if rows > max(size, _SMALL_ROWS):
            raise ManifestError(f"{str(path)!r} claims {rows} rows in {size} bytes", hint=hint)
        table = file.read(columns=None if columns is None else list(columns))
        table.validate(full=True)
        return table


def batches(
    path: str | Path, *, columns: Sequence[str], rows: int, hint: str
) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows, a number of them at a time, with those of some columns that it has.

    Raises:
        ManifestError: it is damaged.
    """
    with read_errors(path, hint=hint), pq.ParquetFile(path) as file:
        present = [name for name in columns if name in file.schema_arrow.names]
        yield from file.iter_batches(batch_size=rows, columns=present)


def column_names(path: str | Path, *, hint: str) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        ManifestError: it cannot be read.
    """
    with read_errors(path, hint=hint):
        return list(pq.read_schema(path).names)
