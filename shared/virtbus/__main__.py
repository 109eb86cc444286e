"""`python -m virtbus`."""

import sys

from virtbus.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
