"""Which of the files that were scored is the best, and what is said of it."""

import collections
import math
import re

from sampling.program import plain

# A file that was scored, its line of scores.csv, and what the page shows besides
Result = collections.namedtuple("Result", "path row details")
# What is said of a share below a limit, in parts of that of real images
WORDS = {
    "precision": [
        (0.5, "Most of its images are far from real ones"),
        (0.8, "Many of its images are like no real one"),
        (math.inf, "Most of its images lie among real ones"),
    ],
    "recall": [
        (0.1, "It repeats itself: little of what is real is drawn"),
        (0.6, "It leaves out much of what is real"),
        (math.inf, "It draws most of what is real"),
    ],
}


def find_epoch(path, about):
    """Return the epoch that a file says it is of, or else its name, as model_010.h5 does; or None.

    Files say anything: an epoch is a number from 0 to 999,999,999.
    """
    epoch = about.get("epoch")
    if type(epoch) is int and 0 <= epoch < 10**9:  # JSON's true is an int to isinstance
        return epoch
    match = re.search(r"(?<![0-9])[0-9]{1,9}$", path.stem)
    if match:
        return int(match[0])
    return None


def rank(results):
    """Return results, best first, with a "rank" in their rows.

    Those within one standard error of the best Fréchet distance are equal: their rank is 1.
    """
    ranked = sorted(results, key=lambda result: result.row["frechet"])
    best = ranked[0].row
    equal = best["frechet"] + best["frechet_se"]
    for k, result in enumerate(ranked, 1):
        result.row["rank"] = 1 if result.row["frechet"] <= equal else k
    return ranked


def answer(ranked, floor):
    """Return in words which file to use and how good it is, a list of sentences.

    `ranked` are the rows, best first, with their ranks; `floor` has the figures of real test
    images, by which shares are measured: 45% are a half where real images have 90%.
    """
    best = ranked[0]
    distance = f"its Fréchet distance is {best['frechet']:.3g}, that of real images"
    said = [f"Use {name_row(best)}: {distance} {floor['frechet']:.2g}."]
    for name, words in WORDS.items():
        share = best[name] / max(floor[name], 0.01)
        text = next(text for limit, text in words if share < limit)
        said.append(f"{text} ({name} {best[name]:.2f}).")
    if best.get("missing"):
        said.append(f"Of the classes {best['missing']} are hardly drawn.")
    if best.get("agreement", 1) < 0.9:
        said.append(
            f"Of 100 images {100 - 100 * best['agreement']:.0f} are of another class than asked."
        )
    if best.get("near_copies", 0) > 0.05:
        said.append(
            f"Of 100 images {100 * best['near_copies']:.0f} are near copies of training images."
        )
    equals = [name_row(row) for row in ranked[1:] if row["rank"] == 1]
    if equals:
        said.append(f"As good within the error: {', '.join(equals)}.")
    return said


def name_row(row):
    """Return the name of a row in a sentence."""
    if row["epoch"] is None:
        return plain(row["file"])
    return f"{plain(row['file'])} (epoch {row['epoch']})"


def describe_best(best, about, scorer, accuracy, args):
    """Return what best.json holds: the best Result, of a generator `about` describes, and how."""
    return {
        "file": best.row["file"],
        "epoch": best.row["epoch"],
        "scores": best.row,
        "floor": scorer.floor,
        "map": best.details.get("map"),
        "histogram": best.details.get("histogram"),
        "data": scorer.data.name,
        "samples": args.samples,
        "seed": args.seed,
        "judge_accuracy": accuracy,
        "class_names": [plain(name) for name in scorer.data.names],
        "script": plain(about.get("script", "")),
    }
