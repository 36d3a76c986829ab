"""Runs a command; a failure becomes one line and an exit code.

Imports nothing that loads click, numpy or a machine: `mmscand --version` takes 30 ms.
"""

import sys
from collections.abc import Callable

from mmscand import __version__
from mmscand.cli.output import FULL, complain, give_up, open_standard_streams
from mmscand.errors import MmscandError

INTERRUPTED = 130
"""128 and SIGINT, as of a shell."""
_VERSION = (["--version"], ["-V"])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 failed, 2 usage, 3 this machine cannot."""
    return exit_code_of("mmscand", _run, sys.argv[1:] if arguments is None else arguments)


def _run(arguments: list[str]) -> object:
    from mmscand.cli.commands import run_command  # noqa: PLC0415 - click

    return run_command(arguments)


def exit_code_of(program: str, run: Callable[[list[str]], object], arguments: list[str]) -> int:
    """The exit code of a program; each failure is one line on standard error."""
    open_standard_streams()
    try:
        if arguments[:1] in _VERSION:
            print(f"{program} {__version__}")
            result: object = 0
        else:
            result = run(arguments)
        sys.stdout.flush()
    except MmscandError as error:
        return _fail(*error.lines, code=error.exit_code)
    except BrokenPipeError:  # the reader of our output is gone
        give_up(sys.stdout)
        return 1
    except OSError as error:
        return _system_failed(error)
    except KeyboardInterrupt:
        result = INTERRUPTED
    if result == INTERRUPTED:
        return _fail("interrupted", code=INTERRUPTED)
    return result if isinstance(result, int) else 0


def _system_failed(error: OSError) -> int:
    """A failed write to a file has its name; an error without a name is about our own output."""
    if error.errno in FULL and error.filename is None:
        give_up(sys.stdout)
        return _fail(f"standard output: {error.strerror}: free some room, or send it elsewhere")
    return _fail(f"{error}: this should not happen, please report it")


def _fail(*lines: str, code: int = 1) -> int:
    for line in lines:
        complain(line)
    return code
