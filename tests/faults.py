"""Kill a training run at many moments, go on with it each time, and see that nothing is lost.

    python tests/faults.py --kills 200 --fresh 20

A run is started, killed (SIGKILL), resumed and killed again; half of the kills come at a random
moment, half while a file is being saved. Then it may end, and must have the losses and the weights
of a run that nothing disturbed. Further runs are killed once, from their first moment on.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))
from helpers import without_start

from sampling import files

RUN = ["--data", str(ROOT / "samples/digits.npz"), "--batch-size", "16", "--steps-per-epoch", "8"]
RUN += ["--snapshot-every", "2", "--out", "run"]


def train(script, kill, *command):
    """Train in this process, which kills itself: `kill` is "never", "after S" or "saving N S".

    S are seconds, N the number of the call that saves something, at whose start they begin. A
    minute, after which a checkpoint is due, is a hundredth of a second here.
    """
    what, *numbers = kill.split()
    numbers = [float(number) for number in numbers]

    def die_in(seconds):
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()

    if what == "after":
        die_in(numbers[0])
    sys.path[:0] = [str(ROOT), str(ROOT / "variants")]
    module = __import__(script)
    module.time = type("time", (), {"monotonic": staticmethod(lambda: 6000 * time.monotonic())})
    module.XLA = False  # each start would compile for seconds
    calls = 0

    def watched(function):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if what == "saving" and calls == numbers[0]:
                die_in(numbers[1])
            return function(*args, **kwargs)

        return call

    module.tf.train.CheckpointManager.save = watched(module.tf.train.CheckpointManager.save)
    module.Run.save_generator = watched(module.Run.save_generator)
    module.Run.claim_folder = watched(module.Run.claim_folder)
    module.Run.restore_checkpoint = watched(module.Run.restore_checkpoint)
    module.save_plot = watched(module.save_plot)
    for name in ("replace", "fsync"):
        setattr(os, name, watched(getattr(os, name)))
    module.main([*RUN, *command])


def start(folder, kill, epochs, script="cgan_mnist"):
    """Start a process that trains in a folder, or goes on there; return it when it has ended."""
    command = [sys.executable, __file__, "--train", script, kill, "--epochs", str(epochs)]
    settings = folder / "run/settings.json"
    if settings.exists() and settings.stat().st_size:  # empty, where the first moment was the last
        command.append("--resume")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def check(folder):
    """Return how many snapshots there are; each must be whole, and of the epoch of its name."""
    paths = sorted(folder.glob("run/generator_model_*.h5"))
    for path in paths:
        about = files.read_description(path)  # also that all weights are numbers
        assert about["epoch"] == int(path.stem[-3:]), path
        with h5py.File(path) as file:
            assert "model_weights" in file
    return len(paths)


def weights(path):
    """Return all arrays in a file of a generator, by name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, x: found.update({name: x[()]} if hasattr(x, "dtype") else {}))
    return found


def compare(folder, other):
    """Raise AssertionError unless two runs have the same losses and the same snapshots."""
    assert (folder / "run/losses.csv").read_bytes() == (other / "run/losses.csv").read_bytes()
    names = [sorted(path.name for path in x.glob("run/generat*")) for x in (folder, other)]
    assert names[0] == names[1]
    for path in sorted(folder.glob("run/generator_model_*.h5")):
        pair = weights(path), weights(other / "run" / path.name)
        assert pair[0].keys() == pair[1].keys() and pair[0]
        assert all(np.array_equal(pair[0][name], pair[1][name]) for name in pair[0]), path


def chain(folder, undisturbed, kills, epochs, seed, report=print):
    """Kill and resume one run `kills` times, let it end, and compare it with an undisturbed one."""
    rng, killed, ended = np.random.default_rng(seed), 0, False
    while not ended:
        if killed >= kills:
            kill = "never"
        elif killed % 2:
            kill = f"saving {rng.integers(1, 12)} {rng.uniform(0, 0.05):.3f}"
        else:
            kill = f"after {rng.uniform(0, 8):.3f}"
        done = start(folder, kill, epochs)
        complete = "is complete" in done.stderr  # killed after all was saved, before it ended
        as_expected = complete or done.returncode in (0, -signal.SIGKILL)
        assert as_expected, (kill, done.returncode, done.stderr[-500:])
        ended = complete or done.returncode == 0
        killed += done.returncode == -signal.SIGKILL
        snapshots = check(folder)
        if killed % 10 == 0:
            report(f"{killed} kills, {snapshots} snapshots", flush=True)
    compare(folder, undisturbed)
    return killed


@contextlib.contextmanager
def disk(folder, megabytes, *options):
    """Mount a disk of some MB, in memory, at a folder; needs Linux and its superuser."""
    size = f"size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder])
    finally:
        subprocess.run(["umount", folder], check=True)


def refused(done):
    """Raise AssertionError unless a process has ended in one line that says what is wrong."""
    said = without_start(done.stderr)
    assert done.returncode == 2 and said.count("\n") == 1, said[-500:]
    assert "error: " in said
    return said.strip()


def fill_a_disk(folder, undisturbed, megabytes):
    """Train where the disk is too small; make room, go on, and compare. Return what was said."""
    with disk(folder, megabytes) as remount:
        said = refused(start(folder, "never", 4))
        check(folder)
        remount("size=900m")
        done = start(folder, "never", 4)
        assert done.returncode == 0, done.stderr
        compare(folder, undisturbed)
    return said


def take_the_folder_away(folder):
    """Remove a run's folder while it trains, and begin where nothing may be written."""
    command = [sys.executable, __file__, "--train", "cgan_mnist", "never", "--epochs", "9999"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, stdout=-3)
    while not (folder / "run/generator_model_002.h5").exists():
        assert process.poll() is None
        time.sleep(0.05)
    shutil.rmtree((folder / "run").rename(folder / "removed"))  # all of it at one moment
    errors = process.communicate(timeout=60)[1]
    said = [refused(subprocess.CompletedProcess(command, process.returncode, "", errors))]
    shutil.rmtree(folder / "run", ignore_errors=True)  # a checkpoint that was being saved
    with disk(folder, 9) as remount:
        remount("ro")
        return [*said, refused(start(folder, "never", 4))]


def main():
    parser = argparse.ArgumentParser("faults.py", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="of one run")
    parser.add_argument("--fresh", type=int, default=20, help="runs that are killed once")
    parser.add_argument("--epochs", type=int, default=400, help="of the long run, of 8 batches")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, x) for x in ("undisturbed", "chain")]
        for folder in folders:
            folder.mkdir()
        assert start(folders[0], "never", args.epochs).returncode == 0
        killed = chain(folders[1], folders[0], args.kills, args.epochs, args.seed)
        print(f"one run of {args.epochs} epochs: killed {killed} times, then equal to the other")
        (Path(name, "short")).mkdir()
        assert start(Path(name, "short"), "never", 4).returncode == 0
        for k in range(args.fresh):
            folder = Path(name, f"fresh{k}")
            folder.mkdir()
            killed = chain(folder, Path(name, "short"), 1, 4, args.seed + k, lambda *_, **__: None)
            print(f"fresh run {k}: killed {killed} times, then equal", flush=True)
        (Path(name, "disk")).mkdir()
        for megabytes in (1, 7, 25, 40, 55, 70, 85):
            said = fill_a_disk(Path(name, "disk"), Path(name, "short"), megabytes)
            print(f"a disk of {megabytes} MB, then a larger one: equal. {said}", flush=True)
        print(*take_the_folder_away(Path(name, "disk")), sep="\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(*sys.argv[2:])
    else:
        main()
