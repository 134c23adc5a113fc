"""The figures of an evaluation: what each is, and where it comes from, is in docs/evaluation.md.

Features are float arrays (n, d) of the judge's last layer but one, images float32 (n, h, w, c) in
[0, 1], and distances between images root mean squares over the pixels, so in [0, 1], too.
"""

import functools

import numpy as np

BLOCK = 1000  # rows at a time: a table of distances between all pairs would not fit into memory


def frechet(real_features, features):
    """Return the Fréchet distance of Heusel et al. 2017."""
    a, b = (np.cov(x, rowvar=False) for x in (real_features, features))
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    # the trace of (a b)^(1/2) is that of (root b root)^(1/2), which is symmetric
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    gap = np.sum((real_features.mean(0) - features.mean(0)) ** 2)
    return gap + np.trace(a) + np.trace(b) - 2 * cross


def frechet_error(real_features, features, n_groups=10):
    """Return its standard error: the jackknife over tenths (Efron and Stein 1981)."""
    groups = np.arange(len(features)) * n_groups // len(features)  # each of all classes
    left = [frechet(real_features, features[groups != k]) for k in range(n_groups)]
    return np.sqrt((n_groups - 1) * np.var(left))


def kernel_distance(real_features, features):
    """Return the kernel distance of Bińkowski et al. 2018, the mean over blocks, and its error."""
    n = min(len(real_features), len(features))
    size = min(BLOCK, n // 2)
    values = []
    for start in range(0, n - size + 1, size):
        x, y = real_features[start : start + size], features[start : start + size]
        xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in (xx, yy))
        values.append(within - 2 * xy.mean())
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def squared_distances(x, y):
    """Return the squared Euclidean distances (n, m) between rows; slightly rounded."""
    xx, yy = (np.einsum("ij,ij->i", a, a) for a in (x, y))
    return np.maximum(xx[:, None] + yy - 2 * x @ y.T, 0)


def blocks(x):
    """Return the parts of x, BLOCK rows each."""
    return [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]


def radii(features, k):
    """Return the squared distance of each row to its k-th nearest other row, (n,)."""
    k = min(k, len(features) - 1)
    tables = (squared_distances(x, features) for x in blocks(features))
    return np.concatenate([np.partition(table, k, 1)[:, k] for table in tables])


def manifold_figures(real_features, features, real_radii, k=5):
    """Return precision, recall (Kynkäänniemi et al. 2019), density, coverage (Naeem et al. 2020).

    `real_radii` is radii(real_features, k): an image lies among others within the radius of one.
    """
    precise, dense, recalled, covered = 0, 0, 0, 0
    for x, limits in zip(blocks(features), blocks(radii(features, k)), strict=True):
        distances = squared_distances(real_features, x)
        within = distances <= real_radii[:, None]
        precise += within.any(0).sum() / len(features)
        dense += within.sum() / k / len(features)
        recalled |= (distances <= limits).any(1)
        covered |= within.any(1)
    shares = precise, np.mean(recalled), dense, np.mean(covered)
    return dict(zip(("precision", "recall", "density", "coverage"), shares, strict=True))


def nearest(images, others):
    """Return for each image the index of the nearest of the others, and the distance to it."""
    x, y = (np.reshape(a, (len(a), -1)) for a in (images, others))
    tables = (squared_distances(part, y) for part in blocks(x))
    found = [(table.argmin(1), np.sqrt(table.min(1) / x.shape[1])) for table in tables]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def repetition(images):
    """Return the median distance of an image to the nearest other one of the same set."""
    x = np.reshape(images, (len(images), -1))
    return float(np.sqrt(np.median(radii(x, 1)) / x.shape[1]))


def best_map(table):
    """Return the class of each category, one to one, for which most images in `table` agree.

    `table` (n, n), n at most 12, counts images by category and class.
    """

    @functools.cache
    def best(category, free):  # images that agree, and classes, of this category and those after it
        rest = [(k, best(category + 1, free - {k})) for k in free]
        ways = [(table[category, k] + agreeing, [k, *classes]) for k, (agreeing, classes) in rest]
        return max(ways, default=(0, []))

    return best(0, frozenset(range(len(table))))[1]


def rank_correlation(x, y):
    """Return Spearman's rank correlation of two arrays (n,) in [-1, 1]."""
    ranks = [np.argsort(np.argsort(a)) for a in (x, y)]
    return np.corrcoef(*ranks)[0, 1]


def slant_and_stroke(images):
    """Measure strokes, bright on dark: slant in degrees to the right (n,), and width in pixels."""
    ink = images.mean(3)
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]]
    mass = ink.sum((1, 2)) + 1e-9
    dx = x - ((ink * x).sum((1, 2)) / mass)[:, None, None]
    dy = y - ((ink * y).sum((1, 2)) / mass)[:, None, None]
    shear = -(ink * dx * dy).sum((1, 2)) / ((ink * dy**2).sum((1, 2)) + 1e-9)
    edges = sum(np.abs(np.diff(ink, axis=axis)).sum((1, 2)) for axis in (1, 2))
    return np.degrees(np.arctan(shear)), 2 * mass / (edges + 1e-9)
