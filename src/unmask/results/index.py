"""What a result store holds, looked up in bounded memory: for a run that goes on, and for reading.

Both tables are SQLite's and lie in a temporary file of its own, which is gone at the end: nothing
of them can be out of date, and a store of a million files takes no more memory than one of ten.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from unmask.results.outcome import Outcome, Source
from unmask.results.rows import FileRow

_TEMPORARY = ""
"""What SQLite calls a database in a temporary file."""


class KnownFiles:
    """Paths, contents and results that a store has, for a run that is to do only what is new."""

    COLUMNS = (
        "result_id",
        "status",
        "finding",
        "complete",
        "probability",
        "unmask_version",
        "error_kind",
        "path",
        "absolute_path",
        "size_bytes",
        "mtime_ns",
        "sha256",
    )
    """Columns of the rows that it is made from."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(_TEMPORARY)
        self._db.executescript(
            """
            CREATE TABLE results (result_id TEXT PRIMARY KEY, failed, finding, complete,
                probability, version, error_kind) WITHOUT ROWID;
            CREATE TABLE paths (absolute_path TEXT PRIMARY KEY, path, size_bytes, mtime_ns, sha256)
                WITHOUT ROWID;
            CREATE INDEX by_size ON paths (size_bytes);
            """
        )

    def close(self) -> None:
        """Drop the tables."""
        self._db.close()

    def add(self, row: dict[str, Any]) -> None:
        """Add a result and the path that it was made from; `row` has `COLUMNS`."""
        self._db.execute(
            "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                row["result_id"],
                row["status"] == "failed",
                row["finding"],
                bool(row["complete"]),
                row["probability"],
                row["unmask_version"],
                row["error_kind"],
            ),
        )
        if row["sha256"] is not None:
            self.add_path(row)

    def add_path(self, row: dict[str, Any]) -> None:
        """Note that a path holds a content."""
        names = ("absolute_path", "path", "size_bytes", "mtime_ns", "sha256")
        self._db.execute(
            "INSERT OR REPLACE INTO paths VALUES (?, ?, ?, ?, ?)", [row[name] for name in names]
        )

    def result(self, result_id: str) -> Outcome | None:
        """Return what is known of a result; None where there is none."""
        result = self._db.execute(
            "SELECT failed, finding, complete, probability, version, error_kind FROM results "
            "WHERE result_id = ?",
            (result_id,),
        ).fetchone()
        if result is None:
            return None
        failed, finding, complete, *rest = result
        return Outcome(bool(failed), bool(finding), bool(complete), *rest)

    def content_at(self, source: Source) -> str | None:
        """Return the SHA-256 of a file that has not changed since it was seen; else None."""
        result = self._db.execute(
            "SELECT sha256 FROM paths WHERE absolute_path = ? AND size_bytes = ? AND mtime_ns = ?",
            (source.absolute_path, source.size_bytes, source.mtime_ns),
        ).fetchone()
        return None if result is None else str(result[0])

    def has_size(self, size_bytes: int) -> bool:
        """Tell whether some known file has this size: only such a one can have the same content."""
        query = "SELECT 1 FROM paths WHERE size_bytes = ? LIMIT 1"
        return self._db.execute(query, (size_bytes,)).fetchone() is not None

    def paths(self) -> Iterator[dict[str, Any]]:
        """Yield every path with its content, sorted."""
        names = ("absolute_path", "path", "size_bytes", "mtime_ns", "sha256")
        query = f"SELECT {', '.join(names)} FROM paths ORDER BY absolute_path"  # noqa: S608 - ours
        for result in self._db.execute(query):
            yield dict(zip(names, result, strict=True))


@dataclass(frozen=True)
class Choice:
    """Which results of a store are to be seen."""

    above: float | None = None
    """Least probability, 0 to 1; None: any, and those that could not be judged."""
    word: str | None = None
    """The verdict's word; None: any."""

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        if self.above is not None and not 0 <= self.above <= 1:
            raise ValueError(f"--above is a probability from 0 to 1, got {self.above:g}")


class Ranking:
    """The files of a store, the most suspicious first, each content once.

    Of several results of one content, with other detectors or settings, the newest counts; a
    failure only where there is no result. What was at a path before its file was changed is left
    out.

    Args:
        rows: of the store.
        paths: `absolute_path`, `path` and `sha256` of all files that were seen.
    """

    def __init__(self, rows: Iterable[FileRow], paths: Iterable[dict[str, Any]] = ()) -> None:
        self._db = sqlite3.connect(_TEMPORARY)
        self._db.executescript(
            """
            CREATE TABLE files (content TEXT PRIMARY KEY, failed, analysed_at, result_id,
                absolute_path, word, probability, row) WITHOUT ROWID;
            CREATE TABLE paths (sha256, absolute_path, path);
            """
        )
        for row in rows:
            self._add(row)
        self._db.executemany(
            "INSERT INTO paths VALUES (?, ?, ?)",
            ((each["sha256"], each["absolute_path"], each["path"]) for each in paths),
        )
        self._db.executescript(
            """
            CREATE INDEX by_content ON paths (sha256);
            CREATE INDEX by_id ON files (result_id);
            CREATE INDEX by_path ON files (absolute_path);
            """
        )
        self._drop_replaced()

    def close(self) -> None:
        """Drop the tables."""
        self._db.close()

    def _add(self, row: FileRow) -> None:
        self._db.execute(
            """
            INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content) DO UPDATE SET
                failed = excluded.failed, analysed_at = excluded.analysed_at,
                result_id = excluded.result_id, absolute_path = excluded.absolute_path,
                word = excluded.word, probability = excluded.probability, row = excluded.row
            WHERE (excluded.failed, files.analysed_at) <= (files.failed, excluded.analysed_at)
            """,
            (
                row.sha256 or row.result_id,
                row.status == "failed",
                row.analysed_at,
                row.result_id,
                row.absolute_path,
                row.word,
                row.probability,
                json.dumps(asdict(row)),
            ),
        )

    def _drop_replaced(self) -> None:
        """Drop contents that no path has any more: another one is at theirs since then."""
        self._db.execute(
            """
            DELETE FROM files WHERE content NOT IN (SELECT sha256 FROM paths) AND EXISTS (
                SELECT 1 FROM files AS newer WHERE newer.absolute_path = files.absolute_path
                AND newer.content != files.content AND newer.analysed_at > files.analysed_at)
            """
        )

    def analysed(self, choice: Choice) -> Iterator[FileRow]:
        """Yield the chosen results; those that could not be judged come last."""
        return self._select(
            "NOT failed AND (:above IS NULL OR probability >= :above) "
            "AND (:word IS NULL OR word = :word) "
            "ORDER BY probability IS NULL, probability DESC, content",
            above=choice.above,
            word=choice.word,
        )

    def failed(self) -> Iterator[FileRow]:
        """Yield the files of which there is no result, by kind of failure."""
        return self._select("failed ORDER BY json_extract(row, '$.error_kind'), content")

    def counts(self) -> dict[str, int]:
        """Count the results by word, and the failures as `failed`."""
        query = (
            "SELECT CASE WHEN failed THEN 'failed' ELSE word END, count(*) FROM files GROUP BY 1"
        )
        return dict(self._db.execute(query))

    def count(self, choice: Choice) -> int:
        """Count the chosen results."""
        query = (
            "SELECT count(*) FROM files WHERE NOT failed "
            "AND (? IS NULL OR probability >= ?) AND (? IS NULL OR word = ?)"
        )
        value = (choice.above, choice.above, choice.word, choice.word)
        return int(self._db.execute(query, value).fetchone()[0])

    def is_chosen(self, result_id: str, choice: Choice) -> bool:
        """Tell whether a result is the one of its content that counts, and is chosen."""
        query = (
            "SELECT 1 FROM files WHERE result_id = ? AND NOT failed "
            "AND (? IS NULL OR probability >= ?) AND (? IS NULL OR word = ?)"
        )
        value = (result_id, choice.above, choice.above, choice.word, choice.word)
        return self._db.execute(query, value).fetchone() is not None

    def other_paths(self, row: FileRow) -> tuple[str, ...]:
        """Return where else the same content was seen."""
        query = "SELECT path FROM paths WHERE sha256 = ? AND absolute_path != ? ORDER BY path"
        result = self._db.execute(query, (row.sha256, row.absolute_path))
        return tuple(path for (path,) in result)

    def _select(self, where: str, **value: object) -> Iterator[FileRow]:
        query = f"SELECT row FROM files WHERE {where}"  # noqa: S608 - our own words
        for (text,) in self._db.execute(query, value):
            yield row_from(json.loads(text))


def row_from(values: dict[str, Any]) -> FileRow:
    """Return the row that a dictionary of its columns stands for."""
    lists = {name: tuple(values[name]) for name in ("not_analysed", "warnings")}
    return FileRow(**{**values, **lists})
