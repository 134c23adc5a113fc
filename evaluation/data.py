"""The real images that snapshots are judged by: a training and a test part, labelled or not."""

import contextlib
from collections import namedtuple
from pathlib import Path

import keras
import numpy as np

DATASETS = {(28, 28, 1): keras.datasets.mnist, (32, 32, 3): keras.datasets.cifar10}
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")  # as the scripts take them
LEAST_TRAINING = 18  # of 20 images, of which every tenth is held out
LEAST_TEST = 2
# uint8 images (n, height, width, channels), labels int (n,) or None, names of the classes
RealImages = namedtuple("RealImages", "name x_train y_train x_test y_test names")


def load_real_images(path, shape):
    """Load images of `shape` (height, width, channels): from .npz, a folder, or keras.datasets.

    Without a test part every tenth image is held out; labels that are all the same are left out.
    Raises ValueError, in one line, for anything else than at least 20 such images.
    """
    source = Path(path or "keras.datasets")
    with reading(source):
        is_folder = source.is_dir()
    if path is None:
        arrays = read_dataset(source, shape)
    elif is_folder:
        arrays = read_folder(source, shape)
    else:
        arrays = read_arrays(source)
    x, y, x_test, y_test = split(
        arrays["x_train"],
        arrays.get("y_train", ()),
        arrays.get("x_test", ()),
        arrays.get("y_test", ()),
    )
    x = check_images(source, x, shape, LEAST_TRAINING)
    x_test = check_images(source, x_test, shape, LEAST_TEST)
    if y is None:
        return RealImages(source.name, x, None, x_test, None, [])
    classes, y = np.unique(y, return_inverse=True)
    y_test = np.searchsorted(classes, y_test)
    return RealImages(source.name, x, y, x_test, y_test, [str(name) for name in classes])


@contextlib.contextmanager
def reading(source):
    """Make one ValueError, which names the source and what to do, of whatever goes wrong."""
    try:
        yield
    except Exception as error:  # those of NumPy, Keras and Pillow have nothing in common
        advice = "give --data an .npz file with x_train, or a folder of pictures"
        raise ValueError(f"{source}: {error}: {advice}") from error


def read_dataset(source, shape):
    """Return the arrays of the data set of Keras that has images of this shape, by name."""
    with reading(source):
        (x, y), (x_test, y_test) = DATASETS[shape].load_data()
    return {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}


def read_folder(folder, shape):
    """Return the pictures in a folder and below, by name: the folder of a picture is its class.

    They are read as the scripts read them.
    """
    mode = "grayscale" if shape[2] == 1 else "rgb"
    with reading(folder):
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURES]
    images = []
    for path in paths:
        with reading(path):
            picture = keras.utils.load_img(
                path, mode, shape[:2], interpolation="lanczos", keep_aspect_ratio=True
            )
            images.append(np.array(picture))
    classes = [path.parent.name for path in paths]
    return {"x_train": np.array(images, np.uint8), "y_train": np.array(classes)}


def read_arrays(path):
    """Return the arrays of an .npz file that are needed, by name; x_train must be there."""
    with reading(path), np.load(path) as arrays:
        read = {"x_train": np.atleast_1d(arrays["x_train"])}
        for part in ("y_train", "x_test", "y_test"):
            if part in arrays:
                read[part] = np.atleast_1d(arrays[part])
    return read


def split(x, y, x_test, y_test):
    """Return training and test part, each with its labels (n,) or None, as given or newly split.

    The test part that is given is used if there is one, and its labels are known.
    """
    y = np.ravel(y)
    y_test = np.ravel(y_test)
    labelled = len(y) == len(x) and len(np.unique(y)) > 1
    tested = len(x_test) >= LEAST_TEST
    if labelled:
        tested = tested and len(y_test) == len(x_test) and np.isin(y_test, y).all()
    if not labelled:
        y = None
        y_test = None
    if tested:
        return x, y, x_test, y_test
    held = np.arange(len(x)) % 10 == 9
    if not labelled:
        return x[~held], None, x[held], None
    return x[~held], y[~held], x[held], y[held]


def check_images(source, images, shape, least):
    """Return images as (n, *shape); raise ValueError unless they are uint8 and at least so many.

    Grey ones may lack the axis of their channel.
    """
    full = images
    if images.ndim == 3:
        full = images[..., None]
    if full.dtype != np.uint8 or full.shape[1:] != shape or len(full) < least:
        advice = f"give --data at least 20 uint8 images of {shape}"
        raise ValueError(f"{source}: {images.dtype} {images.shape} does not fit here: {advice}")
    return full
