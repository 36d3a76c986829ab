"""`python -m mmscand` and the `mmscand` script."""

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:2] == ["run"]:
        # Its handler comes after half a second of imports, and it reads its configuration later.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from mmscand.cli.app import main as run  # noqa: PLC0415 - keeps `import mmscand` light

    sys.exit(run())


if __name__ == "__main__":
    main()
