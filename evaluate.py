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
import generator_files
from generator_files import GeneratorFileError, open_generator


def fail(message):
    """End the program with one line on stderr and exit status 2."""
    print("evaluate.py: error: " + " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def leave_out(path, error):
    """Say that a snapshot is not scored, and why."""
    print(f"evaluate.py: warning: {path} is left out: {error}", file=sys.stderr)


def find_snapshots(paths):
    """Return the .h5 files to score: those given, or the snapshots of the runs given."""
    files = []
    for path in paths:
        found = sorted(path.glob("generator_model_*.h5")) if path.is_dir() else [path]
        if not found:
            fail(f"{path} holds no snapshots (generator_model_NNN.h5): train first, or give files")
        files.extend(found)
    return files


def score_all(models, scorer, args):
    """Score {path: (model, about)}; return (path, row, details, grid) of each, by epoch."""
    import keras

    from evaluation import scores

    results, progress = [], keras.utils.Progbar(len(models), unit_name="snapshot")
    for path, (model, about) in models.items():
        try:
            images, labels, codes, grid = scores.sample(model, about, args.samples, args.seed)
        except GeneratorFileError as error:
            leave_out(path, error)
            continue
        asked, n_categories = scores.asked_classes(about, labels, scorer.data.names)
        row, details = scorer.score(images, asked, codes, n_categories)
        epoch = re.search(r"(\d+)$", path.stem)
        row = {"rank": 1, "file": path.name, "epoch": int(epoch[1]) if epoch else 0} | row
        results.append((path, row, details, grid))
        progress.add(1)
    if not results:
        fail("none of these generators could be scored")
    return sorted(results, key=lambda result: (result[1]["epoch"], str(result[0])))


def rank(results):
    """Return results by Fréchet distance; those within a standard error of the best have rank 1."""
    results = sorted(results, key=lambda result: result[1]["frechet"])
    best = results[0][1]
    for k, (_, row, _, _) in enumerate(results, 1):
        row["rank"] = 1 if row["frechet"] <= best["frechet"] + best["frechet_se"] else k
    return results


def export(source, target, best):
    """Copy a snapshot; add its scores, and what its categories mean, to the attribute gan."""
    about = open_generator(source)[1] | {"scores": best["scores"]}
    about |= {key: best[key] for key in ("map", "class_names") if best["map"]}
    with generate.replacing(target) as part:
        shutil.copyfile(source, part)
        with h5py.File(part, "a") as file:
            file.attrs["gan"] = json.dumps(about)


def parse_args(argv):
    """Read the command line."""
    parser = argparse.ArgumentParser("evaluate.py", description=__doc__.splitlines()[0])
    parser.error = fail
    add = parser.add_argument
    add("paths", metavar="RUN|FILE.h5", type=Path, nargs="+", help="folder of a run, or generators")
    add("--data", metavar="PATH", help="real images: .npz file or folder (default: keras.datasets)")
    add("--samples", metavar="N", type=int, default=10_000, help="of each generator (%(default)s)")
    add("--seed", metavar="N", type=int, default=1, help="of the samples (%(default)s)")
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
    args, models = parse_args(argv), {}
    files = find_snapshots(args.paths)
    generator_files.start_tensorflow()
    with generator_files.quiet_stderr():
        from evaluation import data, judge, report, scores
    for path in files:
        try:
            models[path] = open_generator(path)
        except GeneratorFileError as error:
            leave_out(path, error)
    shapes = {generator_files.image_shape(model.output_shape) for model, _ in models.values()}
    if len(shapes) != 1:
        fail(f"generators of images of one size are needed, not of {sorted(shapes) or 'none'}")
    for _, about in models.values():
        own = str(about["data"].get("name", "")) if isinstance(about.get("data"), dict) else ""
        if not args.data and Path(own).suffix:  # and not a data set of Keras
            fail(f"--data is needed: this generator was trained on {report.plain(own)}")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        real = data.load_real_images(args.data, shapes.pop())
        network, accuracy = judge.find_judge(real)
    except (OSError, ValueError) as error:
        fail(error)
    task = "classes" if real.names else "quarter turns, for the data have no labels,"
    print(f"The judge tells {accuracy:.1%} of the test images' {task} rightly")
    scorer = scores.Scorer(real, network, args.samples, args.seed)
    by_epoch = score_all(models, scorer, args)
    ranked = rank(by_epoch)
    (model, row, details, _), rows = ranked[0], [result[1] for result in ranked]
    facts = {"data": Path(args.data or "keras.datasets").name, "judge_accuracy": accuracy}
    facts |= {"class_names": [report.plain(name) for name in real.names], "floor": scorer.floor}
    facts |= {"samples": args.samples, "seed": args.seed}
    best = {"file": row["file"], "epoch": row["epoch"], "scores": row, "map": details.get("map")}
    best |= facts | {"script": report.plain(models[model][1].get("script", ""))}

    page = args.out / "report.html"
    report.save_scores(args.out / "scores.csv", rows)
    report.save_curves(args.out / "scores.png", [result[1] for result in by_epoch], scorer.floor)
    grids, titles = [r[3] for r in by_epoch], [f"epoch {r[1]['epoch']}" for r in by_epoch]
    report.save_film(args.out / "timeline.gif", grids, titles)
    neighbours = [result[2].pop("neighbours") for result in ranked]
    curves = [args.out / "scores.png", model.parent / "losses.png"]
    report.save_page(
        page,
        facts=best,
        rows=rows,
        grids=[report.as_url(result[3]) for result in ranked],
        details=[result[2] for result in ranked],
        neighbours=[report.as_url(generate.tile(x, 2, len(x) // 2)) for x in neighbours],
        curves=[report.as_url(curve.read_bytes()) for curve in curves if curve.exists()],
    )
    (args.out / "best.json").write_text(json.dumps(best, indent=1))
    report.print_table(rows, scorer.floor)
    if args.export:
        export(model, args.export, best)
    print(f"{page} shows all of it. Use the best one with:")
    whole = args.out == args.paths[0] and len(args.paths) == 1
    print(f"python generate.py {args.export or (args.out if whole else model)}")


if __name__ == "__main__":
    main()
