"""Read an HDF5 file as formats.py reads it, in a process that may crash or never end over it.

python sampling/probe.py FILE.h5
"""

import contextlib
import math
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from sampling.formats import read_here


def limit_computing(path):
    """Let the process compute for a second and what a large file needs, where a system can."""
    try:
        import resource
    except ImportError:  # on Windows the other process's time-out has to do
        return
    # Seconds of computing, which no other program on a busy machine can use up.
    seconds = math.ceil(time.process_time()) + 1 + os.path.getsize(path) // 2**27
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


if __name__ == "__main__":
    limit_computing(sys.argv[1])
    with contextlib.suppress(Exception):  # what is wrong the program itself will find, too
        read_here(sys.argv[1])
