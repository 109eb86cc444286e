"""`python -m virtbus_simulated`: the simulated hypervisor."""

import sys

from virtbus_simulated.hypervisor.main import main

sys.exit(main())
