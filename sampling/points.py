"""Points of the latent space: drawn by seeds, moved between, calculated with.

`about` is what a generator's file says of itself and `parts`, about["latent"], are the parts of its
latent input: docs/snapshots.md. Points are float32 (n, width), all parts side by side. Each seed is
that of a NumPy RandomState, whose numbers never change.
"""

import itertools
import re

import numpy as np

# What --latent calls the parts of a latent input, and how each is drawn.
DISTRIBUTIONS = {"noise": "normal", "category": "one-hot", "codes": "uniform"}

# The grids of runs whose files do not describe them, those before version 0.12: see `grid_layout`.
OLDER_LAYOUTS = {
    ("mnist_gan", "colour_gan", "ebgan_mnist", "mlp_gan"): {"size": [10, 10], "noise": "cell"},
    ("cifar10_gan",): {"size": [7, 7], "noise": "cell", "sheet": [10, 10]},
    ("cgan_mnist", "acgan_mnist", "infogan_mnist"): {"size": [10, 20], "noise": "row"},
    ("infogan_labelled",): {"size": [10, 20], "noise": "cell", "codes": [0.0001, 0.99999]},
}


class PointError(ValueError):
    """Points that this generator has not; the text is one line for the user."""


# ---- the columns of the latent input -------------------------------------------------------------


def columns_where(parts, chosen):
    """Return the columns of those parts of the latent input of which `chosen(part)` is true."""
    columns = []
    end = 0
    for part in parts:
        start = end
        end = start + part["size"]
        if chosen(part):
            columns.extend(range(start, end))
    return columns


def part_columns(parts, distribution):
    """Return the columns of the latent input, a list of int, that have a distribution.

    It is "normal", "uniform" or "one-hot".
    """
    return columns_where(parts, lambda part: part["distribution"] == distribution)


def noise_columns(parts):
    """Return the columns of the latent input that hold noise: the others are classes and codes."""
    return columns_where(
        parts, lambda part: part["distribution"] != "one-hot" and part.get("name") != "codes"
    )


def code_columns(about):
    """Return the columns of the latent input that hold an InfoGAN's continuous codes."""
    if about["kind"] != "infogan":
        return []
    return columns_where(about["latent"], lambda part: part.get("name") == "codes")


def parse_parts(text):
    """Return the parts of a latent input that a text such as noise:62,category:10,codes:2 names."""
    parts = []
    for item in text.split(","):
        match = re.fullmatch(r" *(noise|category|codes):(\d{1,5}) *", item)
        if match is None:
            raise PointError(
                f"{text[:60]!r} is no list of parts such as noise:62,category:10,codes:2"
            )
        name = match[1]
        parts.append({"name": name, "size": int(match[2]), "distribution": DISTRIBUTIONS[name]})
    names = [part["name"] for part in parts]
    if len(names) > len(set(names)):
        raise PointError(f"{text[:60]!r} names a part twice")
    return parts


# ---- from seeds to points ------------------------------------------------------------------------


def generate_latent_points(parts, seeds):
    """Draw the latent point of each seed, float32 (n, width); one-hot parts are left at 0.

    "normal" is N(0, 1), "uniform" is [-1, 1].
    """
    width = sum(part["size"] for part in parts)
    normal = part_columns(parts, "normal")
    uniform = part_columns(parts, "uniform")
    points = np.zeros((len(seeds), width), np.float32)
    for point, seed in zip(points, seeds, strict=True):
        rng = np.random.RandomState(seed)
        point[normal] = rng.standard_normal(len(normal))
        point[uniform] = rng.uniform(-1, 1, len(uniform))
    return points


def set_classes(points, labels, about):
    """Write the classes (n,) into the one-hot part, if any, of latent points (n, width).

    about["map"] is the class that each category draws, where that is known; a category draws the
    class of its own number otherwise.
    """
    category = part_columns(about["latent"], "one-hot")
    if not category:
        return
    category_of_class = np.arange(len(category))
    if about.get("map"):
        category_of_class = np.argsort(about["map"])
    points[:, category] = np.eye(len(category))[category_of_class[labels]]


def vector_points(vector, parts):
    """Return the latent points (n, width) that --vector asks for, and whether they are complete.

    `vector` is a number for all coordinates, or an array (n, width). Where the latent input has
    other parts than noise, both fill the noise alone, and codes are 0, the middle of their range;
    an array of the full width is complete, with classes and codes.
    """
    noise = noise_columns(parts)
    width = sum(part["size"] for part in parts)
    if vector.ndim == 2:
        if vector.shape[1] == width:
            return vector, True
        if vector.shape[1] != len(noise):
            widths = " or ".join(str(size) for size in sorted({len(noise), width}))
            raise PointError(
                f"--vector: the points have {vector.shape[1]} coordinates, the generator's {widths}"
            )
    n = len(vector) if vector.ndim == 2 else 1
    points = np.zeros((n, width), np.float32)
    points[:, noise] = vector
    return points, False


# ---- ways and sums -------------------------------------------------------------------------------


def between(a, b, t, parts):
    """Return the point at t, 0 to 1, on the way from latent point a to b, each (width,).

    Normal noise goes along a great circle (White 2016): half-way on the straight line points are
    too short to be likely. Everything else goes straight.
    """
    point = (1 - t) * a + t * b
    normal = part_columns(parts, "normal")
    x = a[normal]
    y = b[normal]
    cosine = x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-9)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) > 1e-6:
        weights = np.sin([(1 - t) * angle, t * angle]) / np.sin(angle)
        point[normal] = weights[0] * x + weights[1] * y
    return point.astype(np.float32)


def interpolate(points, steps, parts, loop=False):
    """Return a way through latent points (k, width), `steps` from each to the next: (n, width).

    The ends are the first and the last point; with `loop` it goes on to just before the first.
    """
    stations = [*points, points[0]] if loop else [*points]
    way = []
    for a, b in itertools.pairwise(stations):
        way.extend(between(a, b, k / steps, parts) for k in range(steps))
    if not loop:
        way.append(points[-1])
    return np.array(way)


def calculate(formula, parts):
    """Return the latent points (k, width) of the seeds of a formula such as 0+1-2, and its value.

    Radford et al. 2015: what images have in common can be added and taken away. Codes stay in
    [-1, 1].
    """
    terms = re.findall(r"([+-]?)(\d+)", formula)
    points = generate_latent_points(parts, [int(seed) for _, seed in terms])
    value = np.zeros_like(points[0])
    for (sign, _), point in zip(terms, points, strict=True):
        value += -point if sign == "-" else point
    codes = part_columns(parts, "uniform")
    value[codes] = value[codes].clip(-1, 1)
    return np.array([*points, value])


# ---- the grids of a run --------------------------------------------------------------------------


def grid_layout(about):
    """Return how the grids of a generator's own run are laid out, a dict, or None if it has none.

    "size" is [rows, columns]; where there are classes a column is one, and so many are shown at
    most. Noise is drawn anew for each "cell" or each "row": that is "noise". "codes", where it is
    there, are the ends between which code 1 goes down and code 2 across; "sheet" is that of
    `sheet_layout`.
    """
    if "grid" in about:
        return about["grid"]
    return older_layout(about)


def sheet_layout(about):
    """Return rows and columns of the picture that is drawn where nothing else is asked for.

    They are those of the tutorial, of the picture by its finished generator.
    """
    grid = grid_layout(about) or {}
    return grid.get("sheet", (5, 5))


def older_layout(about):
    """Return the layout of a run before version 0.12, by its script's name, or None."""
    for scripts, layout in OLDER_LAYOUTS.items():
        # an exercise's name stands behind the script's, as in mnist_gan_nearest.py
        if re.fullmatch(rf"({'|'.join(scripts)})(_\w+)?\.py", str(about.get("script"))):
            return layout
    return None


def grid_cell(about, row, col):
    """Return the point (1, width) and the column's class in a cell of a run's own grids.

    `row` and `col` count from 1. The points are those of summarize_performance in the scripts.
    """
    grid = grid_layout(about)
    if type(about.get("seed")) is not int or grid is None:
        raise PointError("--cell: this file is of no run of these scripts, which draw such grids")
    rows, columns = grid["size"]
    if about["classes"]:
        columns = min(about["classes"], columns)
    if not (1 <= row <= rows and 1 <= col <= columns):
        raise PointError(f"--cell: the grids of this run have {rows} rows and {columns} columns")
    codes = code_columns(about)
    if "codes" in grid and (len(codes) != 2 or part_columns(about["latent"], "uniform")):
        raise PointError("--cell: the grids of this run are others than those of the script today")
    if grid["noise"] == "cell":
        k = (row - 1) * columns + col - 1  # the number of the noise
        n = rows * columns
    else:
        k = row - 1
        n = rows
    noise, drawn_codes = grid_points(about, n, k)
    point = np.zeros((1, sum(part["size"] for part in about["latent"])), np.float32)
    point[0, noise_columns(about["latent"])] = noise
    if "codes" in grid:
        point[0, codes[0]] = np.linspace(*grid["codes"], rows)[row - 1]
        point[0, codes[1]] = np.linspace(*grid["codes"], columns)[col - 1]
    else:
        point[0, codes] = drawn_codes
    return point, col - 1 if about["classes"] else 0


def grid_points(about, n, k):
    """Return noise and codes number k of the n that a run draws for its grids, as its script does.

    That is the generate_latent_points of the script: from the run's seed, where a batch has the
    number -1, each kind of number in a stream of its own.
    """
    from sampling.files import start_tensorflow  # not above: all else here needs no TensorFlow

    random = start_tensorflow().random
    seed = (about["seed"], -1)
    labelled_codes = "codes" in (grid_layout(about) or {})
    if about["kind"] == "unconditional":
        noise_seed = seed
    elif about["kind"] == "conditional":
        noise_seed, _ = random.split(seed, 2)
    elif labelled_codes:
        _, _, noise_seed = random.split(seed, 3)
    else:
        noise_seed, _, codes_seed = random.split(seed, 3)
    noise = random.stateless_normal([n, len(noise_columns(about["latent"]))], noise_seed)[k]
    if about["kind"] != "infogan" or labelled_codes:
        return noise, []
    return noise, random.stateless_uniform([n, len(code_columns(about))], codes_seed, -1.0)[k]
