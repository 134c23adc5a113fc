"""The figures of an evaluation: what each is, and where it comes from, is in docs/evaluation.md.

Features are float arrays (n, d) of the judge's last layer but one, images float32 (n, h, w, c) in
[0, 1], and distances between images root mean squares over the pixels, so in [0, 1], too.
"""

import functools

import numpy as np

BLOCK = 1000  # rows at a time: a table of distances between all pairs would not fit into memory


# ---- how far samples are from real images, as a whole --------------------------------------------


def frechet(real_features, features):
    """Return the Fréchet distance of Heusel et al. 2017, 0 or more."""
    a = np.cov(real_features, rowvar=False)
    b = np.cov(features, rowvar=False)
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # The trace of (a b)^(1/2) is that of (root b root)^(1/2), which is symmetric.
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    gap = np.sum((real_features.mean(axis=0) - features.mean(axis=0)) ** 2)
    return gap + np.trace(a) + np.trace(b) - 2 * cross


def frechet_error(real_features, features, n_groups=10):
    """Return its standard error: the jackknife over tenths (Efron and Stein 1981)."""
    groups = np.arange(len(features)) * n_groups // len(features)  # each of all classes
    without = [frechet(real_features, features[groups != k]) for k in range(n_groups)]
    return np.sqrt((n_groups - 1) * np.var(without))


def kernel_distance(real_features, features):
    """Return the kernel distance of Bińkowski et al. 2018, the mean over blocks, and its error."""
    n = min(len(real_features), len(features))
    size = min(BLOCK, n // 2)
    values = []
    for start in range(0, n - size + 1, size):
        block = slice(start, start + size)
        values.append(kernel_distance_of_block(real_features[block], features[block]))
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def kernel_distance_of_block(x, y):
    """Return the unbiased estimate from features x and y, each (n, d): it can be below 0."""
    within = mean_of_pairs(cubic_kernel(x, x)) + mean_of_pairs(cubic_kernel(y, y))
    return within - 2 * cubic_kernel(x, y).mean()


def cubic_kernel(x, y):
    """Return (x·y / d + 1)³ for all pairs of rows of x (n, d) and y (m, d): (n, m)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def mean_of_pairs(table):
    """Return the mean of a table (n, n) without its diagonal, where a row meets itself."""
    n = len(table)
    return (table.sum() - np.trace(table)) / (n * (n - 1))


# ---- neighbours ----------------------------------------------------------------------------------


def squared_distances(x, y):
    """Return the squared Euclidean distances (n, m) between rows; slightly rounded."""
    xx = np.einsum("ij,ij->i", x, x)
    yy = np.einsum("ij,ij->i", y, y)
    return np.maximum(xx[:, None] + yy - 2 * x @ y.T, 0)


def blocks(x):
    """Return the parts of x, BLOCK rows each."""
    return [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]


def radii(features, k):
    """Return the squared distance of each row to its k-th nearest other row, (n,)."""
    k = min(k, len(features) - 1)
    found = []
    for block in blocks(features):
        distances = squared_distances(block, features)
        # Number 0 is the row itself.
        found.append(np.partition(distances, k, axis=1)[:, k])
    return np.concatenate(found)


def manifold_figures(real_features, features, real_radii, k=5):
    """Return precision, recall (Kynkäänniemi et al. 2019), density, coverage (Naeem et al. 2020).

    `real_radii` is radii(real_features, k): an image lies among others within the radius of one.
    """
    n = len(features)
    precision = 0
    density = 0
    recalled = np.zeros(len(real_features), bool)
    covered = np.zeros(len(real_features), bool)
    for block, limits in zip(blocks(features), blocks(radii(features, k)), strict=True):
        distances = squared_distances(real_features, block)
        within = distances <= real_radii[:, None]
        precision += within.any(axis=0).sum() / n
        density += within.sum() / k / n
        recalled |= (distances <= limits).any(axis=1)
        covered |= within.any(axis=1)
    return {
        "precision": precision,
        "recall": np.mean(recalled),
        "density": density,
        "coverage": np.mean(covered),
    }


def as_rows(images):
    """Return images (n, h, w, c) as rows of pixels (n, h * w * c)."""
    return np.reshape(images, (len(images), -1))


def nearest(images, others):
    """Return for each image the index of the nearest of the others, and the distance to it."""
    x = as_rows(images)
    y = as_rows(others)
    indices = []
    distances = []
    for block in blocks(x):
        table = squared_distances(block, y)
        indices.append(table.argmin(axis=1))
        distances.append(np.sqrt(table.min(axis=1) / x.shape[1]))
    return np.concatenate(indices), np.concatenate(distances)


def repetition(images):
    """Return the median distance of an image to the nearest other one of the same set."""
    x = as_rows(images)
    return float(np.sqrt(np.median(radii(x, 1)) / x.shape[1]))


# ---- classes and codes ---------------------------------------------------------------------------


def best_map(table):
    """Return the class of each category, one to one, for which most images in `table` agree.

    `table` (n, n), n at most 12, counts images by category and class.
    """

    @functools.cache
    def best_from(category, free):
        """Return how many images agree, and the classes, of this category and those after it."""
        if not free:
            return 0, []
        ways = []
        for k in free:
            agreeing, classes = best_from(category + 1, free - {k})
            ways.append((table[category, k] + agreeing, [k, *classes]))
        return max(ways)  # of equal ones always the same: that of the higher classes

    _, classes = best_from(0, frozenset(range(len(table))))
    return classes


def rank_correlation(x, y):
    """Return Spearman's rank correlation of two arrays (n,) in [-1, 1]."""
    ranks_of_x = np.argsort(np.argsort(x))
    ranks_of_y = np.argsort(np.argsort(y))
    return np.corrcoef(ranks_of_x, ranks_of_y)[0, 1]


def slant_and_stroke(images):
    """Measure strokes, bright on dark: slant in degrees to the right (n,), and width in pixels."""
    nothing = 1e-9  # where an image is empty
    ink = images.mean(axis=3)
    y, x = np.mgrid[: ink.shape[1], : ink.shape[2]]
    mass = ink.sum(axis=(1, 2)) + nothing
    dx = x - center(ink, x, mass)
    dy = y - center(ink, y, mass)
    shear = -(ink * dx * dy).sum(axis=(1, 2)) / ((ink * dy**2).sum(axis=(1, 2)) + nothing)
    edges = edge_length(ink, 1) + edge_length(ink, 2)
    return np.degrees(np.arctan(shear)), 2 * mass / (edges + nothing)


def center(ink, position, mass):
    """Return where the ink (n, h, w) of each image lies on average, (n, 1, 1)."""
    return ((ink * position).sum(axis=(1, 2)) / mass)[:, None, None]


def edge_length(ink, axis):
    """Return how much the ink (n, h, w) of each image changes along an axis, (n,)."""
    return np.abs(np.diff(ink, axis=axis)).sum(axis=(1, 2))
