"""The command line: parse, one library call, print.

Data goes to stdout, progress and errors to stderr.
"""

from __future__ import annotations

import sys
import traceback


def main() -> None:
    """Run the command line; a program that cannot be loaded ends otherwise than by a finding."""
    try:
        from unmask.cli.app import main as run
    except Exception:  # noqa: BLE001 - such as no memory; Python's own exit code is 1
        traceback.print_exc()
        sys.exit(70)
    run()


__all__ = ["main"]
