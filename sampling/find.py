"""Which latent point draws a given picture: search for it from many points at once.

A gradient says how a point has to move for its image to come nearer to the picture. Many points
are moved at first, since one gets stuck; then the best of them. What no point comes near to, the
generator cannot draw: it may have dropped it (docs/exploring.md). Sources: Lipton and Tripathi
2017, arXiv:1702.04782; Creswell and Bharath 2018, arXiv:1611.05644.
"""

import collections
import math

import numpy as np
from PIL import Image, ImageOps

from sampling.files import find_inputs, image_shape, start_tensorflow
from sampling.points import generate_latent_points, part_columns, set_classes

N_POINTS = 80  # to begin with, or more, so that each class has as many
FEWEST = 8  # of larger images than 64x64, for memory's sake
ROUNDS = ((50, 20), (150, 1))  # so many steps, after which so many points, the best, stay
RATE = 0.1  # Adam's
N_STEPS = sum(n_steps for n_steps, _ in ROUNDS)
# A latent point (width,), its class, its image (h, w, c) in [0, 1], the picture looked for, whether
# it is inverted, and the distance between both: the root of the mean squared difference of their
# pixels, 1 being the whole range of a pixel
Found = collections.namedtuple("Found", "point label image picture inverted distance")


class PictureError(ValueError):
    """A picture that cannot be read; the text is one line for the user."""


def read_picture(path, shape):
    """Read a picture as the training scripts do: return float32 (height, width, channels), 0 to 1.

    It is turned as its EXIF says, laid on white where it is transparent, cropped in its centre and
    resized to `shape`. Raises PictureError.
    """
    height, width, channels = shape
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # grey, of 16 bits
                picture = scale_to_bytes(np.asarray(picture))
            if picture.mode == "F":
                raise ValueError("pixels that are floats, whose range is not known")
            if picture.has_transparency_data:
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture.convert("RGBA"))
            picture = picture.convert("L" if channels == 1 else "RGB")
            picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    except Exception as error:  # those of Pillow have nothing in common
        raise PictureError(f"{path} is no picture that can be read: {error}") from None
    return np.asarray(picture, np.float32).reshape(shape) / 255


def scale_to_bytes(grey):
    """Return grey pixels (h, w) of 16 bits as a picture of 8."""
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError("pixels of more than 16 bits")
    return Image.fromarray(np.rint(grey / 257).astype(np.uint8))


def match_ground(picture, images):
    """Invert a grey picture (h, w, 1) if its ground is then that of the images (n, h, w, 1).

    Returns the picture, and whether it is inverted. People draw dark on white, MNIST is light on
    black; the ground is what stands along the edges.
    """
    if picture.shape[-1] != 1:
        return picture, False
    edges = np.ones(picture.shape, bool)
    edges[1:-1, 1:-1] = False
    ground = images[:, edges].mean()
    own = picture[edges].mean()
    inverted = abs(1 - own - ground) < abs(own - ground)
    return (1 - picture if inverted else picture), inverted


class Search:
    """Points (n, width) of the classes (n,), moved so that their images come near to a picture."""

    def __init__(self, model, about, points, labels):
        self.tf = start_tensorflow()
        self.model = model
        self.about = about
        self.labels = labels
        self.points = self.tf.Variable(points)
        self.held = np.ones(points.shape[1], np.float32)
        self.held[part_columns(about["latent"], "one-hot")] = 0  # a class is not half another

    def draw(self):
        """Return the images (n, h, w, c) of the points, in [0, 1], as a tensor."""
        latent, label = find_inputs(self.model)
        feed = [None] * len(self.model.inputs)
        feed[latent] = self.tf.reshape(self.points, (-1, *self.model.inputs[latent].shape[1:]))
        if label is not None:
            declared = self.model.inputs[label]
            labels = self.labels.reshape(-1, *declared.shape[1:])
            feed[label] = self.tf.constant(labels, declared.dtype)
        output = self.model(feed if len(feed) > 1 else feed[0], training=False)
        images = self.tf.reshape(output, (-1, *image_shape(self.model.output_shape)))
        low, high = self.about["pixel_range"]
        return (self.tf.cast(images, "float32") - low) / (high - low)

    def distances(self, picture):
        """Return the mean squared difference (n,) of each image and the picture, as a tensor."""
        return self.tf.reduce_mean((self.draw() - picture) ** 2, axis=(1, 2, 3))

    def move(self, picture, n_steps, after_step):
        """Move the points for n_steps of Adam; call after_step() after each."""
        import keras

        optimizer = keras.optimizers.Adam(RATE)
        optimizer.build([self.points])

        @self.tf.function
        def step():
            with self.tf.GradientTape() as tape:
                distances = self.distances(picture)
            gradient = tape.gradient(distances, self.points)
            optimizer.apply([gradient * self.held])

        for _ in range(n_steps):
            step()
            self.points.assign(self.bring_back(self.points.numpy()))
            after_step()

    def bring_back(self, points):
        """Return points with noise as long as it is likely to be, and codes within [-1, 1].

        Normal noise of n numbers has a length near the root of n.
        """
        normal = part_columns(self.about["latent"], "normal")
        lengths = np.linalg.norm(points[:, normal], axis=1, keepdims=True)
        points[:, normal] *= math.sqrt(len(normal)) / np.maximum(lengths, 1e-9)
        uniform = part_columns(self.about["latent"], "uniform")
        points[:, uniform] = points[:, uniform].clip(-1, 1)
        return points


def begin(about, shape, classes, seed):
    """Return the points (n, width) and classes (n,) with which a search begins.

    As many of each class, or of no class where `classes` is empty; seeds count on from `seed`.
    """
    height, width, _ = shape
    n_points = max(FEWEST, min(N_POINTS, N_POINTS * 64 * 64 // (height * width)))
    classes = classes or [0]
    labels = np.repeat(classes, math.ceil(n_points / len(classes)))
    points = generate_latent_points(about["latent"], range(seed, seed + len(labels)))
    set_classes(points, labels, about)
    return points, labels


def find_point(model, about, picture, classes, seed, after_step=lambda: None):
    """Return the Found whose image is nearest to `picture` (h, w, c) in [0, 1].

    It is one of `classes`, a list, which is empty where the generator has none; its search begins
    with points of the seeds from `seed` on. `after_step` is called after each of N_STEPS steps.
    """
    points, labels = begin(about, picture.shape, classes, seed)
    images = Search(model, about, points, labels).draw().numpy()
    picture, inverted = match_ground(picture, images)
    for n_steps, n_kept in ROUNDS:
        search = Search(model, about, points, labels)
        search.move(picture, n_steps, after_step)
        best = np.argsort(search.distances(picture).numpy())[:n_kept]
        points = search.points.numpy()[best]
        labels = labels[best]
    image = Search(model, about, points, labels).draw().numpy()[0].clip(0, 1)
    distance = math.sqrt(np.mean((image - picture) ** 2))
    return Found(points[0], int(labels[0]), image, picture, inverted, distance)
