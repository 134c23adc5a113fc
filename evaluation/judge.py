"""The judge: a small classifier of real images, whose features and classes the figures rest on.

Trained once for a set of data, it is kept in the cache folder of Keras (~/.keras/judges, or below
KERAS_HOME) under the hash of the data and of this file.
"""

import hashlib
import os
from pathlib import Path

import keras
import numpy as np
from keras import layers

BATCH_SIZE = 128
EPOCHS = {1: 4, 3: 8}  # by channels of the image; of few images more
WIDTHS = {1: (32, 64, 64, 96), 3: (48, 96, 192, 192)}


def define_judge(shape, n_classes, mirror):
    """Build the judge: image (n, *shape) in [0, 1] -> probabilities (n, n_classes), features."""
    image, grey = keras.Input(shape), shape[2] == 1
    x = layers.Rescaling(2.0, -1.0)(image)
    x = layers.RandomTranslation(0.07, 0.07, "nearest", "nearest", seed=1)(x)  # while it is trained
    x = layers.RandomFlip("horizontal", seed=1)(x) if mirror else x
    for k, width in enumerate(WIDTHS[shape[2]]):
        strides = 2 if grey and k != 1 else 1
        x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
        x = x if grey or k == 3 else layers.MaxPooling2D(2)(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    seen = layers.Dense(n_classes, activation="softmax", name="classes")(features)
    return keras.Model(image, [seen, features], name="judge")


def turned(images, labels):
    """Return images in [0, 1] and labels; without labels turned images, and the quarter turns."""
    if labels is None:
        labels = np.arange(len(images)) % 4
        images = np.stack([np.rot90(x, k) for x, k in zip(images, labels, strict=True)])
    return images / np.float32(255), labels


def train_judge(data):
    """Train a judge on the training part of RealImages; return it, and its test accuracy."""
    x, y = turned(data.x_train, data.y_train)
    epochs = EPOCHS[x.shape[3]] * max(1, round(10_000 / len(x)))
    steps = (len(x) // BATCH_SIZE + 1) * epochs
    keras.utils.set_random_seed(1)
    mirror = x.shape[3] == 3 and data.y_train is not None  # photographs, unlike letters
    judge = define_judge(x.shape[1:], int(y.max()) + 1, mirror)
    rise = {"warmup_target": 0.004, "warmup_steps": steps // 10 + 1}
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, **rise)
    judge.compile(keras.optimizers.Adam(rate), ["sparse_categorical_crossentropy", None])
    judge.fit(x, y, BATCH_SIZE, epochs, verbose=2)
    x, y = turned(data.x_test, data.y_test)
    return judge, float(np.mean(ask(judge, x)[0] == y))


def ask(judge, images):
    """Return for images (n, h, w, c) in [0, 1] the classes the judge sees, and its features."""
    answers = [judge(images[k : k + 500], training=False) for k in range(0, len(images), 500)]
    seen = np.concatenate([np.argmax(probabilities, 1) for probabilities, _ in answers])
    return seen, np.concatenate([features for _, features in answers]).astype(float)


def find_judge(data):
    """Return the judge for this data and its accuracy: the one in the cache, or a new one."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        digest.update(b"" if array is None else np.ascontiguousarray(array))
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "judges")
    path, note = (folder / f"{digest.hexdigest()[:16]}.{suffix}" for suffix in ("keras", "txt"))
    if not note.exists():
        print("Training a judge on the real images; it is kept for the next time")
        folder.mkdir(parents=True, exist_ok=True)
        judge, accuracy = train_judge(data)
        judge.save(path)
        note.write_text(str(accuracy))  # last: without it a judge is not whole
    return keras.models.load_model(path, compile=False), float(note.read_text())
