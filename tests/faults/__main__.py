"""`make faults`: see tests.faults.run."""

import sys

from tests.faults.command import main

sys.exit(main(sys.argv[1:]))
