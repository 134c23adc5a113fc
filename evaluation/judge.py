"""The judge: a small classifier of real images, whose features and classes the figures rest on.

Trained once for a set of data, it is kept in the cache folder of Keras (~/.keras/judges, or below
KERAS_HOME) under a hash of the data and of the code that decides how it comes out.
"""

import ast
import hashlib
import inspect
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

BATCH_SIZE = 128
EPOCHS = {1: 4, 3: 8}  # by channels of the image; of few images more, as count_epochs says
MOST_ROUNDS = 10  # times as many at most
LEAST_STEPS = 200  # batches
WIDTHS = {1: (32, 64, 64, 96), 3: (48, 96, 192, 192)}
AT_ONCE = 500  # images, so that memory does not grow with their number
LARGEST = 32  # pixels a side of an image that is judged


def shrink(images):
    """Return images (n, h, w, c), bytes or floats, no larger than the judge looks at.

    Larger ones are made smaller by averaging their pixels.
    """
    height, width = images.shape[1:3]
    size = (min(height, LARGEST), min(width, LARGEST))
    if size == (height, width):
        return images
    smaller = np.empty((len(images), *size, images.shape[3]), images.dtype)
    for start in range(0, len(images), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        averages = tf.image.resize(images[part], size, "area").numpy()
        if images.dtype == np.uint8:
            averages = np.rint(averages)
        smaller[part] = averages
    return smaller


def define_judge(shape, n_classes, mirror):
    """Build the judge: image (n, *shape) in [0, 1] -> probabilities (n, n_classes), features."""
    channels = shape[2]
    image = keras.Input(shape)
    x = layers.Rescaling(2.0, -1.0)(image)
    # These two act only while it is trained.
    x = layers.RandomTranslation(0.07, 0.07, "nearest", "nearest", seed=1)(x)
    if mirror:
        x = layers.RandomFlip("horizontal", seed=1)(x)
    for k, width in enumerate(WIDTHS[channels]):
        halves = channels == 1 and k != 1
        pools = channels == 3 and k != 3
        strides = 2 if halves else 1
        x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
        if pools:
            x = layers.MaxPooling2D(2)(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    probabilities = layers.Dense(n_classes, activation="softmax", name="classes")(features)
    return keras.Model(image, [probabilities, features], name="judge")


def prepare(images, labels):
    """Return images (n, h, w, c), scaled to [0, 1], and the labels (n,) that are to be told.

    Where there are no labels the images are turned, and how many quarter turns is the label.
    """
    if labels is None:
        labels = np.arange(len(images)) % 4
        images = np.stack([np.rot90(x, k) for x, k in zip(images, labels, strict=True)])
    return images / np.float32(255), labels


def count_epochs(n, channels):
    """Return for how many epochs a judge is trained on n images.

    They make up for few images, up to where it knows these by heart, and learns nothing more.
    """
    rounds = max(1, round(10_000 / n))
    epochs = EPOCHS[channels] * min(rounds, MOST_ROUNDS)
    batches = n // BATCH_SIZE + 1
    return max(epochs, LEAST_STEPS // batches)


class Progress(keras.callbacks.Callback):
    """Prints a line for each tenth of a training."""

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        epochs = self.params["epochs"]
        if 10 * done // epochs > 10 * epoch // epochs:
            print(f"epoch {done} of {epochs}, loss {logs['loss']:.4f}", flush=True)


def train_judge(data):
    """Train a judge on the training part of RealImages; return it, and its test accuracy."""
    x, y = prepare(data.x_train, data.y_train)
    channels = x.shape[3]
    epochs = count_epochs(len(x), channels)
    steps = (len(x) // BATCH_SIZE + 1) * epochs
    keras.utils.set_random_seed(1)
    mirror = channels == 3 and data.y_train is not None  # photographs, unlike letters
    judge = define_judge(x.shape[1:], int(y.max()) + 1, mirror)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=0.004, warmup_steps=steps // 10 + 1
    )
    judge.compile(keras.optimizers.Adam(rate), ["sparse_categorical_crossentropy", None])
    judge.fit(x, y, BATCH_SIZE, epochs, verbose=0, callbacks=[Progress()])
    x_test, y_test = prepare(data.x_test, data.y_test)
    seen, _ = ask(judge, x_test)
    return judge, float(np.mean(seen == y_test))


def ask(judge, images):
    """Return for images (n, h, w, c) in [0, 1] the classes the judge sees (n,), and features."""
    seen = []
    features = []
    for start in range(0, len(images), AT_ONCE):
        batch = images[start : start + AT_ONCE]
        probabilities, batch_features = judge(batch, training=False)
        seen.append(np.argmax(probabilities, axis=1))
        features.append(batch_features)
    return np.concatenate(seen), np.concatenate(features).astype(float)


# ---- the judges that are kept --------------------------------------------------------------------


def find_judge(data):
    """Return the judge for RealImages and its accuracy: the one in the cache, or a new one.

    Raises ValueError, in one line, where it cannot be kept or what is kept is damaged.
    """
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "judges")
    name = judge_name(data)
    path = folder / f"{name}.keras"
    note = folder / f"{name}.txt"  # its accuracy; written last: without it a judge is not whole
    if not note.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(cannot_keep(folder, error)) from error
        print("Training a judge on the real images; it is kept for the next time")
        judge, accuracy = train_judge(data)
        try:
            judge.save(path)
            note.write_text(str(accuracy))
        except OSError as error:
            raise ValueError(cannot_keep(folder, error)) from error
    try:
        return keras.models.load_model(path, compile=False), float(note.read_text())
    except Exception as error:  # Keras and zipfile have no common exception for a damaged file
        raise ValueError(f"{path} is damaged ({error}): remove {note}") from error


def cannot_keep(folder, error):
    """Return the line for the user where a judge cannot be written."""
    reason = error.strerror or error
    return f"cannot keep the judge in {folder} ({reason}): set KERAS_HOME to another folder"


def judge_name(data):
    """Return the name of the judge for RealImages: 16 hexadecimal digits.

    It rests on the data, on the settings above, and on the code of the functions of which the
    judge is a result; not on their comments, or on anything else in this file.
    """
    digest = hashlib.sha256(repr((BATCH_SIZE, EPOCHS, MOST_ROUNDS, LEAST_STEPS, WIDTHS)).encode())
    for function in (define_judge, prepare, count_epochs, train_judge):
        code = ast.parse(inspect.getsource(function))
        digest.update(ast.dump(code).encode())
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        if array is not None:
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
