"""Files that are no honest generators, to be given to generate.py.

    python tests/hostile_files.py FOLDER

`KINDS` has a function for each kind: it writes one file of it to a path, and perhaps others beside
it. Most begin with an honest file, a small generator that opens, and spoil one thing.
"""

import sys
from pathlib import Path

import hostile_models
import hostile_packed
import hostile_stored
import numpy as np
from honest_files import honest

KINDS = hostile_stored.KINDS | hostile_models.KINDS | hostile_packed.KINDS


def flipped(seed):
    """Return a kind: a file in which one bit is turned."""

    def write(path):
        honest(path).close()
        data = bytearray(path.read_bytes())
        rng = np.random.default_rng(seed)
        place = rng.integers(len(data))
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)

    return write


FLIPPED = {f"flipped_{seed}": flipped(seed) for seed in range(60)}  # some of which still open


def write_all(folder):
    """Write a file of each kind into a folder; return their paths by kind."""
    paths = {name: Path(folder, f"{name}.h5") for name in KINDS | FLIPPED}
    for name, write in (KINDS | FLIPPED).items():
        write(paths[name])
    return paths


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(exist_ok=True)
    print(f"{len(write_all(sys.argv[1]))} files in {sys.argv[1]}")
