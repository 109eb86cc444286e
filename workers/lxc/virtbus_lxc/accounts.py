"""Users and groups of a container that does not run yet, by the files in its root."""

from __future__ import annotations

import os


def number_of(root: str, table: str, name: str) -> str | None:
    """The number of a user or group in /etc/passwd or /etc/group below a root; None where it is not there.

    The container may have put a link there: none is followed, so that no file of the host is read.
    """
    try:
        folder = os.open(os.path.join(root, "etc"), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        file = os.open(table, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    with os.fdopen(file, errors="replace") as lines:
        for line in lines:
            fields = line.split(":")
            if len(fields) > 2 and fields[0] == name and fields[2].isdigit():
                return fields[2]
    return None
