"""The scores of one generator: samples of it, seen by the judge, against the real images."""

import numpy as np

import generate
import latent
from evaluation import figures
from evaluation.judge import ask
from generator_files import code_columns, find_inputs
from sheets import tile

N_COMPARED, N_SHOWN = 2000, 10  # images whose nearest training image is looked for, and shown
MOST_CATEGORIES = 12  # for which a map to classes is looked for


def asked_classes(about, labels, names):
    """Return the classes of the data that labels (n,) ask for, and the number of categories or 0.

    Classes are matched by name, or without names by number, and are None where they do not fit. An
    InfoGAN without names gave its categories a meaning of its own: they are returned as they are.
    """
    own = about["class_names"] or (names if len(names) == about["classes"] else [])
    unknown = about["kind"] == "infogan" and not (about["class_names"] or about.get("map"))
    if not own or not set(own) <= set(names) or (unknown and len(own) > MOST_CATEGORIES):
        return None, 0
    return np.take([names.index(name) for name in own], labels), len(own) if unknown else 0


class Scorer:
    """Scores samples against n training images, with a judge; `floor`: scores of test images."""

    def __init__(self, data, judge, n, seed):
        self.data, self.judge = data, judge
        self.x_train, x_test = (x / np.float32(255) for x in (data.x_train, data.x_test[:n]))
        some = np.random.default_rng(seed).permutation(len(self.x_train))[:n]
        self.features = ask(judge, self.x_train[some])[1]
        self.radii = figures.radii(self.features, 5)
        self.near = np.percentile(figures.nearest(x_test[:N_COMPARED], self.x_train)[1], 1)
        self.floor, _ = self.score(x_test, data.y_test[:n] if data.names else None)

    def score_generator(self, model, about, n, seed):
        """Score n images that a generator draws: classes in turn, each of a point of its own."""
        labels = np.resize(range(about["classes"] or 1), n)
        points = latent.generate_latent_points(about["latent"], range(seed, seed + n))
        latent.set_classes(points, labels, about["latent"], about.get("map"))
        images = generate.draw_images(model, find_inputs(model), about, points, labels)
        images = np.concatenate(list(images))
        codes = points[:, code_columns(about)]
        asked, n_categories = asked_classes(about, labels, self.data.names)
        row, details = self.score(images, asked, codes, n_categories)
        columns = min(about["classes"], generate.GRID_CLASSES) or 10
        return row, details | {"grid": tile(images[: 10 * columns], 10, columns)}

    def score(self, images, asked=None, codes=(), n_categories=0):
        """Score images (n, h, w, c) in [0, 1]: return the scores by name, and details of them.

        `asked` (n,) are the classes asked for, or if there is a number of them an InfoGAN's
        categories, and `codes` (n, k) its codes. What such data cannot tell is left out.
        """
        (seen, features), names = ask(self.judge, images), self.data.names
        row = {"frechet": figures.frechet(self.features, features)}
        row["frechet_se"] = figures.frechet_error(self.features, features)
        row["kernel"], row["kernel_se"] = figures.kernel_distance(self.features, features)
        row |= figures.manifold_figures(self.features, features, self.radii)
        which, distances = figures.nearest(images[:N_COMPARED], self.x_train)
        row["near_copies"] = np.mean(distances < self.near)
        row["repetition"] = figures.repetition(images)
        pairs = np.concatenate([images[:N_SHOWN], self.x_train[which[:N_SHOWN]]])
        details = {"neighbours": tile(pairs, 2, N_SHOWN)}
        for name, value in zip(("slant", "stroke"), figures.slant_and_stroke(images), strict=True):
            for k, code in enumerate(np.transpose(codes), 1):
                row[f"code{k}_{name}"] = figures.rank_correlation(code, value)
        if not names:
            return row, details
        drawn, real = (np.bincount(y, None, len(names)) / len(y) for y in (seen, self.data.y_train))
        row["entropy"] = -np.sum(drawn * np.log2(np.maximum(drawn, 1e-9)))
        details["missing"] = np.flatnonzero(drawn < real / 10).tolist()
        row["missing"] = len(details["missing"])
        table = np.zeros((1 if asked is None else n_categories or len(names), len(names)), int)
        np.add.at(table, (0 if asked is None else asked, seen), 1)
        details |= {"confusion": table.tolist(), "map": None, "histogram": drawn.tolist()}
        if n_categories:
            details["map"] = figures.best_map(table)
            asked = np.take(details["map"], asked)
        if asked is not None:
            row["agreement"] = np.mean(asked == seen)
        return row, details
