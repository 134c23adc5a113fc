"""The real images that snapshots are judged by: a training and a test part, labelled or not."""

from collections import namedtuple
from pathlib import Path

import keras
import numpy as np

DATASETS = {(28, 28, 1): keras.datasets.mnist, (32, 32, 3): keras.datasets.cifar10}
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")  # as the scripts take them
# uint8 images (n, height, width, channels), labels int (n,) or None, names of the classes
RealImages = namedtuple("RealImages", "name x_train y_train x_test y_test names")


def load_real_images(path, shape):
    """Load images of `shape` (height, width, channels): from .npz, a folder, or keras.datasets.

    Without a test part every tenth image is held out; labels that are all the same are left out.
    Raises ValueError, in one line, for anything else than at least 20 such images.
    """
    source = Path(path or "keras.datasets")  # what an error names: one picture, if unreadable
    name, images, labels, mode = source.name, [], [], "grayscale" if shape[2] == 1 else "rgb"
    try:
        if path is None:
            (x, y), (x_test, y_test) = DATASETS[shape].load_data()
            arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
        elif source.is_dir():  # read as the scripts read it; the folder of a picture is its class
            for source in sorted(Path(path).rglob("*")):
                if source.suffix.lower() in PICTURES:
                    picture = keras.utils.load_img(source, mode, shape[:2], "lanczos", True)
                    images.append(np.array(picture))
                    labels.append(source.parent.name)
            arrays = {"x_train": np.array(images, np.uint8), "y_train": np.array(labels)}
        else:
            arrays = np.load(source)
        x, y = arrays["x_train"], arrays.get("y_train", ())
        x_test, y_test = arrays.get("x_test", ()), arrays.get("y_test", ())
    except Exception as error:  # those of NumPy, Keras and Pillow have nothing in common
        advice = "give --data an .npz file with x_train, or a folder of pictures"
        raise ValueError(f"{source}: {error}: {advice}") from error
    labelled = len(y) == len(x) and len(np.unique(y)) > 1
    known = not labelled or (len(y_test) == len(x_test) and np.isin(y_test, y).all())
    held = np.arange(len(x)) % 10 == 9
    if len(x_test) < 2 or not known:
        x, x_test = x[~held], x[held]
        y, y_test = (y[~held], y[held]) if labelled else (y, y_test)
    for part in x, x_test:
        if part.dtype != np.uint8 or (*part.shape[1:], 1)[:3] != shape or len(x) < 18:
            advice = f"give --data at least 20 uint8 images of {shape}"
            raise ValueError(f"{source}: {part.dtype} {part.shape} does not fit here: {advice}")
    x, x_test = x.reshape(-1, *shape), x_test.reshape(-1, *shape)
    if not labelled:
        return RealImages(name, x, None, x_test, None, [])
    names, y = np.unique(np.ravel(y), return_inverse=True)
    y_test = np.searchsorted(names, np.ravel(y_test))
    return RealImages(name, x, y, x_test, y_test, [*map(str, names)])
