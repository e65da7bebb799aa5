"""The queue: nothing lost, nothing done twice, limits that hold when many ask at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
from unmask.service.database import Database
from unmask.service.problems import Problem
from unmask.service.queue import Queue
from unmask.service.quotas import Quota
from unmask.service.scan_row import Submission
from unmask.service.storage import new_id

WIDE = Quota(queue_limit=10_000, storage_bytes=10**12)


def given(**values: object) -> Submission:
    return replace(
        Submission(new_id(), "ann", "a.mp4", 10, "0" * 64, "video/mp4"),
        **values,  # type: ignore[arg-type]
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return an empty database of each kind."""
    if request.param == "sqlite":
        result = Database(f"sqlite:///{tmp_path / 'queue.sqlite'}")
    else:
        result = Database(request.getfixturevalue("cluster").create(f"q{new_id()}"))
    result.upgrade()
    yield result
    result.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database, lease_seconds=60, max_attempts=2)


@pytest.fixture
def impatient(database: Database) -> Queue:
    """Return a queue whose leases run out at once."""
    return Queue(database, lease_seconds=0.01, max_attempts=2)


def test_tables_are_the_same_by_migration_and_by_description(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from unmask.service.database import metadata

    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_scans_are_taken_in_their_order(queue: Queue) -> None:
    ids = [queue.accept(given(), WIDE).id for _ in range(3)]
    taken = [queue.claim("w") for _ in range(4)]
    assert [None if row is None else row.id for row in taken] == [*ids, None]


def test_no_scan_is_taken_twice_by_many_workers(queue: Queue) -> None:
    ids = {queue.accept(given(), WIDE).id for _ in range(40)}

    def work(name: str) -> list[str]:
        mine = []
        while (row := queue.claim(name)) is not None:
            mine.append(row.id)
        return mine

    with ThreadPoolExecutor(8) as pool:
        taken = [one for mine in pool.map(work, map(str, range(8))) for one in mine]
    assert sorted(taken) == sorted(ids)


def test_a_scan_whose_worker_is_silent_is_taken_by_another(impatient: Queue) -> None:
    scan = impatient.accept(given(), WIDE)
    assert impatient.claim("dead") is not None
    time.sleep(0.02)
    again = impatient.claim("alive")
    assert again is not None
    assert (again.id, again.attempts) == (scan.id, 2)


def test_who_lost_a_scan_stores_nothing(impatient: Queue) -> None:
    scan = impatient.accept(given(), WIDE)
    impatient.claim("slow")
    time.sleep(0.02)
    impatient.claim("other")
    assert impatient.renew("slow", {scan.id: ("reading", 0.5)}) == {scan.id}
    assert not impatient.finish("slow", scan.id, state="finished")
    assert impatient.finish("other", scan.id, state="finished")


def test_a_scan_that_kills_its_worker_fails_with_a_reason(impatient: Queue) -> None:
    scan = impatient.accept(given(), WIDE)
    for _ in range(2):
        assert impatient.claim("w") is not None
        time.sleep(0.02)
    assert impatient.claim("w") is None
    row = impatient.get("ann", scan.id)
    assert row is not None
    assert row.state == "failed"
    assert row.error == "The scan was begun 2 times, and each time its process ended."


def test_a_killed_process_is_tried_again_and_then_named(queue: Queue) -> None:
    scan = queue.accept(given(), WIDE)
    for _ in range(2):
        queue.claim("w")
        queue.release("w", scan.id, error="it was killed")
    row = queue.get("ann", scan.id)
    assert row is not None
    assert (row.state, row.error) == ("failed", "it was killed (tried 2 times)")


def test_a_stopped_service_costs_no_attempt(queue: Queue) -> None:
    scan = queue.accept(given(), WIDE)
    for _ in range(5):
        queue.claim("w")
        queue.release("w", scan.id)
    row = queue.get("ann", scan.id)
    assert row is not None
    assert (row.state, row.attempts) == ("queued", 0)


def test_limits_hold_when_many_ask_at_once(queue: Queue) -> None:
    narrow = replace(WIDE, concurrent=5)
    accepted, refused = [], []
    barrier = threading.Barrier(16)

    def ask(number: int) -> None:
        if number < 16:
            barrier.wait()
        try:
            accepted.append(queue.accept(given(), narrow).id)
        except Problem as problem:
            refused.append(problem.status)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(200)))
    assert len(accepted) == 5
    assert refused == [429] * 195


def test_an_idempotency_key_holds_when_many_ask_at_once(queue: Queue) -> None:
    with ThreadPoolExecutor(16) as pool:
        rows = pool.map(lambda _: queue.accept(given(idempotency_key="k"), WIDE).id, range(64))
        assert len(set(rows)) == 1


def test_the_log_of_a_scan_is_in_order_and_goes_with_it(queue: Queue) -> None:
    scan = queue.accept(given(), WIDE)
    queue.claim("w")
    queue.finish("w", scan.id, state="finished")
    queue.note(scan.id, "result read")
    text = [what for _, what in queue.history(scan.id)]
    assert text == [
        f"received, SHA-256 {'0' * 64}",
        "scan begun, attempt 1",
        "scan finished",
        "result read",
    ]
    queue.delete("ann", scan.id)
    assert queue.history(scan.id) == []
