"""The service as a process of its own: killed, started again, and its scans killed under it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="the extra serve is not installed")
pytest.importorskip("uvicorn", reason="the extra serve is not installed")
from service.calls import ended, submit  # noqa: E402 - after the check that it is there
from service.postgres import Cluster  # noqa: E402
from unmask.service.warm_up import _grey_png  # noqa: E402

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]
PROGRAM = """
from pathlib import Path
from unmask.service.serving import serve
from unmask.service.settings import ServiceSettings
serve(ServiceSettings(
    data=Path({data!r}), database_url={url!r}, port=0, warm_up=False, lease_seconds=2.0,
    queue_limit={queue_limit}, max_attempts={max_attempts},
))
"""


class Server:
    """A running service."""

    def __init__(
        self,
        data: Path,
        database_url: str | None = None,
        *,
        queue_limit: int = 100,
        max_attempts: int = 3,
        before: str = "",
    ) -> None:
        program = before + PROGRAM.format(
            data=str(data), url=database_url, queue_limit=queue_limit, max_attempts=max_attempts
        )
        words = [sys.executable, "-c", program]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self.process = subprocess.Popen(words, stderr=self.log)
        self.client = httpx.Client(base_url=self._address(), timeout=30, trust_env=False)

    def _address(self) -> str:
        for _ in range(1200):
            text = os.pread(self.log.fileno(), 100_000, 0).decode()
            if result := re.search(r"http://127\.0\.0\.1:\d+", text):
                return result[0]
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError(text)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def children(self) -> list[int]:
        """Return the processes that scan; multiprocessing's own helper is none of them."""
        path = Path(f"/proc/{self.process.pid}/task")
        numbers = []
        for task in path.iterdir():
            for pid in (task / "children").read_text(encoding="utf-8").split():
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"spawn_main" in words or b"unmask" in words:
                    numbers.append(int(pid))
        return numbers

    def working(self) -> int:
        """Wait for a process that scans and return it."""
        for _ in range(400):
            if children := self.children():
                return children[0]
            time.sleep(0.05)
        raise AssertionError("nothing scans")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    running: list[Server] = []
    yield running
    for server in running:
        server.client.close()
        server.kill()
        server.log.close()


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_server_loses_no_scan_and_leaves_no_process(
    servers: list[Server], data: Path
) -> None:
    servers.append(Server(data))
    ids = [submit(servers[0].client, f"{n}.mp4").json()["id"] for n in range(2)]
    worker = servers[0].working()
    servers[0].kill()
    for _ in range(100):
        if not running(worker):
            break
        time.sleep(0.05)
    assert not running(worker)
    servers.append(Server(data))
    scans = [ended(servers[1].client, scan_id, 120) for scan_id in ids]
    assert [scan["state"] for scan in scans] == ["finished"] * 2
    assert [scan["attempts"] for scan in scans] == [2, 1]


def test_a_scan_whose_process_is_killed_is_done_again(servers: list[Server], data: Path) -> None:
    servers.append(Server(data))
    client = servers[0].client
    scan_id = submit(client).json()["id"]
    _wait_for_stage(client, scan_id)
    os.kill(servers[0].working(), signal.SIGKILL)
    scan = ended(client, scan_id, 120)
    assert (scan["state"], scan["attempts"]) == ("finished", 2)
    log = [event["what"] for event in client.get(f"/v1/scans/{scan_id}/custody").json()]
    assert any("was killed" in what for what in log)


def _wait_for_stage(client: Any, scan_id: str) -> None:
    """Wait until a file is being read, so that its process holds it."""
    for _ in range(600):
        if client.get(f"/v1/scans/{scan_id}").json()["stage"] not in {None, "starting"}:
            return
        time.sleep(0.02)
    raise AssertionError("never begun")


def test_a_deleted_scan_ends_its_process(servers: list[Server], data: Path) -> None:
    servers.append(Server(data))
    client = servers[0].client
    scan_id = submit(client).json()["id"]
    worker = servers[0].working()
    assert client.delete(f"/v1/scans/{scan_id}").status_code == 204
    for _ in range(600):
        if not running(worker):
            break
        time.sleep(0.05)
    assert not running(worker)
    time.sleep(0.5)
    assert not list((data / "scans").iterdir())


def test_a_stopped_server_gives_its_scan_back(servers: list[Server], data: Path) -> None:
    servers.append(Server(data))
    scan_id = submit(servers[0].client).json()["id"]
    _wait_for_stage(servers[0].client, scan_id)
    servers[0].process.send_signal(signal.SIGTERM)
    assert servers[0].process.wait(30) in {0, -signal.SIGTERM}
    servers.append(Server(data))
    assert ended(servers[1].client, scan_id, 120)["attempts"] == 1


def test_a_full_queue_refuses_fast_and_loses_nothing(servers: list[Server], data: Path) -> None:
    servers.append(Server(data, queue_limit=4))
    client = servers[0].client
    content = _grey_png(64)
    accepted = [submit(client, f"{n}.png", content) for n in range(4)]

    async def ask(together: Any, method: str, path: str, **body: Any) -> tuple[float, Any]:
        began = time.perf_counter()
        answer = await together.request(method, path, **body)
        return time.perf_counter() - began, answer

    async def ask_all() -> list[tuple[float, Any]]:
        """Send 200 files at once, and as many requests that cost the service next to nothing."""
        base, file = str(client.base_url), {"file": ("more.png", content)}
        every = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=base, timeout=300, trust_env=False, limits=every
        ) as together:
            asked = []
            for _ in range(200):
                asked.append(ask(together, "GET", "/health/live"))
                asked.append(ask(together, "POST", "/v1/scans", files=file))
            return await asyncio.gather(*asked)

    answers = asyncio.run(ask_all())
    alive, answers = answers[::2], answers[1::2]
    idle = sorted(seconds for seconds, _ in alive)[197]
    refused = sorted(seconds for seconds, answer in answers if answer.status_code == 429)
    accepted += [answer for _, answer in answers if answer.status_code != 429]
    assert {answer.status_code for answer in accepted} == {202}
    assert len(refused) > 150
    assert all(a.headers.get("retry-after") for _, a in answers if a.status_code == 429)
    # a burst waits for its turn, and this machine does other work: no more than an empty answer
    assert refused[int(len(refused) * 0.99)] < max(0.1, 2 * idle)
    scans = [ended(client, answer.json()["id"], 180) for answer in accepted]
    assert {scan["state"] for scan in scans} == {"finished"}


def test_two_servers_lose_nothing_when_postgresql_and_one_of_them_are_killed(
    servers: list[Server], data: Path, cluster: Cluster
) -> None:
    url = cluster.create("shared")
    servers += [Server(data, url), Server(data, url)]
    ids = [submit(servers[n % 2].client, f"{n}.mp4").json()["id"] for n in range(4)]
    _wait_for_stage(servers[0].client, ids[0])
    cluster.kill()
    servers[1].kill()
    away = servers[0].client.get(f"/v1/scans/{ids[0]}")
    assert (away.status_code, away.json()["type"]) == (503, "urn:unmask:problem:database-away")
    cluster.start()
    scans = [ended(servers[0].client, scan_id, 180) for scan_id in ids]
    assert [scan["state"] for scan in scans] == ["finished"] * 4
    assert max(scan["attempts"] for scan in scans) <= 3


def test_two_servers_share_a_queue(servers: list[Server], data: Path) -> None:
    servers += [Server(data), Server(data)]
    ids = [submit(servers[n % 2].client, f"{n}.mp4").json()["id"] for n in range(3)]
    scans = [ended(servers[0].client, scan_id, 120) for scan_id in ids]
    assert [scan["state"] for scan in scans] == ["finished"] * 3
    assert [scan["attempts"] for scan in scans] == [1] * 3


def test_no_scan_is_lost_over_20_kills_of_workers_and_servers(
    servers: list[Server], data: Path
) -> None:
    many = {"queue_limit": 40, "max_attempts": 40}
    servers.append(Server(data, **many))
    content = _grey_png(64)
    ids = []
    for kill in range(20):
        ids += [submit(servers[-1].client, f"{kill} {n}.png", content).json()["id"] for n in "ab"]
        worker = servers[-1].working()
        if kill % 2:
            os.kill(worker, signal.SIGKILL)
        else:
            servers[-1].kill()
            servers.append(Server(data, **many))
    scans = [ended(servers[-1].client, scan_id, 300) for scan_id in ids]
    assert [scan["state"] for scan in scans] == ["finished"] * 40
    assert sum(scan["attempts"] for scan in scans) > 40, "some were begun again"


COPIES = """
import shutil
from unmask.service import runner
from unmask.service.scans import Outcome
kept = []
def copy(media, name, folder, **more):
    shutil.copytree({scanned!r}, folder)
    kept.append(bytes([1]) * {leak})
    return Outcome("some evidence", 0.8)
runner.scan_file = copy
"""
MOST_GROWTH_MB = 70


def resident_mb(server: Server) -> float:
    text = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0]) / 1024


def growth_mb(server: Server, scans: int) -> float:
    """Hand in pictures, read what came of each, and return the growth after the first 50."""
    content, before = _grey_png(8), 0.0
    for number in range(50 + scans):
        if number == 50:  # libraries are loaded by then
            before = resident_mb(server)
        answer = submit(server.client, "a.png", content)
        assert answer.status_code == 202, answer.text
        scan = ended(server.client, answer.json()["id"])
        for link in ("result", "report", "result.csv"):
            assert server.client.get(scan["links"][link]).status_code == 200
        server.client.delete(scan["links"]["self"])
    return resident_mb(server) - before


def copying(data: Path, scanned: Any, *, leak: int) -> Server:
    """Start a server that takes copies of one result for scans, and loses memory with each.

    What scans is a process of its own that ends; so only the server's own memory can grow.
    """
    return Server(data, before=COPIES.format(scanned=str(scanned[0]), leak=leak))


def test_memory_of_the_server_does_not_grow_over_500_scans(
    servers: list[Server], data: Path, scanned: Any
) -> None:
    servers.append(copying(data, scanned, leak=0))
    assert growth_mb(servers[0], 500) <= MOST_GROWTH_MB


def test_a_leak_of_a_megabyte_for_each_scan_is_seen(
    servers: list[Server], data: Path, scanned: Any
) -> None:
    servers.append(copying(data, scanned, leak=2**20))
    assert growth_mb(servers[0], 100) > MOST_GROWTH_MB
