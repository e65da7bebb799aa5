"""The promises of the privacy section: no connection, and no file but what was asked for."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

import watched
from ports import free_port
from unmask.system import telemetry
from watched import Watched, watch

ROOT = Path(__file__).parents[1]
CLIPS = [ROOT / "examples" / name for name in ("original.mp4", "forged.mp4")]
STAY_SECONDS = 400 if os.environ.get("UNMASK_SLOW_TESTS") else 31
"""How long a process that has scanned stays: ONNX Runtime sends after ten seconds."""
SCAN_AND_STAY = """
import sys, time
from unmask.scanner.scanner import Scanner
scanner = Scanner()
scanner.scan(sys.argv[1])
time.sleep(float(sys.argv[2]))
"""
COMMAND = [sys.executable, "-c", "from unmask.cli import main; main()"]
TINY = ["network.backbone=test_resnet", "network.weights=null", "network.size_px=32"]
TINY += ["epochs=1", "batch_size=8", "workers=1"]

why_unavailable = watched.unavailable()
needs_watching = pytest.mark.skipif(why_unavailable is not None, reason=str(why_unavailable))


class Place:
    """Empty folders for a run: the user's home, the system's temporary files, the outputs."""

    def __init__(self, root: Path) -> None:
        self.home, self.temporary, self.out = root / "home", root / "tmp", root / "out"
        for folder in (self.home, self.temporary, self.out):
            folder.mkdir(parents=True)

    def environment(self, **more: str) -> dict[str, str]:
        """Return a plain user's variables: nothing is switched off from outside."""
        switches = {*telemetry.TELEMETRY, *telemetry.PLUGINS, *telemetry.CACHES}
        switches = {*switches, "CI"}  # ONNX Runtime sends nothing where CI is set
        kept = {k: v for k, v in os.environ.items() if k not in switches and "XDG_" not in k}
        # Python's own .pyc files beside its modules are not what is looked for
        ours = {
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return kept | ours | more

    def watch(self, *words: str | Path, **more: str) -> Watched:
        return watch(words, env=self.environment(**more), cwd=self.out)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


def ask(address: str, body: bytes | None = None, kind: str = "") -> bytes:
    """Send a request to this machine, past any proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(address, body, {"Content-Type": kind} if kind else {})
    with opener.open(request, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def retried(address: str, fits: bytes, seconds: float = 60) -> bytes:
    """Ask until the answer holds something."""
    last = time.monotonic() + seconds
    while True:
        try:
            if fits in (answer := ask(address)):
                return answer
        except OSError:
            pass
        assert time.monotonic() < last, f"{address} never answered with {fits!r}"
        time.sleep(0.2)


class Service:
    """A service under watch that has scanned a file and stays until it is ended."""

    def __init__(self, root: Path) -> None:
        self.place, self.pid = Place(root / "place"), root / "pid"
        self.data = self.place.out / "data"
        self._watched: list[Watched] = []
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._serve, args=(port,))
        self._thread.start()
        retried(f"{address}/health/ready", b"ready")
        self._since = time.monotonic()
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        body = head.encode() + CLIPS[1].read_bytes() + f"\r\n--{mark}--\r\n".encode()
        ask(f"{address}/v1/scans", body, f"multipart/form-data; boundary={mark}")
        retried(f"{address}/v1/scans", b'"state":"finished"')

    def _serve(self, port: int) -> None:
        named: list[str | Path] = ["sh", "-c", 'echo $$ > "$0"; exec "$@"', self.pid, *COMMAND]
        served = self.place.watch(*named, "serve", "--port", str(port), "--data", self.data)
        self._watched.append(served)

    def end(self) -> Watched:
        """Interrupt it once it has stayed, and return what was seen."""
        if self._thread.is_alive():
            time.sleep(max(0, self._since + STAY_SECONDS - time.monotonic()))
            os.kill(int(self.pid.read_text()), signal.SIGINT)
            self._thread.join(60)
        (run,) = self._watched
        return run


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service | None]:
    """Start the service first of all, so that it stays while others are watched."""
    if find_spec("fastapi") is None:
        yield None
        return
    started = Service(tmp_path_factory.mktemp("service"))
    yield started
    started.end()


@pytest.fixture(scope="module")
def runs(place: Place, service: Service | None) -> dict[str, Watched]:
    """Scan, explain and train under watch, while a process that has scanned stays for long."""
    done: dict[str, Watched] = {}

    def stay() -> None:
        words: list[str | Path] = ["-c", SCAN_AND_STAY, CLIPS[0], str(STAY_SECONDS)]
        done["library"] = place.watch(sys.executable, *words)

    staying = threading.Thread(target=stay)
    staying.start()
    run = partial(place.watch, *COMMAND)
    done["scan"] = run("scan", *CLIPS, "--workers", "2", "--report", "r.html", "--json", "r.json")
    done["explain"] = run("explain", CLIPS[1], "-o", "maps")
    if find_spec("torch") and find_spec("lightning"):
        from toy_crops import write_toy_crops

        crops = write_toy_crops(place.out / "crops.parquet")
        train: tuple[str | Path, ...] = (
            "train",
            "paper-xception",
            "--data",
            crops,
            "-o",
            "run",
            "--set",
            *TINY,
        )
        done["train"] = run(*train)
    staying.join()
    return done


@needs_watching
@pytest.mark.parametrize(
    ("name", "code"), [("library", 0), ("scan", 1), ("explain", 0), ("train", 0)]
)
def test_no_socket_is_opened_and_no_file_written_but_what_was_asked_for(
    runs: dict[str, Watched], place: Place, name: str, code: int
) -> None:
    if name not in runs:
        pytest.skip("training needs the extra `train`")
    run = runs[name]
    assert run.returncode == code, run.stderr
    assert run.sockets() == []
    assert run.written(outside=[place.out, place.temporary]) == []
    assert [path for path in run.left() if not path.startswith(str(place.out))] == []
    assert name == "library" or run.paths(), "its outputs are seen"


@needs_watching
def test_nothing_stays_in_the_users_folder_or_among_temporary_files(
    runs: dict[str, Watched], place: Place
) -> None:
    assert all(runs)
    assert [*place.home.rglob("*")] == []
    assert [*place.temporary.rglob("*")] == []


@needs_watching
def test_the_service_opens_its_own_address_and_writes_into_its_own_folder(
    runs: dict[str, Watched], service: Service | None
) -> None:
    if service is None:
        pytest.skip("the extra serve is not installed")
    assert runs
    run, place, data = service.end(), service.place, service.data
    assert run.sockets() == ["AF_INET"], "the one it listens on"
    ours = {str(data), str(service.pid)}  # the folder itself, and what the shell was asked for
    assert set(run.written(outside=[data, place.temporary])) == ours
    assert {path for path in run.left() if not path.startswith(f"{data}/")} == ours
    assert [*place.home.rglob("*")] == []
    assert [*place.temporary.rglob("*")] == []


@needs_watching
def test_a_scan_with_telemetry_on_is_caught_so_the_users_own_choice_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    left: list[str] = []
    for stay_seconds in ("0", "5", "20"):  # its traces come from a thread, in its own time
        words: list[str | Path] = [sys.executable, "-c", SCAN_AND_STAY, CLIPS[0], stay_seconds]
        done = place.watch(*words, ORT_DISABLE_TELEMETRY="0")
        assert done.returncode == 0, done.stderr
        left = done.written(outside=[place.out, place.temporary])
        if any("onnxruntime" in path for path in left):
            break
    assert any("onnxruntime" in path for path in left)
    assert [*place.home.rglob("*")]


SENDS = """
import socket, subprocess, sys
def send():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"seen", ("192.0.2.1", 9))
    open(sys.argv[1], "w").close()
if len(sys.argv) == 2:
    send()
else:
    subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], check=True)
"""


@needs_watching
def test_a_socket_and_a_file_of_a_child_process_are_caught(tmp_path: Path) -> None:
    done = watch([sys.executable, "-c", SENDS, tmp_path / "left", SENDS])
    assert done.sockets() == ["AF_INET"]
    assert done.written(outside=[]) == done.left() == [str(tmp_path / "left")]


@needs_watching
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_what_is_seen_is_what_strace_sees(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SENDS, str(tmp_path / "left"), SENDS]
    log = tmp_path / "log"
    calls = "trace=socket,openat"
    try:
        subprocess.run(["strace", "-f", "-qq", "-e", calls, "-o", log, *command], check=True)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"strace may not trace here: {error}")
    lines = [line for line in log.read_text().splitlines() if "O_RDONLY" not in line]
    families = [line.split("(")[1].split(",")[0] for line in lines if " socket(" in line]
    opened = [line.split('"')[1] for line in lines if " openat(" in line and '"/dev/' not in line]
    done = watch(command)
    assert done.sockets() == [family for family in families if family != "AF_UNIX"]
    assert done.written(outside=[]) == opened


def imports(path: Path) -> set[str]:
    """Return the packages that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_one_module_imports_onnx_runtime() -> None:
    files = [
        f for part in ("src", "tests", "benchmarks", "tools") for f in (ROOT / part).rglob("*.py")
    ]
    importing = {str(file.relative_to(ROOT)) for file in files if "onnxruntime" in imports(file)}
    # its submodule for int8 has no other way in, and is imported after `telemetry.onnxruntime`
    assert importing == {
        "src/unmask/system/telemetry.py",
        "src/unmask/training/networks/quantisation.py",
    }


def in_a_fresh_process(code: str, **variables: str) -> str:
    base = {k: v for k, v in os.environ.items() if k not in telemetry.TELEMETRY}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=base | variables, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_importing_the_package_switches_telemetry_off() -> None:
    text = in_a_fresh_process("import os, unmask; print(os.environ['ORT_DISABLE_TELEMETRY'])")
    assert text == "1\n"


@pytest.mark.parametrize("value", ["0", ""])
def test_a_value_that_the_user_set_stays(value: str) -> None:
    code = "import os, unmask; print(repr(os.environ['ORT_DISABLE_TELEMETRY']))"
    assert in_a_fresh_process(code, ORT_DISABLE_TELEMETRY=value) == f"{value!r}\n"


def test_a_runtime_that_was_imported_before_is_told_to_send() -> None:
    code = "import sys, types; sys.modules['onnxruntime'] = types.ModuleType('x'); import unmask"
    assert "was imported before unmask" in in_a_fresh_process(code)
    assert in_a_fresh_process(code, ORT_DISABLE_TELEMETRY="1") == ""


def test_caches_go_to_a_folder_that_is_removed_but_the_users_own_stay(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from unmask.system import telemetry; telemetry.leave_no_caches(); "
        "made = pathlib.Path(os.environ['TORCHINDUCTOR_CACHE_DIR']); made.mkdir(parents=True); "
        "print(os.environ['MPLCONFIGDIR'])"
    )
    base = {k: v for k, v in os.environ.items() if k not in telemetry.CACHES}
    ours = {"TMPDIR": str(tmp_path), "MPLCONFIGDIR": "/mine"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=base | ours, capture_output=True, text=True, check=True)
    assert done.stdout == "/mine\n"
    assert [*tmp_path.iterdir()] == []
