"""Write losses (by batch), scores and grids (by epoch) of runs as TensorBoard's event files.

    python tools/tensorboard.py runs/mnist_gan runs/cgan_mnist [--follow]
    tensorboard --logdir runs

RUN/tensorboard is written anew at each start; --follow adds what the runs write meanwhile.
"""

import argparse
import csv
import functools
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # here lies a file named tensorboard
from sampling import files, program

PAUSE = 10  # seconds between two looks of --follow
SETTLED = 1  # seconds without a change after which a picture is whole

fail = functools.partial(program.fail, "tensorboard.py")


def read_rows(path):
    """Return the rows of a table, dicts, but for a last line that is not whole yet."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return list(csv.DictReader(line for line in lines if line.endswith("\n")))


def write_row(tf, kind, row, step):
    """Write the numbers of a row of losses.csv or scores.csv; its first two columns are its name.

    An empty cell is a figure that the row has not.
    """
    for name in list(row)[2:]:
        if row[name]:
            tf.summary.scalar(f"{kind}/{name}", float(row[name]), step)


def write_tables(run, done, tf):
    """Write what a run's tables have more than what `done`, a set, names."""
    for batch, row in enumerate(read_rows(run / "losses.csv"), 1):
        if (run, "losses", batch) not in done:
            write_row(tf, "losses", row, batch)
            done.add((run, "losses", batch))
    for number, row in enumerate(read_rows(run / "scores.csv"), 1):
        # A file that names no epoch has no place among the others.
        if row["epoch"] and (run, "scores", number) not in done:
            write_row(tf, "scores", row, int(row["epoch"]))
            done.add((run, "scores", number))


def write_grids(run, done, tf):
    """Write the grids of a run that `done`, a set, does not name."""
    for path in run.glob("generated_plot_e*.png"):
        whole = time.time() - path.stat().st_mtime > SETTLED
        if whole and path not in done:
            epoch, _, kind = path.stem.removeprefix("generated_plot_e").partition("_")
            image = tf.io.decode_png(path.read_bytes(), 3)[None]
            tf.summary.image(f"grid {kind}".strip(), image, int(epoch))
            done.add(path)


def write_news(run, done, tf):
    """Write what a run has more than what `done`, a set, names, to the default summary writer."""
    write_tables(run, done, tf)
    write_grids(run, done, tf)


def main(argv=None):
    """Run the command line `argv` (default: sys.argv)."""
    parser = argparse.ArgumentParser("tensorboard.py", description=__doc__.splitlines()[0])
    parser.error = fail
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folder of a run")
    follow = f"look every {PAUSE} s, until Ctrl-C"
    parser.add_argument("--follow", action="store_true", help=follow)
    args = parser.parse_args(argv)
    for run in args.runs:
        if not (run / "losses.csv").is_file():
            fail(f"{run} is no run: it holds no losses.csv")
        shutil.rmtree(run / "tensorboard", ignore_errors=True)
    tf = files.start_tensorflow()
    if not hasattr(tf.summary, "scalar"):
        fail("TensorBoard is missing: pip install tensorboard")
    writers = [tf.summary.create_file_writer(str(run / "tensorboard")) for run in args.runs]
    done = set()
    while True:
        for run, writer in zip(args.runs, writers, strict=True):
            with writer.as_default():
                write_news(run, done, tf)
        if not args.follow:
            break
        time.sleep(PAUSE)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends --follow without a traceback
    main()
