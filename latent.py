"""Points of the latent space: drawn by seeds, moved between, calculated with.

`parts` are the parts of a generator's latent input, as its file describes them: see
generator_files.py. Points are float32 (n, width), all parts side by side.
"""

import itertools
import re

import numpy as np

from generator_files import code_columns, noise_columns, part_columns, start_tensorflow


class PointError(ValueError):
    """Points that this generator has not; the text is one line for the user."""


def generate_latent_points(parts, seeds):
    """Draw the latent point of each seed, float32 (n, width); one-hot parts are left at 0.

    "normal" is N(0, 1), "uniform" is [-1, 1].
    """
    points = np.zeros((len(seeds), sum(part["size"] for part in parts)), np.float32)
    normal, uniform = (part_columns(parts, kind) for kind in ("normal", "uniform"))
    for point, seed in zip(points, seeds, strict=True):
        rng = np.random.RandomState(seed)
        point[normal] = rng.standard_normal(len(normal))
        point[uniform] = rng.uniform(-1, 1, len(uniform))
    return points


def set_classes(points, labels, parts, meaning=None):
    """Write the classes (n,) into the one-hot part, if any, of latent points (n, width).

    `meaning` is the class of each category, where that is known and not the category's own number.
    """
    category = part_columns(parts, "one-hot")
    if category:
        order = np.argsort(meaning) if meaning else range(len(category))
        points[:, category] = np.eye(len(category))[order][labels]


def vector_points(vector, parts):
    """Return the latent points (n, width) that --vector asks for, and whether they are complete.

    `vector` is a number for all coordinates, or an array (n, width). Where the latent input has
    other parts than noise, both fill the noise alone, and codes are 0, the middle of their range;
    an array of the full width is complete, with classes and codes.
    """
    noise = noise_columns(parts)
    width = sum(part["size"] for part in parts)
    if vector.ndim == 2 and vector.shape[1] == width:
        return vector, True
    if vector.ndim == 2 and vector.shape[1] != len(noise):
        widths = " or ".join(str(size) for size in sorted({len(noise), width}))
        raise PointError(
            f"--vector: the points have {vector.shape[1]} coordinates, the generator's {widths}"
        )
    points = np.zeros((len(vector) if vector.ndim else 1, width), np.float32)
    points[:, noise] = vector
    return points, False


def between(a, b, t, parts):
    """Return the point at t, 0 to 1, on the way from latent point a to b, each (width,).

    Normal noise goes along a great circle (White 2016): half-way on the straight line points are
    too short to be likely. Everything else goes straight.
    """
    point, normal = (1 - t) * a + t * b, part_columns(parts, "normal")
    x, y = a[normal], b[normal]
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
    pairs = itertools.pairwise([*points, points[0]] if loop else points)
    way = [between(a, b, k / steps, parts) for a, b in pairs for k in range(steps)]
    return np.array(way if loop else [*way, points[-1]])


def calculate(formula, parts):
    """Return the latent points (k, width) of the seeds of a formula such as 0+1-2, and its value.

    Radford et al. 2015: what images have in common can be added and taken away. Codes stay in
    [-1, 1].
    """
    terms = re.findall(r"([+-]?)(\d+)", formula)
    points = generate_latent_points(parts, [int(seed) for _, seed in terms])
    value = sum(
        -point if sign == "-" else point for (sign, _), point in zip(terms, points, strict=True)
    )
    codes = part_columns(parts, "uniform")
    value[codes] = value[codes].clip(-1, 1)
    return np.array([*points, value])


def grid_cell(about, row, col):
    """Return the point (1, width) and the column's class in a cell of a run's own grids.

    `row` and `col` count from 1. The points are those of summarize_performance in the scripts.
    """
    seed, kind = about.get("seed"), about["kind"]
    # an exercise's name stands behind the script's, as in mnist_gan_nearest.py
    name = re.fullmatch(r"(\w+?_(gan|mnist|labelled))(_\w+)?\.py", str(about.get("script")))
    if type(seed) is not int or name is None:
        raise PointError("--cell: this file is of no run of these scripts, which draw such grids")
    script = name[1]
    side = 7 if script == "cifar10_gan" else 10
    across = min(about["classes"], 20) or side
    if not (1 <= row <= side and 1 <= col <= across):
        raise PointError(f"--cell: the grids of this run have {side} rows and {across} columns")
    parts = about["latent"]
    noise = noise_columns(parts)
    codes = code_columns(about)
    if script == "infogan_labelled" and (part_columns(parts, "uniform") or len(codes) != 2):
        raise PointError("--cell: the grids of this run are others than those of the script today")
    random = start_tensorflow().random
    point = np.zeros((1, sum(part["size"] for part in parts)), np.float32)
    k = row - 1  # the number of the cell's noise
    if kind == "unconditional" or script == "infogan_labelled":  # each cell has its own
        k = (row - 1) * across + col - 1
    if kind == "unconditional":
        noise_seed = (seed, -1)
    elif kind == "conditional":
        noise_seed, _ = random.split((seed, -1), 2)
    elif script == "infogan_labelled":  # code 1 grows downwards, code 2 to the right
        _, _, noise_seed = random.split((seed, -1), 3)
        point[0, codes[0]] = np.linspace(0.0001, 0.99999, side)[row - 1]
        point[0, codes[1]] = np.linspace(0.0001, 0.99999, across)[col - 1]
    else:
        noise_seed, _, codes_seed = random.split((seed, -1), 3)
        point[0, codes] = random.stateless_uniform([side, len(codes)], codes_seed, -1.0)[k]
    point[0, noise] = random.stateless_normal([side * across, len(noise)], noise_seed)[k]
    return point, col - 1 if about["classes"] else 0
