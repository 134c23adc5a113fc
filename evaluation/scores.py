"""The scores of one generator: samples of it, seen by the judge, against the real images."""

import numpy as np

import generate
from evaluation import figures
from evaluation.judge import ask
from generator_files import find_inputs, part_columns

N_COMPARED = 2000  # images whose nearest training image is looked for
N_SHOWN = 10  # of them, as a picture
MOST_CATEGORIES = 12  # for which a map to classes is looked for


def sample(model, about, n, seed):
    """Draw images (n, h, w, c) in [0, 1], labels (n,), codes (n, k), and a grid to look at."""
    inputs, latent, classes = find_inputs(model), about["latent"], about["classes"]
    labels = np.resize(range(classes or 1), n)
    batches = generate.draw_images(model, inputs, about, None, labels, seed)
    images, points, _ = (np.concatenate(part) for part in zip(*batches, strict=True))
    columns = min(classes, generate.GRID_CLASSES) or 10
    shown, cells = np.tile(np.arange(columns) * (classes > 0), 10), images[: 10 * columns]
    if classes:  # a row shares its latent point, a column its class
        rows = generate.generate_latent_points(latent, 10, (seed, 0)).repeat(columns, 0)
        generate.set_classes(rows, shown, latent, about.get("map"))
        batches = generate.draw_images(model, inputs, about, rows, shown, seed)
        cells = np.concatenate([batch[0] for batch in batches])
    codes = points[:, part_columns(latent, "uniform")]
    return images, labels, codes, generate.tile(cells, 10, columns)


def asked_classes(about, labels, names):
    """Return the classes of the data that labels (n,) ask for, and the number of categories or 0.

    A generator's classes are those of the same name, or without names those of the same number. An
    InfoGAN without names gave its categories a meaning of its own: they are returned as they are.
    Where nothing fits, the first is None.
    """
    own = about["class_names"] or (names if len(names) == about["classes"] else [])
    unknown = about["kind"] == "infogan" and not (about["class_names"] or about.get("map"))
    if not own or not set(own) <= set(names) or (unknown and len(own) > MOST_CATEGORIES):
        return None, 0
    return np.take([names.index(name) for name in own], labels), len(own) if unknown else 0


class Scorer:
    """Scores samples against RealImages, with a judge of them.

    `n` is how many samples a generator will be asked for; as many training images, drawn with the
    seed, stand for the real ones. `floor` has the scores of real test images.
    """

    def __init__(self, data, judge, n, seed):
        self.data, self.judge = data, judge
        self.x_train, x_test = (x / np.float32(255) for x in (data.x_train, data.x_test[:n]))
        some = np.random.default_rng(seed).permutation(len(self.x_train))[:n]
        self.features = ask(judge, self.x_train[some])[1]
        self.spread, self.radii = figures.spread(self.features), figures.radii(self.features, 5)
        self.near = np.percentile(figures.nearest(x_test[:N_COMPARED], self.x_train)[1], 1)
        self.floor, _ = self.score(x_test, data.y_test[:n] if data.names else None)

    def score(self, images, asked=None, codes=(), n_categories=0):
        """Score images (n, h, w, c) in [0, 1]: return the scores by name, and details of them.

        `asked` are the classes asked for (n,), or categories of unknown meaning if there is a
        number of them; `codes` (n, k) are an InfoGAN's. What cannot be had of such data or of such
        a generator is left out.
        """
        (seen, features), names = ask(self.judge, images), self.data.names
        frechet, kernel = ("frechet", "frechet_se"), ("kernel", "kernel_se")
        row = dict(zip(frechet, figures.frechet_with_error(self.spread, features), strict=True))
        distances = figures.kernel_distance(self.features, features)
        row |= dict(zip(kernel, distances, strict=True))
        row |= figures.manifold_figures(self.features, features, self.radii)
        which, distances = figures.nearest(images[:N_COMPARED], self.x_train)
        row["near_copies"] = float(np.mean(distances < self.near))
        row["repetition"] = figures.repetition(images)
        details = {"neighbours": np.concatenate([images[:N_SHOWN], self.x_train[which[:N_SHOWN]]])}
        measured = dict(zip(("slant", "stroke"), figures.slant_and_stroke(images), strict=True))
        for k, code in enumerate(np.transpose(codes), 1):
            for name, value in measured.items():
                row[f"code{k}_{name}"] = figures.rank_correlation(code, value)
        if names:
            drawn, real = (np.bincount(y, minlength=len(names)) for y in (seen, self.data.y_train))
            drawn, real = drawn / drawn.sum(), real / real.sum()
            row["entropy"], details["histogram"] = figures.entropy(drawn), drawn.tolist()
            details["missing"] = np.flatnonzero(drawn < real / 10).tolist()
            row["missing"] = len(details["missing"])
        if asked is not None:
            table = np.zeros((n_categories or len(names), len(names)), int)
            np.add.at(table, (asked, seen), 1)
            details |= {"confusion": table.tolist(), "map": None}
            if n_categories:
                details["map"] = figures.best_map(table)
                asked = np.take(details["map"], asked)
            row["agreement"] = float(np.mean(asked == seen))
        return row, details
