"""What libraries would send or leave behind by default, switched off before they are loaded.

Scanning opens no connection and leaves nothing but what was asked for. ONNX Runtime would send
telemetry from the moment it is loaded, and keep a device id in the user's cache folder, so every
import of it goes through here. docs/privacy.md says of each library what its default is.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # read by type checkers as true; `import unmask` comes here, and is quick
if TYPE_CHECKING:
    from typing import Any

TELEMETRY = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Variables by which libraries are told to send nothing; `import unmask` sets them."""
PLUGINS = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""Set for the command line only: in a notebook, plugins belong to the user's own models too."""
CACHES = {"MPLCONFIGDIR": "matplotlib", "TORCHINDUCTOR_CACHE_DIR": "torchinductor"}
"""Variables that say where libraries keep caches, and the folder's name."""


def stop_telemetry() -> None:
    """Set what keeps libraries from sending; a value that the user set stays.

    Child processes inherit it. ONNX Runtime cannot be silenced once it is loaded: its own
    `disable_telemetry_events` was measured to send what it has at once.
    """
    if "onnxruntime" in sys.modules and "ORT_DISABLE_TELEMETRY" not in os.environ:
        import logging

        logging.getLogger(__name__).warning(
            "onnxruntime was imported before unmask, and sends telemetry: import unmask first, or "
            "set ORT_DISABLE_TELEMETRY=1"
        )
    for name, value in TELEMETRY.items():
        os.environ.setdefault(name, value)


def leave_no_caches() -> None:
    """Let a program's libraries keep their caches in a temporary folder, removed at its end.

    Nothing is made until a library does so, and a folder that the user named stays in use. Not for
    notebooks: matplotlib reads its settings from the same folder.
    """
    import atexit
    import secrets
    import shutil
    import tempfile
    from pathlib import Path

    for name, value in PLUGINS.items():
        os.environ.setdefault(name, value)
    # not made here, as most commands need none; nobody can guess the name and be there first
    folder = Path(tempfile.gettempdir(), f"unmask-{secrets.token_hex(8)}")
    ours = {name: part for name, part in CACHES.items() if name not in os.environ}
    for name, part in ours.items():
        os.environ[name] = str(folder / part)
    if ours:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def onnxruntime() -> Any:
    """Import ONNX Runtime with its telemetry off, unless the user's variable says otherwise."""
    stop_telemetry()
    import onnxruntime

    return onnxruntime
