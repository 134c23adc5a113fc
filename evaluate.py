"""Score the snapshots of a run against real images, rank them, and say which one to use.

    python evaluate.py runs/cgan_mnist
    python evaluate.py runs/mnist_gan --data samples/digits.npz --samples 2000
    python evaluate.py a.h5 b.h5 --out scores

A small classifier of the real images, the judge, is trained on the first use and kept. Most figures
rest on what it sees in images that each generator draws from the same seed: docs/evaluation.md says
what each is, and which files are written. Snapshots are never changed; --export copies the best.
"""

import argparse
import functools
import json
import os
import re
from pathlib import Path

import generate
import generator_files
from generator_files import GeneratorFileError, open_generator, plain

fail = functools.partial(generate.fail, program="evaluate.py")
warn = functools.partial(generate.warn, program="evaluate.py")


def open_snapshots(paths):
    """Open .h5 files, or all snapshots of runs; return {path: (model, about)}, and their shape.

    A file that cannot be opened is left out with a warning.
    """
    models = {}
    for given in paths:
        files = sorted(given.glob("generator_model_*.h5")) if given.is_dir() else [given]
        for path in files or fail(f"{given} holds no snapshots: train first, or give .h5 files"):
            try:
                models[path] = open_generator(path)
            except GeneratorFileError as error:
                warn(f"{path} is left out: {error}")
    shapes = {generator_files.image_shape(model.output_shape) for model, _ in models.values()}
    if len(shapes) != 1:
        fail(f"generators of images of one size are needed, not of {sorted(shapes) or 'none'}")
    return models, shapes.pop()


def score_all(models, scorer, args):
    """Score {path: (model, about)}: return (path, row, details) of each, best first.

    Those within one standard error of the best Fréchet distance are equal: their rank is 1.
    """
    import keras

    results, progress = [], keras.utils.Progbar(len(models), unit_name="snapshot")
    above = os.path.commonpath([path.absolute().parent for path in models])
    for path, (model, about) in models.items():
        try:
            row, details = scorer.score_generator(model, about, args.samples, args.seed)
        except GeneratorFileError as error:
            warn(f"{path} is left out: {error}")
            continue
        epoch = re.search(r"(\d*)$", path.stem)[1] or 0
        row = {"file": os.path.relpath(path, above), "epoch": int(epoch)} | row
        results.append((path, row, details))
        progress.add(1)
    if not results:
        fail("none of these generators could be scored")
    results.sort(key=lambda result: result[1]["frechet"])
    equal = results[0][1]["frechet"] + results[0][1]["frechet_se"]
    for k, (_, row, _) in enumerate(results, 1):
        row["rank"] = 1 if row["frechet"] <= equal else k
    return results


def parse_args(argv):
    """Read the command line."""
    parser = argparse.ArgumentParser("evaluate.py", description=__doc__.splitlines()[0])
    parser.error = fail
    add = parser.add_argument
    add("paths", metavar="RUN|FILE.h5", type=Path, nargs="+", help="folder of a run, or generators")
    add("--data", metavar="PATH", help="real images: .npz file or folder (default: keras.datasets)")
    add("--samples", metavar="N", type=int, default=10_000, help="of each generator (%(default)s)")
    add("--seed", metavar="N", type=int, default=1, help="of the samples (%(default)s)")
    add("--out", metavar="DIR", type=Path, help="write there (default: the run's folder, or here)")
    add("--export", metavar="FILE.h5", type=Path, help="copy the best one there, with its scores")
    args = parser.parse_args(argv)
    if args.samples < 100 or args.seed < 0:
        fail("--samples must be at least 100, --seed at least 0")
    if args.export and (args.export.suffix != ".h5" or args.export.exists()):
        fail(f"--export {args.export}: give a new name that ends in .h5")
    args.run = args.paths[0] if len(args.paths) == 1 and args.paths[0].is_dir() else None
    args.out = args.out or args.run or Path()
    return args


def main(argv=None):
    """Run the command line `argv` (default: sys.argv)."""
    args = parse_args(argv)
    generator_files.start_tensorflow()
    with generator_files.quiet_stderr():
        from evaluation import data, judge, report, scores
    models, shape = open_snapshots(args.paths)
    for _, about in models.values():
        own = about["data"].get("name") if isinstance(about.get("data"), dict) else None
        if not args.data and Path(str(own)).suffix:  # and not a data set of Keras
            fail(f"--data is needed: this generator was trained on {plain(own)}")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        real = data.load_real_images(args.data, shape)
        network, accuracy = judge.find_judge(real)
        task = "classes" if real.names else "quarter turns, for the data have no labels,"
        print(f"The judge tells {accuracy:.1%} of the test images' {task} rightly")
        scorer = scores.Scorer(real, network, args.samples, args.seed)
        results = score_all(models, scorer, args)
        path, row, details = results[0]
        best = {"file": row["file"], "epoch": row["epoch"], "scores": row, "floor": scorer.floor}
        best |= {key: details.get(key) for key in ("map", "histogram")} | {"data": real.name}
        best |= {"samples": args.samples, "seed": args.seed, "judge_accuracy": accuracy}
        best["class_names"] = [plain(name) for name in real.names]
        best["script"] = plain(models[path][1].get("script", ""))
        report.save_report(args.out, results, best, path.parent / "losses.png")
        (args.out / "best.json").write_text(json.dumps(best, indent=1))
        if args.export:
            known = ("scores", "map", "class_names") if best["map"] else ("scores",)
            generator_files.export(path, args.export, {key: best[key] for key in known})
    except (OSError, ValueError) as error:
        fail(error)
    report.print_table([row for _, row, _ in results], scorer.floor)
    print(f"{args.out / 'report.html'} shows all of it. Use the best one with:")
    print("python generate.py", args.export or (args.run if args.run == args.out else path))


if __name__ == "__main__":
    main()
