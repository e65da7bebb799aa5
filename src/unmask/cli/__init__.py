"""The command line: parse, one library call, print.

Data goes to stdout, progress and errors to stderr.
"""

from unmask.cli.app import main

__all__ = ["main"]
