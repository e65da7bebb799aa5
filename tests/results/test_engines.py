"""The same results in one process, in two, and on a cluster that loses a machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crashing import start, start_badly, work
from toy_set import toy_set
from unmask.bundle.manifest import load_bundle, shipped_folder
from unmask.core.errors import InputNotFound, ManifestError
from unmask.core.settings import ScanSettings
from unmask.crops.extraction import CropSettings
from unmask.crops.pipeline import crop_videos
from unmask.crops.rows import COLUMNS
from unmask.crops.store import CropStore
from unmask.datasets.manifest import write_manifest
from unmask.evaluation.inference import predict, source_at
from unmask.results.store import ResultStore
from unmask.system.engines import Engine
from unmask.system.workers import Crashed, Duty

EXAMPLES = Path(__file__).parents[2] / "examples"
SCAN = [sys.executable, "-c", "from unmask.cli import main; main()", "scan"]
TIMES = {"analysed_at", "examination", "custody", "seconds", "timings", "work_seconds"}
FAST = ScanSettings(detect_long_side_px=160, budget=3)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="--engine is local or ray, got 'spark'"):
        Engine("spark")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--address goes with --engine ray"):
        Engine(address="auto")
    with pytest.raises(ValueError, match="--worker-cpus must be above zero, got 0"):
        Engine("ray", cpus_per_worker=0)


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    pytest.importorskip("ray")
    engine = Engine("ray", address="127.0.0.1:1")
    with pytest.raises(InputNotFound, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        next(engine.run([1], Duty(start, work)))


def test_crops_are_not_scored_elsewhere(tmp_path: Path) -> None:
    bundle = load_bundle(shipped_folder())
    with pytest.raises(ValueError, match="--engine ray is for the videos of a manifest"):
        source_at(bundle, tmp_path, engine=Engine("ray"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of eight clips."""
    path = tmp_path_factory.mktemp("clips")
    for name in ("original", "forged"):
        data = (EXAMPLES / f"{name}.mp4").read_bytes()
        for number in range(4):  # none a copy of another: each has one more empty box at its end
            (path / f"{name}-{number}.mp4").write_bytes(data + b"\0\0\0\x08free" * number)
    return path


@pytest.fixture(scope="module")
def alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what one process finds in them."""
    return scanned(folder, tmp_path_factory.mktemp("alone"))


class Machines:
    """Two machines of a cluster, as two addresses of this one."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        more = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        head = {**more, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.other = self.cluster.add_node(node_ip_address="127.0.0.2", **more)
        self.cluster.wait_for_nodes()

    @property
    def engine(self) -> Engine:
        return Engine("ray", workers=2, address=self.cluster.address)


def found_in_time(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """Give a machine more than the 30 seconds to start that Ray gives it: tests run beside it."""

    def patient(*arguments: Any) -> Any:
        end = time.monotonic() + 60
        while True:
            try:
                return get_node(*arguments)
            except RuntimeError:  # not there yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    return patient


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    from ray._private import services

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else a token is kept in the home folder
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setattr("ray._private.services.get_node", found_in_time(services.get_node))
        patch.setenv("RAY_enable_worker_prestart", "0")
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        paths = os.pathsep.join(
            map(str, (Path(__file__).parents[2] / "src", Path(__file__).parents[1]))
        )
        patch.setenv("PYTHONPATH", paths)  # on every machine
        both = Machines()
        yield both
        both.cluster.shutdown()


def scan(folder: Path, store: Path, *options: str) -> subprocess.Popen[bytes]:
    words = [*SCAN, str(folder), "-o", str(store), "--triage", *options]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def scanned(folder: Path, store: Path, *options: str) -> dict[str, Any]:
    with scan(folder, store, *options) as process:
        _, errors = process.communicate(timeout=500)
    assert process.returncode in {0, 1}, errors.decode()
    return content(store)


def content(folder: Path) -> dict[str, Any]:
    """Return all that a store holds but the times, by the id of each result."""
    store = ResultStore(folder)
    assert not list(store.failures())
    rows = {row.result_id: timeless(vars(row)) for row in store.results()}
    documents = {name: timeless(json.loads(text)) for name, text in store.documents()}
    pages = dict(store.pages())
    assert len(rows) == len(documents) == len(pages) == 8
    return {"rows": rows, "documents": documents}


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(each) for name, each in value.items() if name not in TIMES}
    return [timeless(each) for each in value] if isinstance(value, list) else value


@pytest.mark.system
def test_two_processes_find_the_same(folder: Path, alone: dict[str, Any], tmp_path: Path) -> None:
    assert scanned(folder, tmp_path / "s", "--workers", "2") == alone


@pytest.mark.system
def test_a_cluster_cuts_and_scores_the_same(machines: Machines, tmp_path: Path) -> None:
    toy = toy_set(tmp_path / "toy")
    tables, scores = [], []
    for engine in (Engine(), machines.engine):
        place = tmp_path / engine.name
        place.mkdir()
        crop_videos(toy, place / "crops", CropSettings(scan=FAST, size_px=64), engine=engine)
        tables.append(CropStore(place / "crops").rows(COLUMNS.names).sort_by("crop_id"))
        write_manifest(toy, place / "m.parquet")
        bundle = load_bundle(shipped_folder())
        source = source_at(bundle, place / "m.parquet", settings=FAST, engine=engine)
        scores.append(predict(bundle, source, place / "p.parquet"))
    assert tables[0].num_rows > 0
    assert tables[0] == tables[1]
    assert scores[0].logit.tobytes() == scores[1].logit.tobytes()
    assert list(scores[0].video_id) == list(scores[1].video_id)


@pytest.mark.system
def test_a_cluster_finds_the_same_though_a_machine_dies(
    machines: Machines, folder: Path, alone: dict[str, Any], tmp_path: Path
) -> None:
    store = tmp_path / "s"
    options = ("--engine", "ray", "--address", machines.cluster.address, "--workers", "2")
    with scan(folder, store, *options) as process:
        deadline = time.monotonic() + 300
        while not list(store.glob("pending/*.gz")):
            assert process.poll() is None, process.stderr.read().decode()  # type: ignore[union-attr]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        machines.cluster.remove_node(machines.other, allow_graceful=False)
        assert len(list(store.glob("pending/*.gz"))) < 7  # it dies in the midst of the run
        _, errors = process.communicate(timeout=500)
    assert process.returncode in {0, 1}, errors.decode()
    assert content(store) == alone


@pytest.mark.system
def test_on_a_cluster_too_every_task_is_answered_once_whoever_dies(machines: Machines) -> None:
    address = machines.cluster.address
    engine = Engine("ray", workers=2, address=address, cpus_per_worker=0.5)
    results = dict(engine.run([10, 13, 11, 17], Duty(start, work), retry_alone=True))
    assert {0: 110, 2: 111}.items() <= results.items()
    died = {place: r for place, r in results.items() if isinstance(r, Crashed)}
    assert {place: (str(r), r.tries) for place, r in died.items()} == {
        1: ("ended by SIGKILL", 2),
        3: ("exit code 9", 2),
    }
    with pytest.raises(ManifestError, match="no good"):
        list(engine.run([1], Duty(start_badly, work)))


@pytest.mark.system
def test_without_an_address_a_cluster_is_started_for_the_run_and_leaves_nothing() -> None:
    before = set(Path(tempfile.gettempdir()).glob("unmask-ray-*"))
    assert list(Engine("ray").run([10], Duty(start, work))) == [(0, 110)]
    assert set(Path(tempfile.gettempdir()).glob("unmask-ray-*")) == before
