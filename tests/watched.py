"""Run a command and record every socket it opens and every file it would write (Linux).

    python watched.py FD WRITES|ALL COMMAND ...

With `reads` files that are opened for reading are recorded too.

`watch` starts this file, which asks the kernel (seccomp, user notification) to report a few system
calls of itself and of all its children, threads and native libraries too, and becomes the command.
Each reported call is noted and goes on. It needs neither root nor a package; where `strace` is
installed, a test compares the two.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ARCHITECTURES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
"""Its number for seccomp, and the number of the system call `seccomp`."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CALLS = {  # numbers on x86_64 and aarch64; where the path stands: (folder's descriptor, name)
    "socket": (41, 198, None),
    "open": (2, None, (None, 0)),
    "openat": (257, 56, (0, 1)),
    "openat2": (437, 437, (0, 1)),
    "creat": (85, None, (None, 0)),
    "mkdir": (83, None, (None, 0)),
    "mkdirat": (258, 34, (0, 1)),
    "mknod": (133, None, (None, 0)),
    "mknodat": (259, 33, (0, 1)),
    "rename": (82, None, (None, 1)),
    "renameat": (264, 38, (2, 3)),
    "renameat2": (316, 276, (2, 3)),
    "link": (86, None, (None, 1)),
    "linkat": (265, 37, (2, 3)),
    "symlink": (88, None, (None, 1)),
    "symlinkat": (266, 36, (1, 2)),
}
_FLAGS_AT = {"open": 1, "openat": 2}
"""Place of the flags: files opened only for reading are not reported."""
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTICE, _ANSWER = struct.Struct("=QII iIQ 6Q"), struct.Struct("=QqiI")
_GO_ON = 1
_LONGEST_PATH = 4096
_SHARED = "/dev/shm/"  # noqa: S108 - memory that processes share, a file only by its name


@dataclass(frozen=True)
class Seen:
    """One reported call."""

    call: str
    """Its name."""
    what: str
    """The path, or of a socket its family."""


@dataclass
class Watched:
    """What a command did."""

    returncode: int = 0
    stdout: str = ""
    stderr: str = ""
    seen: list[Seen] = field(default_factory=list)

    def sockets(self) -> list[str]:
        """Return the families of all sockets but those between processes of this machine."""
        result = [each.what for each in self.seen if each.call == "socket"]
        return [family for family in result if family != "AF_UNIX"]

    def paths(self) -> list[str]:
        """Return the paths that were to be written, but devices and the kernel's own."""
        named = [each.what for each in self.seen if each.call != "socket"]
        real = [os.path.realpath(name) for name in named]
        kernels = ("/dev/", "/proc/")
        return [p for p in real if p.startswith(_SHARED) or not p.startswith(kernels)]

    def left(self) -> list[str]:
        """Return those that are there now."""
        return sorted({path for path in self.paths() if os.path.lexists(path)})

    def written(self, *, outside: Sequence[Path]) -> list[str]:
        """Return the paths that were to be written and do not lie below some folders."""
        allowed = (_SHARED, *(f"{path.resolve()}/" for path in outside))
        return [path for path in self.paths() if not path.startswith(allowed)]


def unavailable() -> str | None:
    """Return why nothing can be watched here; None where it can."""
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES:
        return "needs Linux on x86_64 or aarch64"
    try:
        tried = watch([sys.executable, "-c", "import socket; socket.socket()"])
    except OSError as error:
        return f"the kernel reports no system calls: {error}"
    return None if tried.sockets() else "the kernel reports no system calls here"


def watch(
    command: Sequence[str | Path],
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    reads: bool = False,
) -> Watched:
    """Run a command to its end, and note what it did.

    Args:
        command: its words.
        env: its variables; None: ours.
        cwd: where it runs.
        reads: whether files that are only read are noted too, in `paths`.

    Raises:
        OSError: this kernel reports no system calls.
    """
    ours, theirs = socket.socketpair()
    opens = "ALL" if reads else "WRITES"
    words = [sys.executable, __file__, str(theirs.fileno()), opens, *map(str, command)]
    with (
        ours,
        subprocess.Popen(
            words,
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            cwd=cwd,
        ) as process,
    ):
        theirs.close()
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        if not descriptors:
            raise OSError(errno.ENOSYS, process.communicate()[1].strip() or "no listener")
        done = Watched()
        listener = threading.Thread(target=_listen, args=(descriptors[0], done.seen), daemon=True)
        listener.start()
        ours.send(b"!")
        done.stdout, done.stderr = process.communicate()
        listener.join(60)
        done.returncode = process.returncode
    return done


def _listen(listener: int, seen: list[Seen]) -> None:
    """Note what is reported, and let each call go on, until the last process has ended."""
    names = {numbers[_column()]: name for name, numbers in _CALLS.items()}
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    try:
        while not any(event & select.POLLHUP for _, event in poll.poll()):
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(listener, _RECEIVE, notice)
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.EINTR}:  # the process was killed meanwhile
                    continue
                raise
            number, pid, _, call, _, _, *arguments = _NOTICE.unpack(notice)
            seen.append(_seen(names[call], pid, arguments))
            try:
                fcntl.ioctl(listener, _SEND, bytearray(_ANSWER.pack(number, 0, 0, _GO_ON)))
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
    finally:
        os.close(listener)


def _seen(call: str, pid: int, arguments: list[int]) -> Seen:
    place = _CALLS[call][2]
    if place is None:
        family = arguments[0] & 0xFFFFFFFF
        known = {int(each): each.name for each in socket.AddressFamily}
        return Seen(call, known.get(family, f"family {family}"))
    folder_at, name_at = place
    try:
        name = _text(pid, arguments[name_at])
        folder = ctypes.c_int(arguments[folder_at]).value if folder_at is not None else -100
        inside = f"/proc/{pid}/cwd" if folder < 0 else f"/proc/{pid}/fd/{folder}"
        return Seen(call, name if name.startswith("/") else f"{Path(inside).readlink()}/{name}")
    except OSError as error:
        return Seen(call, f"unknown path of process {pid}: {error}")


def _text(pid: int, address: int) -> str:
    """Read a path from another process; only as far as its page is sure to be there."""
    text = b""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        while b"\0" not in text and len(text) < _LONGEST_PATH:
            step = 4096 - (address + len(text)) % 4096
            text += memory.read(step)
    return os.fsdecode(text.partition(b"\0")[0])


def _column() -> int:
    return list(_ARCHITECTURES).index(platform.machine())


def _filter(*, reads: bool) -> bytes:
    """Return the kernel's little program that chooses what is reported."""
    architecture, _ = _ARCHITECTURES[platform.machine()]
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06
    allow, report = 0x7FFF0000, 0x7FC00000
    steps: list[tuple[int, ...]] = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (give, 0, 0, allow),
        (load, 0, 0, 0),
    ]
    for name, numbers in _CALLS.items():
        number = numbers[_column()]
        if not isinstance(number, int):
            continue
        if name in _FLAGS_AT and not reads:
            flags = 16 + 8 * _FLAGS_AT[name]
            steps += [(equal, 0, 4, number), (load, 0, 0, flags), (any_bit, 0, 1, _WRITING)]
            steps += [(give, 0, 0, report), (give, 0, 0, allow)]
        else:
            steps += [(equal, 0, 1, number), (give, 0, 0, report)]
    steps.append((give, 0, 0, allow))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _be_watched(*, reads: bool) -> int:
    """Install the filter and return the descriptor that reports."""
    code = _filter(reads=reads)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    _, seccomp = _ARCHITECTURES[platform.machine()]
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise OSError(ctypes.get_errno(), "prctl")
    set_filter, new_listener = 1, 8
    listener: int = libc.syscall(seccomp, set_filter, new_listener, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return listener


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        socket.send_fds(parent, [b"!"], [_be_watched(reads=sys.argv[2] == "ALL")])
        parent.recv(1)
    os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - the command comes from a test
