"""The real images that snapshots are judged by: a training and a test part, labelled or not.

Files and folders are read by the functions of a training script, so that a generator is compared
with what it was trained on: cropped, resized, and laid on white in the same way.
"""

import contextlib
from collections import namedtuple
from pathlib import Path

import keras
import numpy as np

import mnist_gan
from evaluation.judge import shrink

DATASETS = {(28, 28, 1): keras.datasets.mnist, (32, 32, 3): keras.datasets.cifar10}
LEAST = 100  # images, of which every tenth is held out
LEAST_TRAINING = 90
LEAST_TEST = 10  # of those that are a test part already
# What is judged, uint8 (n, height, width, channels), of at most 32x32 pixels, and its labels, int64
# (n,), or None; the names of the classes; the training images in full size; lines for the user
RealImages = namedtuple("RealImages", "name x_train y_train x_test y_test names pictures notes")


def load_real_images(path, shape):
    """Load images for generators of `shape` (height, width, channels), of any size.

    They are those of an .npz file or a folder, or of keras.datasets where `path` is None. Without a
    test part every tenth image is held out. What was done to them is printed. Raises ValueError, in
    one line, for what cannot be read, and for too few images.
    """
    notes = []
    if path is None:
        source = Path("keras.datasets")
        x, y, names, x_test, y_test = read_dataset(shape)
    else:
        source = Path(path)
        x = mnist_gan.read_images(source, shape)
        y, names = read_labels(source, len(x), notes)
        x_test, y_test = read_test_part(source, shape, names, notes)
    if x_test is None:
        x, y, x_test, y_test = split(x, y, notes)
    if y is None:
        names = []
    n = len(x) + len(x_test)
    if n < LEAST or len(x) < LEAST_TRAINING:
        few = f"{n} images, {len(x)} of them to train on, are too few to judge by"
        raise ValueError(f"{source}: {few}: give --data at least {LEAST}")
    return RealImages(source.name, shrink(x), y, shrink(x_test), y_test, names, x, notes)


def read_dataset(shape):
    """Return the data set of Keras that has images of this shape.

    That is the images, their labels and the names of these, the test images and their labels.
    """
    if shape not in DATASETS:
        height, width, channels = shape
        raise mnist_gan.unusable("keras.datasets", f"no images of {width}x{height}x{channels}")
    (x, y), (x_test, y_test) = mnist_gan.download(DATASETS[shape])
    names = [str(label) for label in np.unique(y)]
    y = np.ravel(y).astype(np.int64)
    y_test = np.ravel(y_test).astype(np.int64)
    return x.reshape(-1, *shape), y, names, x_test.reshape(-1, *shape), y_test


def read_labels(path, n, notes):
    """Return the labels of the n images of a file or folder, and the names of their classes.

    They are None and [] where there are none, or all are the same. The list `notes` is told where
    they cannot be used.
    """
    try:
        if not tells_classes(path):
            return None, []
        with contextlib.redirect_stdout(None):  # the numbers of the classes are of no use here
            labels, names = mnist_gan.load_labels(path)
        if len(labels) != n:
            raise mnist_gan.Refusal(f"{path}: {n} images have {len(labels)} labels")
    except mnist_gan.Refusal as error:
        notes.append(f"the labels are left out: {error}")
        return None, []
    return labels.astype(np.int64), names


def tells_classes(path):
    """Say whether a folder has pictures of several classes, or a file different labels."""
    if path.is_dir():
        pictures, _ = mnist_gan.list_pictures(path)
        return len({picture.parent.name for picture in pictures}) > 1
    if not set(mnist_gan.ARRAYS["labels"]) & set(list_arrays(path)):
        return False
    return len(np.unique(mnist_gan.read_array(path, mnist_gan.ARRAYS["labels"]))) > 1


def list_arrays(path):
    """Return the names of the arrays in an .npz file; a folder or an .npy file has none."""
    if path.is_dir():
        return []
    arrays = np.load(path, mmap_mode="r")  # that of an .npy file need not be read
    if isinstance(arrays, np.ndarray):
        return []
    with arrays:
        return arrays.files


def read_test_part(path, shape, names, notes):
    """Return x_test and, where the classes have names, y_test of a file; or None and None.

    The list `notes` is told where they cannot be used.
    """
    if "x_test" not in list_arrays(path):
        return None, None
    array = mnist_gan.read_array(path, ["x_test"])
    if array.ndim == 0 or len(array) < LEAST_TEST:
        notes.append(f"the test part is left out: it has fewer than {LEAST_TEST} images")
        return None, None
    images, _ = mnist_gan.fit_array(path, array, shape)
    if not names:
        return images, None
    try:
        labels = mnist_gan.flat_labels(path, np.atleast_1d(mnist_gan.read_array(path, ["y_test"])))
        numbers = mnist_gan.number_labels(path, labels, names)
        if len(numbers) != len(images):
            raise mnist_gan.Refusal(f"{path}: {len(images)} test images have {len(numbers)} labels")
    except mnist_gan.Refusal as error:
        notes.append(f"the test part is left out: {error}")
        return None, None
    return images, numbers.astype(np.int64)


def split(x, y, notes):
    """Hold every tenth image out, but of no class the only ones: return x, y, x_test, y_test.

    Where there are no labels `y` they are None. So they are where hardly a class has a second image
    to be held out, of which the list `notes` is told.
    """
    tenth = np.arange(len(x)) % 10 == 9
    if y is None:
        return x[~tenth], None, x[tenth], None
    only = np.setdiff1d(y, y[~tenth])  # classes of which nothing would be left to train on
    held = tenth & ~np.isin(y, only)
    if held.sum() < tenth.sum() / 2:
        notes.append("the labels are left out: too few classes have a second image")
        return split(x, None, notes)
    return x[~held], y[~held], x[held], y[held]
