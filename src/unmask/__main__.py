"""`python -m unmask`: the same as the command `unmask`."""

from __future__ import annotations

from unmask.cli import main

if __name__ == "__main__":  # worker processes import this module too
    main()
