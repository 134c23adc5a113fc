"""The figures of an evaluation: what each is, and where it comes from, is in docs/evaluation.md.

All are plain NumPy. Features are float arrays (n, d) of the judge's last layer but one, images are
float32 (n, height, width, channels) in [0, 1]. Distances between images are root mean squares over
the pixels, so they lie in [0, 1], too.
"""

import numpy as np

BLOCK = 1000  # rows at a time: a table of distances between all pairs would not fit into memory


def spread(features):
    """Return the mean (d,), the covariance (d, d) and its symmetric square root (d, d)."""
    covariance = np.cov(features, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return features.mean(0), covariance, root


def frechet(real, fake_features):
    """Return the Fréchet distance of Heusel et al. 2017 to `real`, what `spread` returns."""
    mean, covariance, root = real
    other = np.cov(fake_features, rowvar=False)
    # the trace of (A B)^(1/2) is that of (A^(1/2) B A^(1/2))^(1/2), which is symmetric
    values = np.linalg.eigvalsh(root @ other @ root)
    gap = np.sum((mean - fake_features.mean(0)) ** 2)
    cross = np.sqrt(np.maximum(values, 0)).sum()
    return float(gap + np.trace(covariance) + np.trace(other) - 2 * cross)


def frechet_with_error(real, fake_features, n_groups=10):
    """Return the Fréchet distance and its standard error, by leaving out a tenth in turn."""
    groups = np.arange(len(fake_features)) * n_groups // len(fake_features)  # each of all classes
    left = [frechet(real, fake_features[groups != k]) for k in range(n_groups)]
    error = np.sqrt((n_groups - 1) * np.var(left))  # the jackknife, Efron and Stein 1981
    return frechet(real, fake_features), float(error)


def kernel_distance(real_features, fake_features):
    """Return the kernel distance of Bińkowski et al. 2018 and its standard error.

    It is the mean over blocks of the unbiased squared maximum mean discrepancy for the kernel
    (x y / d + 1)^3. It can be a little below 0.
    """
    n = min(len(real_features), len(fake_features))
    size = min(BLOCK, n // 2)
    values = []
    for start in range(0, n - size + 1, size):
        x, y = real_features[start : start + size], fake_features[start : start + size]
        xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        within = sum((k.sum() - np.trace(k)) / (size * (size - 1)) for k in (xx, yy))
        values.append(within - 2 * xy.mean())
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def squared_distances(x, y):
    """Return the squared Euclidean distances (n, m) between rows; slightly rounded."""
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0)


def blocks(x):
    """Return the parts of x, BLOCK rows each."""
    return [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]


def radii(features, k):
    """Return the squared distance of each row to its k-th nearest other row, (n,)."""
    k = min(k, len(features) - 1)
    parts = [np.partition(squared_distances(x, features), k, 1)[:, k] for x in blocks(features)]
    return np.concatenate(parts)


def manifold_figures(real_features, fake_features, real_radii, k=5):
    """Return precision, recall (Kynkäänniemi et al. 2019), density, coverage (Naeem et al. 2020).

    `real_radii` is radii(real_features, k). An image lies in the manifold of a set if it is nearer
    to one of the set than that one's k-th neighbour.
    """
    fake_radii, inside = radii(fake_features, k), np.zeros(len(real_features), bool)
    covered, precise, dense = inside.copy(), [], []
    for x, limits in zip(blocks(fake_features), blocks(fake_radii), strict=True):
        distances = squared_distances(real_features, x)  # (real, fake)
        within = distances <= real_radii[:, None]
        precise.append(within.any(0))
        dense.append(within.sum(0) / k)
        covered |= within.any(1)
        inside |= (distances <= limits).any(1)
    return {
        "precision": float(np.concatenate(precise).mean()),
        "recall": float(inside.mean()),
        "density": float(np.concatenate(dense).mean()),
        "coverage": float(covered.mean()),
    }


def nearest(images, others):
    """Return for each image the index of the nearest of the others, and the distance to it."""
    x, y = (np.reshape(a, (len(a), -1)) for a in (images, others))
    indices, found = [], []
    for part in blocks(x):
        distances = np.concatenate([squared_distances(part, other) for other in blocks(y)], 1)
        indices.append(distances.argmin(1))
        found.append(distances.min(1))
    return np.concatenate(indices), np.sqrt(np.concatenate(found) / x.shape[1])


def repetition(images):
    """Return the median distance of an image to the nearest other one of the same set."""
    x = np.reshape(images, (len(images), -1))
    return float(np.sqrt(np.median(radii(x, 1)) / x.shape[1]))


def entropy(shares):
    """Return the entropy, in bits, of the shares of the classes (n_classes,)."""
    shares = shares[shares > 0]
    return float((shares * np.log2(1 / shares)).sum())


def best_map(table):
    """Return the class of each category, one to one, for which most images agree.

    `table` (n, n), n at most 12, counts images. Category by category, only the best way to give
    away each set of classes is kept (Held and Karp 1962).
    """
    best = {0: (0, [])}  # by the set of classes given away, as bits: images that agree, the classes
    for counts in table.tolist():
        longer = {}
        for taken, (agreeing, classes) in best.items():
            for k in (k for k in range(len(table)) if not taken >> k & 1):
                candidate = agreeing + counts[k], [*classes, k]
                longer[taken | 1 << k] = max(longer.get(taken | 1 << k, candidate), candidate)
        best = longer
    return next(iter(best.values()))[1]


def rank_correlation(x, y):
    """Return Spearman's rank correlation of two arrays (n,) in [-1, 1]."""
    ranks = [np.argsort(np.argsort(a)) for a in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1])


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
