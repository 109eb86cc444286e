"""The model loads without what only processes on the bus need."""

from __future__ import annotations

import subprocess
import sys


def test_the_model_loads_without_pydantic() -> None:
    program = "import sys, virtbus.domain; print('pydantic' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).strip() == "False"


def test_the_form_in_which_errors_travel_is_still_found_beside_them() -> None:
    program = "from virtbus.errors import ErrorReply, NoHost; print(type(NoHost('x').reply()) is ErrorReply)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).strip() == "True"
