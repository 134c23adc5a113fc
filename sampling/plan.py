"""From the command line to the images it asks for: which points, of which classes, and where.

`args` is generate.py's command line, `about` what the generator's file says of itself.
"""

import collections
import math
import re

import numpy as np

from sampling import points

GRID_CLASSES = 20  # columns of a picture at most, unless more are asked for
GRID_POINTS = 10  # rows of a picture that has a class a column
MOST_CELLS = 100  # rows or columns of a picture
# The points (n, width) and classes (n,) to draw, the seeds (n,) or None where points come from
# elsewhere, rows and columns of the picture, and how many pictures an animation has, or 1.
Plan = collections.namedtuple("Plan", "points labels seeds rows cols frames")


def is_film(args):
    """Return whether an animation is asked for."""
    return args.out is not None and args.out.suffix.lower() == ".gif"


def choose_classes(args, about):
    """Return the classes that are asked for, or None where none are."""
    if args.category:
        meaning = about.get("map") or range(about["classes"])
        return [meaning[k] for k in args.category]
    return args.labels or args.text


def choose_points(args, about):
    """Return the latent points (k, width), their seeds (k,) or None, and the classes to draw.

    The classes are a list for all points, or an array (k,), one for each.
    """
    parts = about["latent"]
    n_classes = about["classes"]
    asked = choose_classes(args, about)
    shown = asked or [*range(n_classes or 1)]
    if not (asked or args.grid or args.count):
        shown = shown[:GRID_CLASSES]
    if args.vector is not None:
        return choose_vector(args, about, asked)
    if args.cell:
        point, category = points.grid_cell(about, *args.cell)
        meaning = about.get("map") or range(max(n_classes, 1))
        return point, None, asked or [meaning[category]]
    if args.interpolate:
        stations = points.generate_latent_points(parts, args.interpolate)
        return points.interpolate(stations, args.steps or 8, parts, is_film(args)), None, shown
    if args.arithmetic:
        return points.calculate(args.arithmetic, parts), None, shown
    n = count_points(args, about)
    if args.count:
        shown = np.resize(shown, n)
    elif args.grid and n_classes and not sweeps(args):
        shown = np.resize(shown, args.grid[1]).tolist()
    seeds = np.array(args.seeds or range(args.seed, args.seed + n))
    return points.generate_latent_points(parts, seeds), seeds, shown


def choose_vector(args, about, asked):
    """Return what `choose_points` returns, for the points of --vector."""
    parts = about["latent"]
    vectors, complete = points.vector_points(args.vector, parts)
    category = points.part_columns(parts, "one-hot")
    if not (complete and category):
        return vectors, None, asked or [0]
    meaning = about.get("map") or range(about["classes"])
    return vectors, None, np.take(meaning, vectors[:, category].argmax(axis=1))


def sweeps(args):
    """Return whether a code is to have several values."""
    return any(len(code or []) > 1 for code in (args.code1, args.code2))


def count_points(args, about):
    """Return how many points are drawn where no seeds are named."""
    if args.count:
        return args.count
    if sweeps(args):
        return 1
    rows, cols = args.grid or points.sheet_layout(about)
    if not about["classes"]:
        return rows * cols
    if args.grid:  # a row has one point, a column one class
        return rows
    return 1 if args.text else GRID_POINTS


def plan_images(args, about):
    """Return the Plan of the images that the command line asks of the generator `about` describes.

    They are all combinations of some points, classes and values of each code. The last of these of
    which there are several goes across the picture, the others down; but a walk goes across where
    it is no film.
    """
    chosen, seeds, classes = choose_points(args, about)
    if args.truncate is not None:
        chosen[:, points.noise_columns(about["latent"])] *= args.truncate
    n_points = len(chosen)
    n_frames = n_points if is_film(args) else 1
    walks_across = (args.interpolate or args.arithmetic) and n_frames == 1
    which, labels, sizes = combine(n_points, classes, walks_across)
    drawn = chosen[which]
    if seeds is not None:
        seeds = seeds[which]
    for column, values in zip(points.code_columns(about), (args.code1, args.code2), strict=False):
        if values is None:
            continue
        n_before = len(drawn)
        drawn = np.repeat(drawn, len(values), axis=0)
        labels = np.repeat(labels, len(values))
        if seeds is not None:
            seeds = np.repeat(seeds, len(values))
        drawn[:, column] = np.tile(values, n_before)
        sizes.append(len(values))
    holds_classes = args.vector is not None and isinstance(classes, np.ndarray)
    if not holds_classes:
        points.set_classes(drawn, labels, about)
    if is_film(args):
        sizes = sizes[1:]
    n = len(drawn) // n_frames
    rows, cols = args.grid or (MOST_CELLS, count_columns(args, about, n, n_points, sizes))
    if args.count and not args.grid:
        cols = min(about["classes"], len(set(labels))) or 5
        rows = GRID_POINTS if about["classes"] else MOST_CELLS
    return Plan(drawn, labels, seeds, min(rows, math.ceil(n / cols)), cols, n_frames)


def combine(n_points, classes, points_go_across):
    """Combine points and classes: return the number of the point and the class of each image.

    An array of classes has one for each point. Also returned is how many there are of the first
    that changes and of the second, as a list.
    """
    numbers = np.arange(n_points)
    if isinstance(classes, np.ndarray):
        return numbers, classes, [n_points]
    if points_go_across:
        return (
            np.tile(numbers, len(classes)),
            np.repeat(classes, n_points),
            [len(classes), n_points],
        )
    return np.repeat(numbers, len(classes)), np.tile(classes, n_points), [n_points, len(classes)]


def count_columns(args, about, n, n_points, sizes):
    """Return how many columns a picture of n images has.

    They are combinations of as many points, classes and codes as `sizes` says, in this order.
    """
    along = args.interpolate or args.arithmetic
    several = [size for size in sizes if size > 1]
    if several and (along or n > n_points):
        return min(several[-1], MOST_CELLS)
    rows, cols = points.sheet_layout(about)
    if n == rows * cols:
        return cols
    return min(math.ceil(math.sqrt(n)), MOST_CELLS)


def name_seeds(seeds):
    """Return different seeds as a text such as 0-9,42."""
    ranges = []
    for seed in map(int, seeds):
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in ranges)


def name_picture(args):
    """Return what the name of a picture says of its points and classes, at most 60 characters."""
    if args.seeds:
        names = [f"seeds{name_seeds(args.seeds)}"]
    elif args.cell:
        names = [f"cell{args.cell[0]},{args.cell[1]}"]
    elif args.arithmetic:
        names = [args.arithmetic]
    elif args.interpolate:
        names = [f"walk{name_seeds(args.interpolate)}"]
    elif args.vector is not None:
        names = ["vector"]
    elif args.find:
        names = [f"find_{args.find.stem}"]
    else:
        names = [f"seed{args.seed}"]
    names += [classes for classes in (args.labels, args.text) if classes]
    if args.category:
        names.append(f"category{args.category}")
    for name, code in (("code1", args.code1), ("code2", args.code2)):
        if code:
            ends = [code[0]] if len(code) == 1 else [code[0], code[-1]]
            names.append(f"{name}_" + "to".join(f"{end:g}" for end in dict.fromkeys(ends)))
    if args.truncate is not None:
        names.append(f"truncate{args.truncate:g}")
    return re.sub(r"[^\w,.+-]", "-", "_".join(names))[:60]
