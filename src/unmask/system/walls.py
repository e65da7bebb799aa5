"""The walls around a process that reads hostile files.

    limits        memory, CPU time, open files, no core: on every Unix
    seccomp       no sockets, no new programs or processes: Linux, package pyseccomp
    Landlock      no file but those of a task, none for writing: Linux 5.13, package landlockpy

The first two hold for the whole process. Landlock holds for a thread and those that it starts, and
can only be made narrower; so each task runs in a thread of its own, which gives up all files but
its own, and with it the decoder's threads. That keeps a decoder from being talked into opening
another file. Code that takes over the whole process is held by seccomp: it can send nothing.
"""

from __future__ import annotations

import errno
import logging
import math
import mimetypes
import os
import stat
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

PACKAGES = ("landlockpy", "pyseccomp")
"""By the names that are imported; the extra `walls` brings them."""
_OPEN_FILES = 1024
"""Files that a worker may hold open; a scan needs some ten, and a demuxer that leaks is stopped."""
_CLONE_THREAD = 0x10000
_FORBIDDEN = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    *("execve", "execveat", "fork", "vfork"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp"),
    *("io_uring_setup", "bpf", "userfaultfd", "perf_event_open", "keyctl", "add_key"),
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_by_handle_at"),
)
"""System calls that no decoder needs."""
_LIBRARIES = ("/usr", "/lib", "/lib64", "/etc/localtime", "/etc/ld.so.cache", "/sys")
_OF_THE_SYSTEM = (
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/dev/null", "/dev/urandom"),
)


def limit_resources(memory_bytes: int | None) -> None:
    """Limit what this process may use.

    Args:
        memory_bytes: most memory for its data; None: any.
    """
    if resource is None:
        return
    _lower(resource.RLIMIT_CORE, 0)  # a core holds the file's pictures, and fills the disk
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if memory_bytes is not None:
        # not the address space, which libraries reserve without using it
        _lower(resource.RLIMIT_DATA, memory_bytes)


def limit_cpu(seconds: float) -> None:
    """Let the system end this process after so much more CPU time; a later task may have more."""
    if resource is None or not math.isfinite(seconds):
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    end = math.ceil(used.ru_utime + used.ru_stime + seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = end if hard == resource.RLIM_INFINITY else min(end, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def missing_walls() -> list[str]:
    """Return which walls this machine lacks, and why."""
    if sys.platform != "linux":
        return ["seccomp and Landlock: only on Linux"]
    return [
        f"{wall}: {why}"
        for wall, why in (("seccomp", _why_no_seccomp()), ("Landlock", _why_no_landlock()))
        if why is not None
    ]


def forbid_system_calls() -> None:
    """Forbid this process sockets, new programs and processes, for good, where that can be done."""
    if sys.platform != "linux" or _why_no_seccomp() is not None:
        return
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    rules.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)  # threads of libraries as well
    for name in _FORBIDDEN:
        with suppress(ValueError, RuntimeError, OSError):  # a machine without this call
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    # threads are needed; libc asks again with `clone`, whose arguments can be looked at
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    no_thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, 0)
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", no_thread)
    try:
        rules.load()
    except OSError as error:
        _log.warning("system calls cannot be forbidden here: %s", error)


def alone_with(
    paths: Iterable[str | Path], do: Callable[[], Result], *, writes: Iterable[Path] = ()
) -> Result:
    """Do something in a thread that can open some files and no others, where that can be done.

    Args:
        paths: files to read, and folders with all that is below; what does not exist is left out.
        do: called there; it returns its value or raises.
        writes: folders in which it can also make, replace and remove files.
    """
    if sys.platform != "linux" or _why_no_landlock() is not None:
        return do()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_confined, paths, writes, do).result()


def _confined(
    paths: Iterable[str | Path], writes: Iterable[Path], do: Callable[[], Result]
) -> Result:
    from landlockpy import AccessFS, Ruleset, Scope

    reading = AccessFS.READ_FILE | AccessFS.READ_DIR
    writing = AccessFS.WRITE_FILE | AccessFS.MAKE_REG | AccessFS.REMOVE_FILE | AccessFS.TRUNCATE
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
        for path in (*_libraries(), *_OF_THE_SYSTEM, *paths):
            with suppress(OSError, ValueError):  # absent, or no path at all: opening it says so
                is_folder = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - no path, maybe
                rules.allow_path(path, reading if is_folder else AccessFS.READ_FILE)
        for folder in writes:
            rules.allow_path(folder, reading | writing)
        rules.restrict()
    return do()


@cache
def _libraries() -> tuple[str, ...]:
    """Return the folders that libraries and their data are loaded from."""
    package = Path(__file__).parents[1]
    # asked by the package that reads Content Credentials
    types = map(str, mimetypes.knownfiles)
    named = (sys.prefix, sys.base_prefix, str(package), *sys.path[1:], *_LIBRARIES, *types)
    return tuple(dict.fromkeys(path for path in named if Path(path).is_absolute()))


@cache
def _why_no_seccomp() -> str | None:
    """Return why system calls cannot be forbidden; None where they can."""
    if find_spec("pyseccomp") is None:
        return "the package pyseccomp is not installed"
    try:
        import pyseccomp  # noqa: F401
    except (RuntimeError, OSError) as error:
        return str(error)
    return None


@cache
def _why_no_landlock() -> str | None:
    """Return why files cannot be forbidden; None where they can."""
    if find_spec("landlockpy") is None:
        return "the package landlockpy is not installed"
    from landlockpy import Ruleset

    try:
        Ruleset().close()
    except OSError as error:  # a container may forbid the call that a kernel has
        return f"this system gives none ({error})"
    return None


def _lower(which: int, value: int) -> None:
    soft, hard = resource.getrlimit(which)
    if soft == resource.RLIM_INFINITY or soft > value:
        resource.setrlimit(which, (value, hard))
