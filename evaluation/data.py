"""The real images that snapshots are judged by: a training and a test part, labelled or not."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

DATASETS = {(28, 28, 1): keras.datasets.mnist, (32, 32, 3): keras.datasets.cifar10}
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


@dataclass
class RealImages:
    """uint8 images (n, height, width, channels), labels int (n,) or None, names of the classes."""

    x_train: np.ndarray
    y_train: np.ndarray | None
    x_test: np.ndarray
    y_test: np.ndarray | None
    names: list


def read_folder(path, shape):
    """Read the pictures in and under a folder, as the scripts do: images, and folders as labels."""
    mode, images, labels = "grayscale" if shape[2] == 1 else "rgb", [], []
    for file in sorted(p for p in Path(path).rglob("*") if p.suffix.lower() in PICTURES):
        try:
            picture = keras.utils.load_img(file, mode, shape[:2], "lanczos", True)
            images.append(np.reshape(picture, shape))
        except OSError:
            raise OSError(f"{file.name} is no picture") from None
        labels.append(file.parent.name)
    return {"x_train": np.array(images, np.uint8), "y_train": np.array(labels)}


def load_real_images(path, shape):
    """Load images of `shape` (height, width, channels): from .npz, a folder, or keras.datasets.

    Without a test part every tenth image is held out; labels that are all the same are left out.
    Raises ValueError, in one line, for anything else than at least 20 such images.
    """
    try:
        if path is None:
            (x, y), (x_test, y_test) = DATASETS[shape].load_data()
            arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
        elif Path(path).is_dir():
            arrays = read_folder(path, shape)
        else:
            with np.load(path) as file:
                arrays = {key: file[key] for key in file.files if key[:2] in ("x_", "y_")}
        x, y = arrays["x_train"], arrays.get("y_train")
    except Exception as error:  # those of NumPy, Keras and Pillow have nothing in common
        advice = "give --data an .npz file with x_train, or a folder of pictures"
        raise ValueError(f"{path or 'keras.datasets'}: {error}: {advice}") from error
    x_test, y_test = arrays.get("x_test", ()), arrays.get("y_test", ())
    if y is not None and (len(y) != len(x) or len(np.unique(y)) < 2):
        y = None
    labelled = len(y_test) == len(x_test) and (y is None or np.isin(y_test, y).all())
    if len(x_test) < 2 or (y is not None and not labelled):
        held = np.arange(len(x)) % 10 == 9
        x, x_test = x[~held], x[held]
        y, y_test = (None, None) if y is None else (y[~held], y[held])
    for part in x, x_test:
        if part.dtype != np.uint8 or (*part.shape[1:], 1)[:3] != shape or len(x) < 18:
            advice = f"give --data at least 20 uint8 images of {shape}"
            raise ValueError(f"{path}: {part.dtype} {part.shape} does not fit here: {advice}")
    x, x_test = x.reshape(-1, *shape), x_test.reshape(-1, *shape)
    if y is None:
        return RealImages(x, None, x_test, None, [])
    names, y = np.unique(np.ravel(y), return_inverse=True)
    return RealImages(x, y, x_test, np.searchsorted(names, np.ravel(y_test)), [*map(str, names)])
