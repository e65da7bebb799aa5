"""What is counted, as Prometheus reads it; no label holds a name or an id."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.accepted = Counter(
            "unmask_scans_accepted", "Scans that were accepted.", registry=self._registry
        )
        self.refused = Counter(
            "unmask_requests_refused",
            "Requests that were refused, by kind of problem.",
            ["kind"],
            registry=self._registry,
        )
        self.refusal_seconds = Histogram(
            "unmask_refusal_seconds",
            "Time from the head of a request to the answer that refuses it.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
            registry=self._registry,
        )
        self.ended = Counter(
            "unmask_scans_ended", "Scans that ended here.", ["state"], registry=self._registry
        )
        self.retried = Counter(
            "unmask_scans_retried",
            "Scans whose process was killed and that went back into the queue.",
            registry=self._registry,
        )
        self.seconds = Histogram(
            "unmask_scan_seconds",
            "Time that a scan took here.",
            buckets=(1, 2, 5, 10, 20, 60, 120, 300, 900, 3600),
            registry=self._registry,
        )
        self._scans = Gauge(
            "unmask_scans", "Scans in the database.", ["state"], registry=self._registry
        )

    def text(self, counts: dict[str, int]) -> bytes:
        """Return everything in Prometheus' text format.

        Args:
            counts: scans in the database by state.
        """
        for state, count in counts.items():
            self._scans.labels(state).set(count)
        return generate_latest(self._registry)
