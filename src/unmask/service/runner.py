"""The threads that work on the queue: scans, heartbeats, webhooks and the removal of old results.

Each scan runs in a process of its own that ends with this one, however this one ends. What was
begun here is begun again by whoever finds the lease run out.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import OperationalError

from unmask.service.admission import Admission
from unmask.service.metrics import Metrics
from unmask.service.queue import Queue
from unmask.service.scan_row import ScanRow
from unmask.service.scans import Outcome, Overlay, scan_file
from unmask.service.settings import ServiceSettings
from unmask.service.storage import Storage
from unmask.service.webhooks import Deliveries

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
"""Longest time until a scan that another process accepted is seen."""
_SWEEP_SECONDS = 30.0
"""Time between two looks for what is to be removed."""
_PROGRESS_SECONDS = 0.5
"""Time between two writes of how far scans are."""
_AWAY_SECONDS = 1.0
"""Time between two tries while the database is away."""
_STOP_SECONDS = 10.0
_ANSWER_SECONDS = 600.0
"""How long a result waits to be read where nothing is kept."""
_ORPHAN_SECONDS = 3600.0
"""Age at which a folder that no scan has is removed: no upload takes so long between two parts."""


UPLOAD_SECONDS = 24 * 3600.0
"""How long an unfinished upload is kept."""


def _tell_of_silence() -> None:
    name = threading.current_thread().name
    _log.warning("%s: the database does not answer; it is tried again", name)


class _Cancelled(Exception):
    """The scan is no longer wanted here."""


class Runner:
    """Works on the queue until it is stopped.

    Args:
        settings: how.
        queue: the scans.
        storage: their files.
        deliveries: the webhooks.
        metrics: what is counted.
        admission: told how full the queue is.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        queue: Queue,
        storage: Storage,
        deliveries: Deliveries,
        *,
        metrics: Metrics,
        admission: Admission,
    ) -> None:
        self.name = secrets.token_hex(8)
        self._settings = settings
        self._queue = queue
        self._storage = storage
        self._deliveries = deliveries
        self._metrics = metrics
        self._admission = admission
        self._stop = threading.Event()
        self._wake = threading.Condition()
        self._progress: dict[str, tuple[str, float]] = {}
        self._cancelled: set[str] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work."""
        duties: list[tuple[Callable[[], float], str]] = [(self._beat, "heartbeat")]
        duties += [(self._sweep, "sweep")]
        if self._settings.webhooks:
            duties += [(self._deliveries.send_due, "webhooks")]
        targets: list[tuple[Callable[[], None], str]] = [
            (partial(self._repeat, duty), name) for duty, name in duties
        ]
        targets += [(self._work, f"scan-{n}") for n in range(self._settings.workers)]
        for target, name in targets:
            thread = threading.Thread(target=target, name=f"unmask-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End all work; scans that were begun go back into the queue."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def wake(self) -> None:
        """Say that there is something new in the queue."""
        with self._wake:
            self._wake.notify_all()

    def cancel(self, scan_id: str) -> None:
        """End a scan that was deleted, if it runs here."""
        with self._lock:
            if scan_id in self._progress:
                self._cancelled.add(scan_id)

    def _repeat(self, duty: Callable[[], float]) -> None:
        """Do something again and again; it returns the seconds until the next time."""
        while not self._stop.is_set():
            try:
                seconds = duty()
            except OperationalError:
                _tell_of_silence()
                seconds = _AWAY_SECONDS
            except Exception:  # noqa: BLE001 - the next time must come
                _log.exception("%s failed and is tried again", threading.current_thread().name)
                seconds = _LOOK_SECONDS
            self._stop.wait(seconds)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                row = self._queue.claim(self.name)
                if row is not None:
                    self._scan(row)
                    continue
            except OperationalError:
                _tell_of_silence()
                self._stop.wait(_AWAY_SECONDS)
            except Exception:  # noqa: BLE001 - likewise
                _log.exception("the queue cannot be read; it is tried again")
            with self._wake:
                self._wake.wait(_LOOK_SECONDS)

    def _scan(self, row: ScanRow) -> None:
        """Scan one file and store what came of it."""
        with self._lock:
            self._progress[row.id] = ("starting", 0.0)
        began = time.monotonic()
        try:
            outcome = scan_file(
                self._storage.media(row.id),
                row.name,
                self._storage.result_folder(row.id),
                detector=self._settings.detector,
                listen=partial(self._hear, row.id),
                film_address=self._film_address(row),
                overlay=self._overlay(row),
            )
        except _Cancelled:
            self._give_up(row)
            return
        except Exception as error:  # noqa: BLE001 - the next scan must not suffer
            _log.exception("a scan failed")
            outcome = Outcome(None, None, error=f"The service failed: {type(error).__name__}.")
        finally:
            with self._lock:
                self._progress.pop(row.id, None)
                self._cancelled.discard(row.id)
        self._store(row, outcome, time.monotonic() - began)

    def _film_address(self, row: ScanRow) -> str | None:
        if self._settings.zero_retention or row.media_type.startswith("image/"):
            return None
        return f"/v1/scans/{row.id}/media"

    @staticmethod
    def _overlay(row: ScanRow) -> Overlay | None:
        return None if row.film is None else Overlay(row.film, f"/v1/scans/{row.id}/film")

    def _hear(self, scan_id: str, stage: str, share: float) -> None:
        with self._lock:
            self._progress[scan_id] = (stage, share)
            if scan_id in self._cancelled:
                raise _Cancelled
        if self._stop.is_set():
            raise _Cancelled

    def _give_up(self, row: ScanRow) -> None:
        if self._stop.is_set():
            self._queue.release(self.name, row.id)
        else:
            self._remove_if_gone(row)

    def _remove_if_gone(self, row: ScanRow) -> None:
        """Remove what a scan wrote after it was deleted."""
        if self._queue.unknown([row.id]):
            self._storage.remove(row.id)

    def _store(self, row: ScanRow, outcome: Outcome, seconds: float) -> None:
        if outcome.died:
            self._queue.release(self.name, row.id, error=outcome.error)
            self._metrics.retried.inc()
            return
        state = "finished" if outcome.error is None else "failed"
        kept = self._queue.finish(
            self.name,
            row.id,
            state=state,
            word=outcome.word,
            probability=outcome.probability,
            error=outcome.error,
            hint=outcome.hint,
        )
        if not kept:
            self._remove_if_gone(row)
            return
        self._admission.add(-1)
        self._metrics.ended.labels(state).inc()
        self._metrics.seconds.observe(seconds)
        if self._settings.zero_retention:
            self._storage.media(row.id).unlink(missing_ok=True)

    def _beat(self) -> float:
        """Renew the leases of what is being scanned here, and see how full the queue is."""
        with self._lock:
            progress = dict(self._progress)
        if progress:
            lost = self._queue.renew(self.name, progress)
            with self._lock:
                self._cancelled |= lost & self._progress.keys()
        self._admission.update(self._queue.open_scans())
        return min(_PROGRESS_SECONDS, self._settings.lease_seconds / 3)

    def _sweep(self) -> float:
        """Remove what was kept long enough, and what a process left behind that died."""
        now = time.time()
        settings = self._settings
        if settings.zero_retention:
            old = [*self._queue.expired(before=now - _ANSWER_SECONDS), *self._queue.answered()]
        else:
            old = list(self._queue.expired(before=now - settings.retention_seconds))
        for row in old:
            self._queue.delete(row.owner, row.id)
            self._storage.remove(row.id)
        for upload_id in self._queue.old_uploads(before=now - UPLOAD_SECONDS):
            self._storage.remove_upload(upload_id)
        stale = {scan_id for scan_id, at in self._storage.listed() if at < now - _ORPHAN_SECONDS}
        for scan_id in self._queue.unknown(stale):
            self._storage.remove(scan_id)
        return 1.0 if settings.zero_retention else _SWEEP_SECONDS
