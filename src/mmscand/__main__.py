"""`python -m mmscand` and the `mmscand` script."""

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:2] == ["run"]:
        # Its handler comes after half a second of imports, and it reads its configuration later.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback out of the imports
    from mmscand.cli.app import main as run  # noqa: PLC0415 - keeps `import mmscand` light

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run())


if __name__ == "__main__":
    main()
