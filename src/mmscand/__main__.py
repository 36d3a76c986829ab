"""`python -m mmscand` and the `mmscand` script."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from mmscand.cli.app import main as run  # noqa: PLC0415 - keeps `import mmscand` light

    sys.exit(run())


if __name__ == "__main__":
    main()
