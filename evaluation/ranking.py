"""Which of the files that were scored is the best, and what is said of it."""

import collections
import re

from sampling.program import plain

# A file that was scored, its line of scores.csv, and what the page shows besides
Result = collections.namedtuple("Result", "path row details")


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
