"""`python -m mmscand.api`, as `mmscand-api`."""

import sys

from mmscand.api.command import main

if __name__ == "__main__":
    sys.exit(main())
