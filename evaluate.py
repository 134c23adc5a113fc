"""Score the snapshots of a run against real images, rank them, and say which one to use.

    python evaluate.py runs/cgan_mnist
    python evaluate.py runs/mnist_gan --data samples/digits.npz --samples 2000
    python evaluate.py a.h5 b.h5 --out scores

A small classifier of the real images, the judge, is trained on the first use and kept. Most figures
rest on what it sees in images that each generator draws from the same seed: docs/evaluation.md says
what each is, and which files are written. Snapshots are never changed; --export copies the best.
"""

import argparse
import collections
import contextlib
import functools
import io
import os
import re
import sys
from pathlib import Path

import numpy as np

from evaluation import ranking
from sampling import arguments, draw, files, program
from sampling.checks import GeneratorFileError
from sampling.program import plain

KERAS_DATASETS = ("mnist", "cifar10")  # by which a run is known that had no --data
WRITTEN = ("report.html", "scores.csv", "scores.png", "timeline.gif", "best.json")
# A generator, what is known of it, and whether its file says nothing of itself
Snapshot = collections.namedtuple("Snapshot", "model about foreign")

fail = functools.partial(program.fail, "evaluate.py")
warn = functools.partial(program.warn, "evaluate.py")


# ---- the generators ------------------------------------------------------------------------------


def find_files(given):
    """Return the files, in order and each once, that paths of files and of runs stand for."""
    found = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        snapshots = files.list_snapshots(path)
        if not snapshots:
            fail(f"{path} {files.why_no_snapshot(path)}")
        found.extend(snapshots)
    return list(dict.fromkeys(found))


def open_snapshot(path, args):
    """Open a generator's file and return its Snapshot, with a range of its pixels.

    --latent and --range hold for a file that does not describe itself. Raises GeneratorFileError.
    """
    foreign = files.read_description(path) is None
    if foreign:
        model, about = files.open_generator(path, args.latent, args.range)
    else:
        model, about = files.open_generator(path)
    line = draw.settle_range(model, about)
    if line:
        warn(f"{path}: {line}")
    return Snapshot(model, about, foreign)


def open_snapshots(paths, args):
    """Open files; return {path: Snapshot}, and the one shape (h, w, c) of all their images.

    A file that cannot be opened is left out with a warning.
    """
    snapshots = {}
    for path in paths:
        try:
            snapshots[path] = open_snapshot(path, args)
        except GeneratorFileError as error:
            warn(f"left out: {error}")
    shapes = {files.image_shape(snapshot.model.output_shape) for snapshot in snapshots.values()}
    if not shapes:
        fail("generators of images of one size are needed, not of none")
    if len(shapes) > 1:
        fail(f"generators of images of one size are needed, not of {sorted(shapes)}")
    return snapshots, shapes.pop()


def check_flags(args, snapshots):
    """Refuse --latent and --range that no file needs, and a lack of the data of training."""
    for flag in ("latent", "range"):
        if getattr(args, flag) and not any(snapshot.foreign for snapshot in snapshots.values()):
            fail(f"--{flag}: these files describe themselves: leave it out")
    for snapshot in snapshots.values():
        trained_on = snapshot.about.get("data")
        if args.data or not isinstance(trained_on, dict):
            continue
        name = trained_on.get("name")
        if name is not None and name not in KERAS_DATASETS:
            fail(f"--data is needed: this generator was trained on {plain(name)}")


# ---- scores --------------------------------------------------------------------------------------


def going_on():
    """Return a context in which what cannot be printed ends nothing.

    The files can be written all the same. The last lines cannot be printed either, then, and
    `program.run` says so.
    """
    return contextlib.suppress(OSError)


class Lenient(io.TextIOBase):
    """Hands text on to another stream; what that cannot take is lost, and ends nothing."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        with going_on():
            self.stream.write(text)
        return len(text)

    def flush(self):
        with going_on():
            self.stream.flush()


def read_real_images(snapshots, shape, args):
    """Return the RealImages for {path: Snapshot}, of images of `shape` (h, w, c).

    What had to be left out is said: once, however many snapshots there are.
    """
    from evaluation import data, scores

    try:
        args.out.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(Lenient(sys.stdout)):
            real = data.load_real_images(args.data, shape)
    except (OSError, ValueError) as error:
        fail(error)
    except MemoryError:
        fail("there is not enough memory for so many images: give --data fewer")
    for note in real.notes:
        warn(note)
    for path, snapshot in snapshots.items():
        asked, _ = scores.asked_classes(snapshot.about, np.arange(0), real.names)
        if real.names and snapshot.about["classes"] and asked is None:
            warn(f"{path}: there is no agreement, for its classes are not found in the data")
            break
    return real


def score_all(snapshots, scorer, args):
    """Score {path: Snapshot}: return a Result of each, best first."""
    import keras

    results = []
    progress = keras.utils.Progbar(len(snapshots), unit_name="snapshot")
    above = os.path.commonpath([path.absolute().parent for path in snapshots])
    for path, snapshot in snapshots.items():
        try:
            scores, details = scorer.score_generator(
                snapshot.model, snapshot.about, args.samples, args.seed
            )
        except GeneratorFileError as error:
            warn(f"{path} is left out: {error}")
            continue
        epoch = ranking.find_epoch(path, snapshot.about)
        row = {"file": os.path.relpath(path, above), "epoch": epoch} | scores
        results.append(ranking.Result(path, row, details))
        with going_on():
            progress.add(1)
    if not results:
        fail("none of these generators could be scored")
    return ranking.rank(results)


def score_snapshots(snapshots, shape, args):
    """Score {path: Snapshot}, of images of one `shape` (h, w, c), against real images.

    Returns a Result of each, best first, the Scorer, and the accuracy of its judge.
    """
    from evaluation import judge, scores

    real = read_real_images(snapshots, shape, args)
    try:
        with contextlib.redirect_stdout(Lenient(sys.stdout)):
            network, accuracy = judge.find_judge(real)
        task = "classes" if real.names else "quarter turns, for the data have no labels,"
        with going_on():
            print(f"The judge tells {accuracy:.1%} of the test images' {task} rightly")
        scorer = scores.Scorer(real, network, args.samples, args.seed)
        results = score_all(snapshots, scorer, args)
    except ValueError as error:  # but no OSError: that of printing is left to program.run
        fail(error)
    except MemoryError:
        fail("there is not enough memory for so many images: take fewer, --samples")
    return results, scorer, accuracy


# ---- what is written -----------------------------------------------------------------------------


def write(args, results, facts, about, command):
    """Write the report and best.json, which holds `facts`, and what --export asks for.

    `about` describes the best generator, and `command` samples it.
    """
    from evaluation import report

    best = results[0].path
    try:
        report.save_report(args.out, results, facts, best.parent / "losses.csv", command)
        if args.export:
            known = about | {"scores": facts["scores"]}
            if facts["map"]:
                known |= {"map": facts["map"], "class_names": facts["class_names"]}
            files.export(best, args.export, known)
    except (OSError, ValueError) as error:
        fail(error)


def name_command(args, path, foreign):
    """Return the command that samples the best generator, the file `path`, as it was scored."""
    words = ["python", "generate.py"]
    if args.export:
        return " ".join([*words, str(args.export)])
    if args.run == args.out:
        words.append(str(args.run))
    else:
        words.append(str(path))
    if foreign and args.latent:
        parts = [f"{part['name']}:{part['size']}" for part in args.latent]
        words += ["--latent", ",".join(parts)]
    if foreign and args.range:
        low, high = args.range
        words += ["--range", f"{low:g},{high:g}"]
    return " ".join(words)


# ---- the command line ----------------------------------------------------------------------------


def make_parser():
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("evaluate.py", description=__doc__.splitlines()[0])
    parser.error = fail
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # "--range -1,1" has a value
    add = parser.add_argument
    add("paths", metavar="RUN|FILE", type=Path, nargs="+", help="folder of a run, or generators")
    add("--data", metavar="PATH", help="real images: .npz file or folder (default: keras.datasets)")
    add("--samples", metavar="N", type=int, default=10_000, help="of each generator (%(default)s)")
    add("--seed", metavar="N", type=int, default=1, help="of the samples (%(default)s)")
    add("--out", metavar="DIR", type=Path, help="write there (default: the run's folder, or here)")
    add("--export", metavar="FILE.h5", type=Path, help="copy the best one there, with its scores")
    arguments.add_flags_of_strangers(parser)
    return parser


def parse_args(argv):
    """Read the command line; mistakes that show without the generators end the program here.

    args.run is the folder of the one run that is given, or None.
    """
    args = make_parser().parse_args(argv)
    if args.samples < 100 or args.seed < 0:
        fail("--samples must be at least 100, --seed at least 0")
    if args.export and (args.export.suffix != ".h5" or args.export.exists()):
        fail(f"--export {args.export}: give a new name that ends in .h5")
    args.run = None
    if len(args.paths) == 1 and args.paths[0].is_dir():
        args.run = args.paths[0]
    if args.out is None and args.run:
        args.out = args.run
    elif args.out is None:
        for name in WRITTEN:
            if Path(name).exists():
                fail(f"{name} stands in this folder already: say with --out DIR where to write")
        args.out = Path()
    return args


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    args = parse_args(argv)
    if sys.stdout is None:  # it was closed (>&-), but Keras prints its progress all the same
        sys.stdout = open(os.devnull, "w")
    paths = find_files(args.paths)
    snapshots, shape = open_snapshots(paths, args)
    check_flags(args, snapshots)
    results, scorer, accuracy = score_snapshots(snapshots, shape, args)
    best = results[0]
    snapshot = snapshots[best.path]
    facts = ranking.describe_best(best, snapshot.about, scorer, accuracy, args)
    command = name_command(args, best.path, snapshot.foreign)
    write(args, results, facts, snapshot.about, command)

    from evaluation import report

    report.print_table([result.row for result in results], scorer.floor)
    print(f"{args.out / 'report.html'} shows all of it. Use the best one with:")
    print(command)


if __name__ == "__main__":
    program.run("evaluate.py", main)
