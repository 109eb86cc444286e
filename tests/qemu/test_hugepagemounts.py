"""Where the host has mounted hugetlbfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtbus_qemu import hugepagemounts

MEMORY = "MemTotal:       24684840 kB\nHugepagesize:       2048 kB\n"


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("tmpfs /tmp tmpfs rw 0 0\n", {}),
        ("hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n", {2048: "/dev/hugepages"}),
        ("none /a hugetlbfs rw,relatime 0 0\n", {2048: "/a"}),
        ("none /a hugetlbfs rw,pagesize=2048K 0 0\nnone /b hugetlbfs rw,pagesize=2M 0 0\n", {2048: "/a"}),
        (
            "none /g hugetlbfs rw,pagesize=1024M 0 0\nnone /m hugetlbfs rw,pagesize=2M 0 0\n",
            {2048: "/m", 1048576: "/g"},
        ),
        (r"none /with\040blank hugetlbfs rw 0 0", {2048: "/with blank"}),
    ],
)
def test_mounts_are_found_by_their_size_of_page(mounts: str, expected: dict[int, str], tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text(mounts)
    (tmp_path / "memory").write_text(MEMORY)
    found = hugepagemounts.found(tmp_path / "mounts", tmp_path / "memory")
    assert list(found.items()) == [(size, Path(path)) for size, path in expected.items()]


def test_a_host_that_tells_nothing_has_none(tmp_path: Path) -> None:
    assert hugepagemounts.found(tmp_path / "missing", tmp_path / "missing") == {}
