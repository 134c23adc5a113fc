"""The scores of one generator: samples of it, seen by the judge, against the real images."""

import numpy as np

from evaluation import figures
from evaluation.judge import ask, shrink
from sampling import draw, points
from sampling.sheets import tile

N_COMPARED = 2000  # images whose nearest training image is looked for
N_SHOWN = 10  # of them, above their neighbours
MOST_CATEGORIES = 12  # for which a map to classes is looked for
ROWS = 10  # of the sheet that shows a generator's images
MOST_COLUMNS = 20  # of that sheet, where a column is a class
WIDEST = 1400  # pixels a side of such sheets: of large images they show fewer


def asked_classes(about, labels, names):
    """Return the classes of the data that labels (n,) ask for, and the number of categories or 0.

    Classes are matched by name, or without names by number, and are None where they do not fit. An
    InfoGAN without names gave its categories a meaning of its own: they are returned as they are.
    """
    own = about["class_names"]
    if not own and len(names) == about["classes"]:
        own = names
    if not own or not set(own) <= set(names):
        return None, 0
    n_categories = 0
    if about["kind"] == "infogan" and not about["class_names"] and not about.get("map"):
        n_categories = len(own)
    if n_categories > MOST_CATEGORIES:
        return None, 0
    numbers = [names.index(name) for name in own]
    return np.take(numbers, labels), n_categories


def count_seen(seen, asked, n_rows, n_classes):
    """Return a table (n_rows, n_classes) that counts images by what was asked for and is seen.

    Both are int (n,); without `asked`, which is None then, all are in the first row.
    """
    table = np.zeros((n_rows, n_classes), int)
    rows = 0 if asked is None else asked
    np.add.at(table, (rows, seen), 1)
    return table


def sheet_size(about, height, width):
    """Return rows and columns of the sheet that shows a generator's images, of this size."""
    columns = 10
    if about["classes"]:
        columns = min(about["classes"], MOST_COLUMNS)
    return min(ROWS, fitting(height)), min(columns, fitting(width))


def fitting(side):
    """Return how many images with a side of so many pixels fit into a sheet: one at least."""
    return max(1, WIDEST // side)


class Scorer:
    """Scores samples against n training images, with a judge; `floor`: scores of test images.

    All of them are no larger than the judge looks at: what `shrink` makes of images.
    """

    def __init__(self, data, judge, n, seed):
        self.data = data  # a RealImages
        self.judge = judge
        self.x_train = data.x_train / np.float32(255)
        x_test = data.x_test[:n] / np.float32(255)
        some = np.random.default_rng(seed).permutation(len(self.x_train))[:n]
        _, self.features = ask(judge, self.x_train[some])
        self.radii = figures.radii(self.features, 5)
        _, distances = figures.nearest(x_test[:N_COMPARED], self.x_train)
        self.near = np.percentile(distances, 1)  # nearer are near copies
        y_test = data.y_test[:n] if data.names else None
        self.floor, _ = self.score(x_test, y_test)

    def score_generator(self, model, about, n, seed):
        """Score n images that a generator draws: classes in turn, each of a point of its own.

        Returns what `score` returns; the details have a sheet of the first images, "grid", too.
        Raises GeneratorFileError where the generator does not run.
        """
        labels = np.resize(range(max(about["classes"], 1)), n)
        drawn = points.generate_latent_points(about["latent"], range(seed, seed + n))
        points.set_classes(drawn, labels, about)
        rows, columns = sheet_size(about, *self.data.pictures.shape[1:3])
        n_kept = max(rows * columns, N_SHOWN)
        kept = []  # the first ones, in full size
        smaller = []  # all of them
        for batch in draw.draw_images(model, about, drawn, labels):
            kept.extend(batch[: n_kept - len(kept)])
            smaller.append(shrink(batch))
        codes = drawn[:, points.code_columns(about)]
        asked, n_categories = asked_classes(about, labels, self.data.names)
        row, details = self.score(np.concatenate(smaller), asked, codes, n_categories)
        details["grid"] = tile(np.stack(kept[: rows * columns]), rows, columns)
        details["neighbours"] = self.show_neighbours(kept, details.pop("nearest"))
        return row, details

    def show_neighbours(self, images, nearest):
        """Return a sheet of the first images, a list, above the training images nearest to them.

        `nearest` has the numbers of these.
        """
        shown = min(N_SHOWN, fitting(images[0].shape[1]))
        below = self.data.pictures[nearest[:shown]] / np.float32(255)
        return tile(np.concatenate([images[:shown], below]), 2, shown)

    def score(self, images, asked=None, codes=None, n_categories=0):
        """Score images (n, h, w, c) in [0, 1]: return the scores by name, and details of them.

        `asked` (n,) are the classes asked for, or if there is a number of them an InfoGAN's
        categories, and `codes` (n, k) its codes. What such data cannot tell is left out.
        """
        seen, features = ask(self.judge, images)
        row = self.score_features(features)
        near_row, nearest = self.score_pixels(images)
        row |= near_row
        if codes is not None:
            row |= score_codes(images, codes)
        details = {"nearest": nearest}
        if self.data.names:
            class_row, class_details = self.score_classes(seen, asked, n_categories)
            row |= class_row
            details |= class_details
        return row, details

    def score_features(self, features):
        """Return the scores by name that rest on the features (n, d) of samples."""
        kernel, kernel_error = figures.kernel_distance(self.features, features)
        row = {
            "frechet": figures.frechet(self.features, features),
            "frechet_se": figures.frechet_error(self.features, features),
            "kernel": kernel,
            "kernel_se": kernel_error,
        }
        return row | figures.manifold_figures(self.features, features, self.radii)

    def score_pixels(self, images):
        """Return the scores by name that rest on pixels, and the nearest training images."""
        nearest, distances = figures.nearest(images[:N_COMPARED], self.x_train)
        row = {
            "near_copies": np.mean(distances < self.near),
            "repetition": figures.repetition(images),
        }
        return row, nearest

    def score_classes(self, seen, asked, n_categories):
        """Return scores and details, by name, of the classes (n,) that the judge sees.

        `asked` and `n_categories` are those of `score`.
        """
        n_classes = len(self.data.names)
        drawn = np.bincount(seen, minlength=n_classes) / len(seen)
        real = np.bincount(self.data.y_train, minlength=n_classes) / len(self.data.y_train)
        missing = np.flatnonzero(drawn < real / 10).tolist()
        row = {
            "entropy": -np.sum(drawn * np.log2(np.maximum(drawn, 1e-9))),
            "missing": len(missing),
        }
        if asked is None:
            n_rows = 1
        elif n_categories:
            n_rows = n_categories
        else:
            n_rows = n_classes
        table = count_seen(seen, asked, n_rows, n_classes)
        meaning = None  # the class of each category
        if n_categories:
            meaning = figures.best_map(table)
            asked = np.take(meaning, asked)
        if asked is not None:
            row["agreement"] = np.mean(asked == seen)
        details = {
            "missing": missing,
            "confusion": table.tolist(),
            "map": meaning,
            "histogram": drawn.tolist(),
        }
        return row, details


def score_codes(images, codes):
    """Return how codes (n, k) go with the slant and the stroke of images, by name."""
    slant, stroke = figures.slant_and_stroke(images)
    row = {}
    for name, measured in (("slant", slant), ("stroke", stroke)):
        for k, code in enumerate(codes.T, 1):
            row[f"code{k}_{name}"] = figures.rank_correlation(code, measured)
    return row
