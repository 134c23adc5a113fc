"""A sample of faults.py: killed runs go on and end as if nothing had happened; nothing is lost."""

import os

import faults
import pytest

# Disks can be mounted by the superuser of a Linux machine, which CI has.
mounting = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not os.path.exists("/proc/mounts"),
    reason="mounts disks",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert faults.start(folder, "never", 4).returncode == 0
    assert faults.check(folder) == 3
    return folder


def test_a_killed_run_goes_on(undisturbed, tmp_path):
    """Killed at a random moment, and while it saves."""
    assert faults.chain(tmp_path, undisturbed, kills=2, epochs=4, seed=5) <= 2


@mounting
def test_a_full_disk_loses_nothing(undisturbed, tmp_path):
    assert "space" in faults.fill_a_disk(tmp_path, undisturbed, 40)


@mounting
def test_a_folder_that_is_gone_or_read_only_gets_one_line(tmp_path):
    gone, read_only = faults.take_the_folder_away(tmp_path)
    assert "run" in gone and "Read-only" in read_only
