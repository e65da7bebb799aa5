"""The service under ten times the load that it can bear: how fast it refuses, and what it loses.

    python -m benchmarks.service_load [--seconds 30] [--queue-limit 5]

A service is started on this machine, and its capacity measured: small pictures, a second one sent
as one is finished. Then pictures come at ten times that rate, each when its turn is, whatever was
answered before. The client runs beside the service and takes its share of the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import httpx
import numpy as np
from PIL import Image

_PROGRAM = "from unmask.cli import main; main()"
_ENDED = {"finished", "failed"}


def picture() -> bytes:
    """Return a PNG without a face, so that a scan of it is short."""
    file = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(file, "PNG")
    return file.getvalue()


def percentiles(seconds: Sequence[float]) -> str:
    """Return the middle and the 99th percentile in milliseconds."""
    low, high = np.percentile(seconds, [50, 99]) * 1000
    return f"p50 {low:.0f} ms, p99 {high:.0f} ms"


async def send(client: httpx.AsyncClient, content: bytes) -> tuple[float, httpx.Response]:
    """Send a picture; return the seconds until the answer, and the answer."""
    began = time.perf_counter()
    answer = await client.post("/v1/scans", files={"file": ("a.png", content)})
    return time.perf_counter() - began, answer


async def end(client: httpx.AsyncClient, answer: httpx.Response) -> str:
    """Wait until an accepted scan has ended, and return how it did."""
    address = f"/v1/scans/{answer.json()['id']}"
    while (state := (await client.get(address)).json()["state"]) not in _ENDED:
        await asyncio.sleep(0.2)
    return str(state)


async def measure_capacity(client: httpx.AsyncClient, content: bytes, *, scans: int = 10) -> float:
    """Return how many pictures are scanned a second, two of them under way."""

    async def one_after_another(count: int) -> None:
        for _ in range(count):
            _, answer = await send(client, content)
            await end(client, answer)

    await one_after_another(1)
    began = time.perf_counter()
    await asyncio.gather(*(one_after_another(scans // 2) for _ in range(2)))
    return scans / (time.perf_counter() - began)


async def flood(base: str, seconds: float) -> str:
    """Measure, and return the figures."""
    content = picture()
    every = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=base, timeout=300, trust_env=False, limits=every
    ) as client:
        capacity = await measure_capacity(client, content)
        rate = 10 * capacity
        sent = []
        for _ in range(round(rate * seconds)):
            sent.append(asyncio.create_task(send(client, content)))
            await asyncio.sleep(1 / rate)
        answers = await asyncio.gather(*sent)
        refused = [took for took, answer in answers if answer.status_code == 429]
        accepted = [(took, answer) for took, answer in answers if answer.status_code == 202]
        other = len(answers) - len(refused) - len(accepted)
        states = await asyncio.gather(*(end(client, answer) for _, answer in accepted))
    return (
        f"capacity {capacity:.1f} scans a second; {rate:.0f} sent a second for {seconds:.0f} s\n"
        f"refused: {len(refused)}, {percentiles(refused)}\n"
        f"accepted: {len(accepted)}, {percentiles([took for took, _ in accepted])} to the answer\n"
        f"of these finished: {states.count('finished')}, lost: {len(accepted) - len(states)}; "
        f"other answers: {other}"
    )


def _address(log: IO[bytes]) -> str:
    """Wait until the service has written where it listens."""
    for _ in range(600):
        text = os.pread(log.fileno(), 100_000, 0).decode()
        if address := re.search(r"http://127\.0\.0\.1:\d+", text):
            return address[0]
        time.sleep(0.1)
    raise SystemExit(f"the service did not start: {text}")


def main() -> None:
    """Start the service, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--queue-limit", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        words = ["serve", "--port", "0", "--data", folder]
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words, "--queue-limit", str(options.queue_limit)],
            stderr=log,
            cwd=Path(__file__).parents[1],
            env=os.environ,
        )
        try:
            print(asyncio.run(flood(_address(log), options.seconds)))
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
