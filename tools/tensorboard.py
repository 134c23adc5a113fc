"""Write losses (by batch), scores and grids (by epoch) of runs as TensorBoard's event files.

    python tools/tensorboard.py runs/mnist_gan runs/cgan_mnist [--follow]
    tensorboard --logdir runs

RUN/tensorboard is written anew at each start; --follow adds what the runs write meanwhile.
"""

import argparse
import csv
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # here lies a file named tensorboard
import generator_files


def write_news(run, done, tf):
    """Write what a run has more than what `done`, a set, names, to the default summary writer."""
    for path in (p for p in (run / "losses.csv", run / "scores.csv") if p.exists()):
        lines = [line for line in path.read_text().splitlines(True) if line.endswith("\n")]
        for batch, row in enumerate(csv.DictReader(lines), 1):
            step, names = batch if path.stem == "losses" else int(row["epoch"]), list(row)[2:]
            for name in (x for x in names if row[x] and (path, batch) not in done):
                tf.summary.scalar(f"{path.stem}/{name}", float(row[name]), step)
            done.add((path, batch))
    for path in run.glob("generated_plot_e*.png"):
        if path not in done and time.time() - path.stat().st_mtime > 1:  # it is whole
            epoch, _, kind = path.stem.removeprefix("generated_plot_e").partition("_")
            image = tf.io.decode_png(path.read_bytes(), 3)[None]
            tf.summary.image(f"grid {kind}".strip(), image, int(epoch))
            done.add(path)


def main(argv=None):
    parser = argparse.ArgumentParser("tensorboard.py", description=__doc__.splitlines()[0])
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folder of a run")
    parser.add_argument("--follow", action="store_true", help="look every 10 s, until Ctrl-C")
    args, done, again = parser.parse_args(argv), set(), True
    for run in args.runs:
        if not (run / "losses.csv").is_file():
            parser.error(f"{run} is no run: it holds no losses.csv")
        shutil.rmtree(run / "tensorboard", ignore_errors=True)
    tf = generator_files.start_tensorflow()
    if not hasattr(tf.summary, "scalar"):
        parser.error("TensorBoard is missing: pip install tensorboard")
    writers = [tf.summary.create_file_writer(str(run / "tensorboard")) for run in args.runs]
    while again:
        for run, writer in zip(args.runs, writers, strict=True):
            with writer.as_default():
                write_news(run, done, tf)
        again = args.follow and not time.sleep(10)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends --follow without a traceback
    main()
