"""How a program of the lab or a benchmark ends: in silence, or with one line on standard error."""

import sys
from collections.abc import Callable

from mmscand.errors import MmscandError


def exit_status(program: str, run: Callable[[], None]) -> int:
    """The exit status after `run`: 0, that of a MmscandError, or 1 after an OSError."""
    try:
        run()
    except (MmscandError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code if isinstance(error, MmscandError) else 1
    return 0
