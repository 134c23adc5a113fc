"""The scores of one generator: samples of it, seen by the judge, against the real images."""

import numpy as np

import evaluation.figures as figures
import generate
from evaluation.judge import ask
from generator_files import find_inputs, part_columns

N_COMPARED = 2000  # images whose nearest training image is looked for
N_SHOWN = 10  # of them, as a picture
MOST_CATEGORIES = 12  # for which a map to classes is looked for


def sample(model, about, n, seed):
    """Draw images float32 (n, h, w, c) in [0, 1], their labels (n,) and codes (n, k), and a grid."""
    inputs, classes = find_inputs(model), about["classes"]
    labels = np.resize(range(classes or 1), n)
    batches = generate.draw_images(model, inputs, about, None, labels, seed)
    images, points, _ = (np.concatenate(part) for part in zip(*batches, strict=True))
    codes = points[:, part_columns(about["latent"], "uniform")]
    columns = min(classes, generate.GRID_CLASSES) or 10
    points = None
    if classes:  # a row shares its latent point, a column its class
        points = generate.generate_latent_points(about["latent"], 10, (seed, 0)).repeat(columns, 0)
    shown = np.tile(np.arange(columns) if classes else np.zeros(columns, int), 10)
    if classes:
        generate.set_classes(points, shown, about["latent"])
    batches = generate.draw_images(model, inputs, about, points, shown, seed)
    cells = np.concatenate([batch[0] for batch in batches])
    return images, labels, codes, generate.tile(cells, 10, columns)


class Scorer:
    """Scores samples against RealImages, with a judge of them.

    `n` is how many samples a generator will be asked for; as many training images, drawn with the
    seed, stand for the real ones. `floor` has the scores of real test images.
    """

    def __init__(self, data, judge, n, seed):
        self.data, self.judge = data, judge
        train = np.random.default_rng(seed).permutation(len(data.x_train))[: max(n, N_COMPARED)]
        self.features = ask(judge, data.x_train[train[:n]] / np.float32(255))[1]
        self.spread, self.radii = figures.spread(self.features), figures.radii(self.features, 5)
        self.x_train = data.x_train / np.float32(255)
        x_test = data.x_test[:n] / np.float32(255)
        self.near = np.percentile(figures.nearest(x_test[:N_COMPARED], self.x_train)[1], 1)
        labels = None if data.y_test is None else data.y_test[:n]
        self.floor, _ = self.score(x_test, labels)

    def score(self, images, asked=None, codes=None, categories=0):
        """Score images (n, h, w, c) in [0, 1]: return the scores by name, and details of them.

        `asked` are the classes asked for (n,), or with `categories`, their number, the categories
        of an InfoGAN whose map to classes is unknown. `codes` (n, k) are its continuous codes. What
        cannot be had of such data or of such a generator is left out.
        """
        seen, features = ask(self.judge, images)
        scores = dict(
            zip(
                ("frechet", "frechet_se"),
                figures.frechet_with_error(self.spread, features),
                strict=True,
            )
        )
        kernel = figures.kernel_distance(self.features, features)
        scores |= dict(zip(("kernel", "kernel_se"), kernel, strict=True))
        scores |= figures.manifold_figures(self.features, features, self.radii)
        which, distances = figures.nearest(images[:N_COMPARED], self.x_train)
        scores["near_copies"] = float(np.mean(distances < self.near))
        scores["repetition"] = float(np.median(figures.nearest_other(images)))
        details = {"neighbours": np.concatenate([images[:N_SHOWN], self.x_train[which[:N_SHOWN]]])}
        for k, code in enumerate(np.transpose(codes) if codes is not None else ()):
            for name, measured in zip(
                ("slant", "stroke"), figures.slant_and_stroke(images), strict=True
            ):
                scores[f"code{k + 1}_{name}"] = figures.rank_correlation(code, measured)
        if self.data.y_train is None:
            return scores, details
        n = len(self.data.names)
        shares = np.bincount(self.data.y_train, minlength=n) / len(self.data.y_train)
        histogram, scores["entropy"], missing = figures.class_figures(seen, shares)
        scores["missing"] = len(missing)
        details |= {"histogram": histogram.tolist(), "missing": missing.tolist()}
        if asked is not None:
            table = figures.confusion(asked, seen, categories or n, n)
            details["confusion"] = table.tolist()
            if categories:
                details["map"] = figures.best_map(table)
                asked = np.take(details["map"], asked)
            scores["agreement"] = float(np.mean(asked == seen))
        return scores, details


def asked_classes(about, labels, names):
    """Return what `score` takes as `asked` and `categories` for a generator's labels (n,).

    Its classes are those of the data with the same names; without names those of the same number.
    An InfoGAN without names gave its categories a meaning of its own.
    """
    own = about["class_names"] or (names if len(names) == about["classes"] else [])
    if not own or not set(own) <= set(names):
        return None, 0
    if about["kind"] == "infogan" and not about["class_names"]:
        return (labels, len(names)) if len(names) <= MOST_CATEGORIES else (None, 0)
    return np.take([names.index(name) for name in own], labels), 0
