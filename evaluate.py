"""Score the snapshots of a run against real images, rank them, and say which one to use.

    python evaluate.py runs/cgan_mnist
    python evaluate.py runs/mnist_gan --data samples/digits.npz --samples 2000
    python evaluate.py a.h5 b.h5 --out scores
    python evaluate.py runs/infogan_mnist --export best.h5

A small classifier of the real images, the judge, is trained on the first use and kept. All figures
rest on what it sees in images that each generator draws from the same seed: docs/evaluation.md says
what each of them is. Into the run's folder, or --out, go scores.csv, scores.png, best.json,
timeline.gif and report.html, a page to look at in a browser. Snapshots are never changed; --export
copies the best one and writes its scores, and for InfoGAN what its categories mean, into the copy.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import h5py

import generate
from generator_files import (
    GeneratorFileError,
    image_shape,
    open_generator,
    quiet_stderr,
    start_tensorflow,
)


def fail(message):
    """End the program with one line on stderr and exit status 2."""
    print("evaluate.py: error: " + " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def find_snapshots(paths):
    """Return the .h5 files to score: those given, or the snapshots of the runs given."""
    files = []
    for path in paths:
        found = sorted(path.glob("generator_model_*.h5")) if path.is_dir() else [path]
        if not found:
            fail(f"{path} holds no snapshots (generator_model_NNN.h5): train first, or give files")
        files.extend(found)
    return files


def epoch_of(path):
    """Return the number at the end of a snapshot's name, or ""."""
    match = re.search(r"(\d+)$", path.stem)
    return int(match[1]) if match else ""


def rank(rows):
    """Sort rows by Fréchet distance; those within a standard error of the best have rank 1, too."""
    rows.sort(key=lambda row: row["frechet"])
    limit = rows[0]["frechet"] + rows[0]["frechet_se"]
    for k, row in enumerate(rows, 1):
        row["rank"] = 1 if row["frechet"] <= limit else k


def export(source, target, best):
    """Copy a snapshot, and add its scores and the meaning of its categories to its attribute gan."""
    about = open_generator(source)[1] | {"scores": best["scores"]}
    if best["map"]:
        about |= {"map": best["map"], "class_names": best["class_names"]}
    part = target.with_name(f".{target.name}")
    shutil.copyfile(source, part)
    with h5py.File(part, "a") as file:
        file.attrs["gan"] = json.dumps(about)
    part.replace(target)


def parse_args(argv):
    """Read the command line."""
    parser = argparse.ArgumentParser("evaluate.py", description=__doc__.splitlines()[0])
    parser.error = fail
    add = parser.add_argument
    add("paths", metavar="RUN|FILE.h5", type=Path, nargs="+", help="folder of a run, or generators")
    add("--data", metavar="PATH", help="real images: .npz file or folder (default: keras.datasets)")
    add("--samples", metavar="N", type=int, default=10_000, help="of each generator (%(default)s)")
    add("--seed", metavar="N", type=int, default=1, help="of the samples (default: %(default)s)")
    add("--out", metavar="DIR", type=Path, help="folder of what is written (default: the run's)")
    add("--export", metavar="FILE.h5", type=Path, help="copy the best one there, with its scores")
    args = parser.parse_args(argv)
    if args.samples < 100 or args.seed < 0:
        fail("--samples must be at least 100, --seed at least 0")
    if args.export and (args.export.suffix != ".h5" or args.export.exists()):
        fail(f"--export {args.export}: give a new name that ends in .h5")
    args.out = args.out or (args.paths[0] if args.paths[0].is_dir() else Path())
    return args


def main(argv=None):
    """Run the command line `argv` (default: sys.argv)."""
    args = parse_args(argv)
    files = find_snapshots(args.paths)
    start_tensorflow()
    with quiet_stderr():
        from evaluation import data, judge, report, scores

    models = {}
    for path in files:
        try:
            models[path] = open_generator(path)
        except GeneratorFileError as error:
            print(f"evaluate.py: warning: left out: {error}", file=sys.stderr)
    shapes = {image_shape(model.output_shape) for model, _ in models.values()}
    if len(shapes) != 1:
        fail(f"generators of images of one size are needed, not of {sorted(shapes) or 'none'}")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        real = data.load_real_images(args.data, shapes.pop())
        jury, accuracy = judge.find_judge(real)
    except (OSError, ValueError) as error:
        fail(error)
    task = "classes" if real.names else "quarter turns, for the data have no labels,"
    print(f"The judge tells {accuracy:.1%} of the test images' {task} rightly")
    scorer = scores.Scorer(real, jury, args.samples, args.seed)

    import keras

    results, progress = {}, keras.utils.Progbar(len(models), unit_name="snapshot")
    for path, (model, about) in models.items():
        try:
            images, labels, codes, grid = scores.sample(model, about, args.samples, args.seed)
        except GeneratorFileError as error:
            print(f"evaluate.py: warning: left out: {path}: {error}", file=sys.stderr)
            continue
        asked, categories = scores.asked_classes(about, labels, real.names)
        row, details = scorer.score(images, asked, codes, categories)
        row = {"file": path.name, "epoch": epoch_of(path)} | row
        results[path] = row, details, grid, about
        progress.add(1)
    if not results:
        fail("none of these generators could be scored")
    rows = [row for row, *_ in results.values()]
    rank(rows)
    ranked = sorted(results, key=lambda path: results[path][0]["frechet"])
    row, details, _, about = results[ranked[0]]
    best = {"file": row["file"], "epoch": row["epoch"], "scores": row, "map": details.get("map")}
    best |= {"class_names": [report.plain(name) for name in real.names], "floor": scorer.floor}
    best |= {"data": Path(args.data or "keras.datasets").name, "judge_accuracy": accuracy}
    best |= {"samples": args.samples, "seed": args.seed}
    (args.out / "best.json").write_text(json.dumps(best, indent=1))
    report.save_scores(args.out / "scores.csv", rows)
    report.save_curves(args.out / "scores.png", rows, scorer.floor)
    in_order = sorted(results, key=lambda path: (results[path][0]["epoch"], path.name))
    titles = [f"epoch {results[path][0]['epoch']}" for path in in_order]
    report.save_film(args.out / "timeline.gif", [results[path][2] for path in in_order], titles)
    pictures = [results[path][1].pop("neighbours") for path in ranked]
    neighbours = [generate.tile(picture, 2, len(picture) // 2) for picture in pictures]
    curves = [args.out / "scores.png", ranked[0].parent / "losses.png"]
    facts = {
        key: best[key] for key in ("class_names", "floor", "data", "judge_accuracy", "samples")
    }
    facts |= {"script": report.plain(about.get("script", "")), "seed": args.seed}
    grids, details = ([results[path][k] for path in ranked] for k in (2, 1))
    page = args.out / "report.html"
    report.save_page(page, facts, rows, grids, details, neighbours, curves)
    report.print_table(rows, scorer.floor)
    print(f"{page} shows all of it. Use the best one with:")
    model = ranked[0]
    if args.export:
        export(model, args.export, best)
        model = args.export
    elif args.out == model.parent and args.paths[0].is_dir():
        model = args.paths[0]
    print(f"python generate.py {model}")


if __name__ == "__main__":
    main()
