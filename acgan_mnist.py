# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "tensorflow==2.21.*", "keras==3.15.*", "numpy==2.*", "matplotlib==3.*", "h5py==3.*",
#     "pillow>=11,<14",
# ]
# ///
"""Train an auxiliary classifier GAN to draw the digit it is asked for (MNIST, 28x28, grey).

    python acgan_mnist.py                              MNIST through keras.datasets, 100 epochs
    python acgan_mnist.py --data samples/digits.npz    the small data set of this project
    python generate.py runs/acgan_mnist/generator_model_100.h5 --labels 0-9

G is told the label; D has to name it, and to tell real from generated. G is rewarded where D finds
the class asked for. Tutorials: Machine Learning Mastery's AC-GAN, whose functions these are but for
save_plot; "C-GAN with Keras". Paper: Odena et al., arXiv:1610.09585. More: docs/acgan_mnist.md.
"""

import functools
import os
import signal
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once while TensorFlow loads
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or a run would claim a whole GPU
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # fast convolutions on older CPUs, too

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib import image

NAME = "acgan_mnist"
IMAGE_SHAPE = (28, 28, 1)
PIXEL_RANGE = (-1.0, 1.0)  # of the images that G draws and D sees
GRID = {"size": (10, 20), "noise": "row"}  # of pictures: see docs/snapshots.md
DEFAULTS = {"epochs": 100, "batch_size": 64, "latent_dim": 100, "snapshot_every": 10}
DATASET = keras.datasets.mnist  # where there is no --data
FLAGS = {}  # of the command line, of this script alone
LOSSES = ("dr_valid", "dr_class", "df_valid", "df_class", "g_valid", "g_class")  # of losses.csv
LINE = "dr[{:.3f},{:.3f}], df[{:.3f},{:.3f}], g[{:.3f},{:.3f}]"  # the losses in the line per batch
D_LOSSES = [0, 2]  # the columns of D's losses
D_HAS_WON = 0.03  # where their mean, over many batches, falls below this, D has won
GPUS = tf.config.list_physical_devices("GPU")
XLA = bool(GPUS)  # on a CPU it makes these convolutions many times slower
BATCHES_PER_CALL = 50 if GPUS else 1  # of the compiled loop; a batch takes milliseconds, or 0.3 s


def define_discriminator(in_shape=(28, 28, 1), n_classes=10):
    """Build D: image (n, 28, 28, 1) in [-1, 1] -> real? (n, 1), class (n, n_classes)."""
    init = keras.initializers.RandomNormal(stddev=0.02)
    in_image = keras.Input(in_shape, name="image")
    x = layers.Conv2D(32, 3, strides=2, padding="same", kernel_initializer=init)(in_image)  # 14x14
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    x = layers.Dropout(0.5)(x)
    for filters, strides in ((64, 1), (128, 2), (256, 1)):  # 14x14, 7x7, 7x7
        x = layers.Conv2D(filters, 3, strides, padding="same", kernel_initializer=init)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Dropout(0.5)(x)
    x = layers.Flatten()(x)  # 12544
    head = {"kernel_initializer": init, "dtype": "float32"}  # --precision stops here
    out1 = layers.Dense(1, activation="sigmoid", name="valid", **head)(x)
    out2 = layers.Dense(n_classes, activation="softmax", name="class", **head)(x)
    model = keras.Model(in_image, [out1, out2], name="discriminator")
    opt = keras.optimizers.Adam(learning_rate=0.0002, beta_1=0.5)
    model.compile(loss=["binary_crossentropy", "sparse_categorical_crossentropy"], optimizer=opt)
    return model


def define_generator(latent_dim, n_classes=10):
    """Build G: latent point (n, latent_dim) and label (n, 1) -> image (n, 28, 28, 1) in [-1, 1]."""
    init = keras.initializers.RandomNormal(stddev=0.02)
    in_label = keras.Input((1,), dtype="int32", name="label")
    li = layers.Embedding(n_classes, 50, embeddings_initializer=init)(in_label)
    li = layers.Dense(7 * 7, kernel_initializer=init)(li)
    li = layers.Reshape((7, 7, 1))(li)  # the label as one more feature map
    in_lat = keras.Input((latent_dim,), name="noise")
    gen = layers.Dense(384 * 7 * 7, activation="relu", kernel_initializer=init)(in_lat)
    gen = layers.Reshape((7, 7, 384))(gen)
    gen = layers.Concatenate()([gen, li])  # 7x7x385
    gen = layers.Conv2DTranspose(192, 5, 2, "same", kernel_initializer=init)(gen)
    gen = layers.BatchNormalization()(gen)  # 14x14x192
    gen = layers.Activation("relu")(gen)
    gen = layers.Conv2DTranspose(1, 5, 2, "same", activation="tanh", kernel_initializer=init)(gen)
    return keras.Model([in_lat, in_label], gen, name="generator")  # 28x28x1


# Copied from cgan_mnist.py
class Composite(keras.Model):
    """G and then D. Training it moves G alone; D can still be trained by itself."""

    @property
    def trainable_weights(self):  # d_model.trainable = False would stop D's own training, too
        return self.get_layer("generator").trainable_weights

    @property
    def non_trainable_weights(self):
        trainable = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trainable]


def define_gan(g_model, d_model):
    """Build the composite: latent point, label -> G -> D -> real?, class. It updates G only."""
    noise, label = [keras.Input(x.shape[1:], dtype=x.dtype) for x in g_model.inputs]
    model = Composite([noise, label], d_model(g_model([noise, label])), name="gan")
    model.output_names = d_model.output_names  # or Keras reports all losses by one
    model.compile(loss=d_model.loss, optimizer=keras.optimizers.Adam(0.0002, beta_1=0.5))
    return model


# Copied from cgan_mnist.py, down to generate_latent_points
def load_real_samples(path=None):
    """Load images, uint8 (n, 28, 28, 1), their labels, int32 (n,), and the names of the classes."""
    images = load_images(path)
    labels, names = load_labels(path)
    return [images, labels, names]


def generate_real_samples(dataset, n_samples, seed=None):
    """Draw real images, float32 (n, 28, 28, 1) in [-1, 1], with labels (n, 1); target 1."""
    images, labels, _ = dataset
    ix = tf.random.stateless_uniform([n_samples], pair(seed), 0, len(images), tf.int32)
    X = tf.cast(tf.gather(images, ix), tf.float32)
    if images.dtype == np.uint8:  # floats are scaled already
        X = X / 127.5 - 1.0
    return [X, tf.gather(labels, ix)[:, None]], tf.ones((n_samples, 1))


def generate_latent_points(latent_dim, n_samples, n_classes=10, seed=None):
    """Draw latent points, float32 (n, latent_dim), standard normal, and labels, int32 (n, 1)."""
    noise_seed, label_seed = tf.unstack(tf.random.split(pair(seed), 2))
    noise = tf.random.stateless_normal([n_samples, latent_dim], noise_seed)
    labels = tf.random.stateless_uniform([n_samples, 1], label_seed, 0, n_classes, tf.int32)
    return [noise, labels]


def generate_fake_samples(g_model, latent_dim, n_samples, n_classes=10, seed=None):
    """Draw images from G, float32 (n, 28, 28, 1) in [-1, 1], with labels (n, 1); target 0."""
    noise, labels = generate_latent_points(latent_dim, n_samples, n_classes, seed)
    X = g_model([noise, labels], training=False)
    return [tf.cast(X, tf.float32), labels], tf.zeros((n_samples, 1))  # G may compute in bfloat16


# Copied from cgan_mnist.py
def save_plot(examples, epoch, n=10, out=Path()):
    """Draw images (height, width, channels) as a grid, n in a row; grey ones dark on white."""
    low, high = PIXEL_RANGE
    cells = np.clip((np.asarray(examples) - low) / (high - low), 0, 1)
    cells = np.pad(cells, ((0, 0), (1, 1), (1, 1), (0, 0)))  # a frame around each
    rows = [np.hstack(cells[k : k + n]) for k in range(0, len(cells), n)]
    grid = np.vstack(rows).repeat(2, axis=0).repeat(2, axis=1)  # two pixels a pixel
    path = out / f"generated_plot_e{epoch + 1:03d}.png"
    image.imsave(path, np.squeeze(grid), cmap="gray_r", vmin=0, vmax=1)


def summarize_performance(epoch, g_model, d_model, dataset, latent_dim, n_samples=100, run=None):
    """Report D's accuracies; save G, and a grid: a column a class, up to 20, and a row a point."""
    run = Run() if run is None else run  # without one, into the current folder
    n_columns = min(len(dataset[2]), 20)
    (X_real, labels_real), y_real = generate_real_samples(dataset, n_samples, run.grid_seed)
    valid, classes = d_model(X_real, training=False)
    acc_real = np.mean(keras.metrics.binary_accuracy(y_real, valid))
    class_real = np.mean(keras.metrics.sparse_categorical_accuracy(labels_real, classes))
    noise, _ = generate_latent_points(latent_dim, 10, seed=run.grid_seed)
    noise = tf.repeat(noise, n_columns, axis=0)
    labels = tf.tile(tf.range(n_columns)[:, None], [10, 1])
    X_fake = tf.cast(g_model([noise, labels], training=False), tf.float32)
    valid, classes = d_model(X_fake, training=False)
    acc_fake = np.mean(keras.metrics.binary_accuracy(tf.zeros_like(valid), valid))
    class_fake = np.mean(keras.metrics.sparse_categorical_accuracy(labels, classes))
    print(f">Accuracy real: {acc_real:.0%}, fake: {acc_fake:.0%}")
    print(f">Class accuracy real: {class_real:.0%}, fake: {class_fake:.0%}")
    save_plot(X_fake, epoch, n=n_columns, out=run.out)
    run.save_generator(g_model, epoch, "conditional", [("noise", latent_dim, "normal")], dataset[2])


def make_train_batch(g_model, d_model, gan_model, dataset, latent_dim, n_batch, seed):
    """Return the tutorial's batch as a function of its number: train_batch(step) -> losses."""
    half_batch = n_batch // 2
    n_classes = len(dataset[2])
    bce = keras.losses.BinaryCrossentropy()
    ce = keras.losses.SparseCategoricalCrossentropy()
    d_weights = d_model.trainable_weights
    g_weights = gan_model.trainable_weights

    def train_batch(step):
        seeds = tf.random.split(tf.stack([seed, step]), 3)

        # ---- Update D on real images: maximise log D(x) + log P(c | x), c its class ----
        (X_real, labels_real), y_real = generate_real_samples(dataset, half_batch, seeds[0])
        with tf.GradientTape() as tape:
            valid, classes = d_model(X_real, training=True)
            dr_valid = bce(y_real, valid)
            dr_class = ce(labels_real, classes)
            dr_loss = dr_valid + dr_class
        d_model.optimizer.apply(tape.gradient(dr_loss, d_weights), d_weights)

        # ---- Update D on fakes: maximise log(1 - D(G(z, c))) + log P(c | G(z, c)) ----
        fakes = generate_fake_samples(g_model, latent_dim, half_batch, n_classes, seeds[1])
        (X_fake, labels_fake), y_fake = fakes
        with tf.GradientTape() as tape:
            valid, classes = d_model(X_fake, training=True)
            df_valid = bce(y_fake, valid)
            df_class = ce(labels_fake, classes)
            df_loss = df_valid + df_class
        d_model.optimizer.apply(tape.gradient(df_loss, d_weights), d_weights)

        # ---- Update G through the composite: maximise log D(G(z, c)) + log P(c | ...) ----
        averages = [tf.identity(average) for average in d_model.non_trainable_weights]
        noise, labels_gan = generate_latent_points(latent_dim, n_batch, n_classes, seeds[2])
        y_gan = tf.ones((n_batch, 1))  # G wants its fakes to be taken for real
        with tf.GradientTape() as tape:
            valid, classes = gan_model([noise, labels_gan], training=True)
            g_valid = bce(y_gan, valid)
            g_class = ce(labels_gan, classes)
            g_loss = g_valid + g_class
        gan_model.optimizer.apply(tape.gradient(g_loss, g_weights), g_weights)
        for average, before in zip(d_model.non_trainable_weights, averages, strict=True):
            average.assign(before)  # BatchNormalization's: this update leaves nothing behind in D
        return tf.stack([dr_valid, dr_class, df_valid, df_class, g_valid, g_class])

    return train_batch


def train(g_model, d_model, gan_model, dataset, latent_dim, n_epochs=100, n_batch=64, run=None):
    """Train G and D for n_epochs passes over the dataset, or on from where the run stands."""
    run = new_run(n_epochs, n_batch, latent_dim) if run is None else run
    images, labels, names = dataset
    bat_per_epo = run.batches_per_epoch(len(images), n_batch)
    run.begin([images, labels], d_model, gan_model, n_epochs * bat_per_epo)
    dataset = [tf.constant(images), tf.constant(labels), names]  # kept on the device
    seed = run.settings.seed
    train_batch = make_train_batch(g_model, d_model, gan_model, dataset, latent_dim, n_batch, seed)
    train_batches = compile_batches(train_batch)
    draw = functools.partial(generate_latent_points, latent_dim, 100, len(names))
    for i in range(run.step // bat_per_epo, n_epochs):  # from 0, or where the run stands
        for j in range(run.step % bat_per_epo, bat_per_epo, BATCHES_PER_CALL):
            run.save_or_stop(i)
            n = min(BATCHES_PER_CALL, bat_per_epo - j)
            losses = train_batches(run.step, n)[:n].numpy()
            run.record(i, j, bat_per_epo, losses)
        if run.wants_snapshot(i, n_epochs):
            average = run.average(g_model, draw)  # without --ema G itself
            summarize_performance(i, average, d_model, dataset, latent_dim, run=run)
            run.save_and_plot()


# Copied from cgan_mnist.py
def main(argv=None):
    """Train with the settings of the command line."""
    settings = parse_arguments(argv)
    run = Run(settings)
    with errors_in_one_line():
        latent_dim = settings.latent_dim
        dataset = load_real_samples(settings.data)
        n_classes = len(dataset[2])
        d_model = define_discriminator(n_classes=n_classes)
        g_model = define_generator(latent_dim, n_classes)
        gan_model = define_gan(g_model, d_model)
        n_epochs, n_batch = settings.epochs, settings.batch_size
        with run.end_on_signals():
            train(g_model, d_model, gan_model, dataset, latent_dim, n_epochs, n_batch, run)


# ---- The run: command line, data, compiled loop, files. One text in all training scripts. ------

import argparse
import collections
import contextlib
import hashlib
import json
import logging
import re
import shlex
import socket
import sys
import time

import h5py
from matplotlib.figure import Figure
from PIL import ExifTags, Image, ImageOps

logging.getLogger("absl").setLevel("ERROR")  # Keras calls .h5 a legacy format at every save

ANEW = ("resume", "start_from", "out", "data", "dataset", "epochs", "on_collapse")  # may change
ARRAYS = {"images": ("x_train", "images", "X", "x", "data"), "labels": ("y_train", "labels", "y")}
ENDING = (signal.SIGINT, signal.SIGTERM)  # the signals that end a run
# formats that Pillow lists and cannot read by itself
NO_PICTURES = ("BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "WMF")
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # policies of Keras
RUN_FORMAT = 3  # of settings.json and the checkpoints; runs of lower ones are of earlier versions
STRETCH = 500  # batches over which D's loss is averaged; healthy runs can begin with 150 near 0
VERSION = "0.12"  # of the scripts, as CHANGELOG.md counts them


class Refusal(ValueError):
    """What the user of a command can mend. It ends the program in one line, without a traceback."""


FAILURES = (Refusal, OSError, RuntimeError, MemoryError, tf.errors.OpError)  # these do


def make_parser():
    """Return the parser of the command line, with the defaults of this script."""
    about = __doc__.splitlines()[0]
    formatter = argparse.ArgumentDefaultsHelpFormatter
    name = f"{NAME}.py"
    parser = argparse.ArgumentParser(
        prog=name, usage=argparse.SUPPRESS, description=about, formatter_class=formatter
    )
    add = parser.add_argument
    count = number_from(1)
    for flag, options in FLAGS.items():
        add(flag, **options)
    add("--epochs", type=count, help="train for so many passes over the data")
    add("--batch-size", type=number_from(2), help="train on so many images at a time")
    add("--latent-dim", type=count, help="let G draw from so many numbers")
    add("--data", metavar="PATH", help="read an .npz file or a folder, instead of keras.datasets")
    add("--out", metavar="DIR", type=Path, default=Path("runs", NAME), help="write all files there")
    add("--seed", type=number_from(0, 2**31 - 1), default=1, help="draw all random numbers from it")
    add("--resume", action="store_true", help="go on with the run in --out, with its settings")
    add("--start-from", metavar="RUN", type=Path, help="begin with the weights of that run")
    add("--snapshot-every", type=count, help="save G every so many epochs")
    add("--steps-per-epoch", type=count, help="train no more batches an epoch, for trials")
    add(
        "--ema", metavar="M", type=read_momentum, default=0.0, help="average G's weights; try 0.999"
    )
    add("--precision", choices=PRECISIONS, default="float32", help="compute layers so")
    add("--on-collapse", choices=("warn", "stop"), default="warn", help="act if D has won")
    parser.set_defaults(**DEFAULTS)
    return parser


def number_from(least, most=None):
    """Return a function that reads a whole number: `least` or more, and not more than `most`."""

    def read(text):
        number = int(text) if re.fullmatch(r"-?\d+", text) else None
        if number is None or number < least or (most is not None and number > most):
            limit = f"at least {least}" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text} is no whole number, {limit}")
        return number

    return read


def read_momentum(text):
    """Read a number from 0 to below 1."""
    if not re.fullmatch(r"0|0?\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 to below 1, such as 0.999")
    return float(text)


def parse_arguments(argv):
    """Read the command line, say what will train, and set Keras' precision and random seed.

    With --resume the defaults are the settings of the run that is gone on with. What a run left
    that was killed as it began, an empty settings.json, is removed.
    """
    parser = make_parser()
    settings = parser.parse_args(argv)
    file = settings.out / "settings.json"
    if settings.resume and settings.start_from is not None:
        parser.error("--start-from begins a new run, --resume goes on with one: leave one out")
    if settings.resume:
        begun = read_settings(file, parser)
        parser.set_defaults(**begun | {"out": settings.out})
        settings = parser.parse_args(argv)
        for name, value in begun.items():
            if name not in ANEW and getattr(settings, name) != value:
                parser.error(f"the run in {settings.out} has {name} {value}: keep that")
    else:
        if file.exists() and file.stat().st_size > 0:
            parser.error(holds_a_run(settings.out))
        if file.exists():
            file.unlink(missing_ok=True)  # it is empty; another start may have been quicker
        if settings.data is not None:
            name = Path(settings.data).name
        elif DATASET is None:
            parser.error(
                "--data PATH is needed: an .npz file with x_train, or a folder of pictures"
            )
        else:
            name = DATASET.__name__.rpartition(".")[2]  # mnist, of keras.datasets.mnist
        settings.dataset = {"name": name}
    print("Training on", describe_device(), flush=True)
    keras.config.set_dtype_policy(PRECISIONS[settings.precision])
    keras.utils.set_random_seed(settings.seed)
    return settings


def read_settings(file, parser):
    """Return the settings of the run that is to be resumed; end the program where it cannot be."""
    try:
        begun = json.loads(file.read_text())
        run_format = begun.pop("run_format", 1)
        script = begun.pop("script")
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        parser.error(f"no run to go on with ({error}): leave --resume out, or change --out")
    if run_format != RUN_FORMAT:
        parser.error(
            f"the run in {file.parent} is of another version of this script: only that can go on"
            " with it; its snapshots stay good"
        )
    if script != f"{NAME}.py":
        parser.error(f"the run in {file.parent} is one of {script}: go on with that")
    return begun


def holds_a_run(folder):
    """Return the line for a folder that is taken."""
    return f"{folder} holds a run: --resume goes on with it, or choose another --out"


def describe_device():
    """Return the name of the GPU that TensorFlow uses, or what to do where it finds none."""
    if GPUS:
        details = tf.config.experimental.get_device_details(GPUS[0])
        return details.get("device_name", "a GPU")
    cores = f"{os.cpu_count()} CPU cores: TensorFlow finds no GPU"
    return f'{cores} (if there is one, on Linux: pip install "tensorflow[and-cuda]")'


def download(dataset):
    """Load a data set of Keras; raise Refusal where that fails."""
    socket.setdefaulttimeout(30)  # seconds; Keras would wait for ever
    try:
        return dataset.load_data()
    except Exception as error:  # Keras raises no narrower kind
        raise unusable(dataset.__name__, error) from error


def unusable(data, why):
    """Return the error for data that cannot be used, with advice."""
    wanted = "an .npz file with x_train (for labels with y_train, too), or a folder of pictures"
    return Refusal(f"{data}: {why}: give --data {wanted}")


def load_images(path):
    """Load the training images of DATASET or, with a path, of a file or folder.

    Returns uint8 (n, *IMAGE_SHAPE), 0 to 255. Raises Refusal where that fails.
    """
    if path is None:
        (images, _), _ = download(DATASET)
        return images.reshape(-1, *IMAGE_SHAPE)
    return read_images(path, IMAGE_SHAPE)


def load_labels(path):
    """Load the labels of these images: numbers, int32 (n,), and the names that these have."""
    if path is None:
        (_, labels), _ = download(DATASET)
        labels = np.ravel(labels)
    elif Path(path).is_dir():
        pictures, _ = list_pictures(path)
        labels = [picture.parent.name for picture in pictures]
    else:
        labels = flat_labels(path, read_array(path, ARRAYS["labels"]))
    labels = [str(label) for label in labels]
    names = sorted(set(labels))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)  # 2 before 10
    if not 2 <= len(names) <= 1000:
        raise unusable(path, f"labels of {len(names)} classes, not of 2 to 1000")
    if names != [str(number) for number in range(len(names))]:
        print("Classes:", ", ".join(f"{number} is {name}" for number, name in enumerate(names)))
    return number_labels(path, labels, names), names


def number_labels(path, labels, names):
    """Return the numbers of labels among the names of the classes, int32 (n,)."""
    number_of = {name: number for number, name in enumerate(names)}
    unknown = sorted({str(label) for label in labels} - set(names))
    if unknown:
        raise unusable(path, f"test labels that no training image has: {', '.join(unknown)[:80]}")
    return np.array([number_of[str(label)] for label in labels], np.int32)


def flat_labels(path, labels):
    """Return labels (n,) for labels of that shape, of (n, 1), or one-hot (n, classes)."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
        if not one_hot:
            raise unusable(path, f"labels of shape {labels.shape} that are not one-hot")
        return labels.argmax(axis=1)
    if labels.ndim == 0 or labels.size != len(labels):
        raise unusable(path, f"labels of shape {labels.shape}, not (n,)")
    labels = labels.reshape(-1)
    if np.issubdtype(labels.dtype, np.floating) and np.array_equal(labels, labels.astype(int)):
        labels = labels.astype(int)
    return labels


def read_images(path, shape):
    """Read the images of a file of arrays or of a folder: uint8 (n, *shape); say what was done."""
    if Path(path).is_dir():
        return read_pictures(path, shape)
    images, line = fit_array(path, read_array(path, ARRAYS["images"]), shape)
    if line:
        print(line)
    return images


def read_array(path, names):
    """Read the first array of these names that a file has, or its only one."""
    try:
        arrays = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise unusable(path, "no such file or folder") from error
    except Exception as error:  # those of NumPy, zipfile and zlib have nothing in common
        raise unusable(path, "no file of NumPy's arrays, or a damaged one") from error
    if isinstance(arrays, np.ndarray):  # of an .npy file
        if names != ARRAYS["images"]:
            raise unusable(path, "one array only, without labels")
        return arrays
    with arrays:
        held = arrays.files
        found = [name for name in names if name in held]
        if not found and len(held) == 1 and names == ARRAYS["images"]:
            found = held
        if not found:
            raise unusable(path, f"no array {names[0]}, but {', '.join(held) or 'none'}")
        try:
            return arrays[found[0]]
        except Exception as error:  # the array is damaged, or holds objects of Python
            raise unusable(path, f"the array {found[0]} holds no numbers, or is damaged") from error


def fit_array(path, array, shape):
    """Return the images of an array, uint8 (n, *shape), and a line that says what was done."""
    height, width, channels = shape
    done = []
    if array.ndim == 3:  # grey
        array = array[..., None]
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        array = np.moveaxis(array, 1, 3)
        done.append("channels put last")
    if array.ndim != 4 or array.shape[3] not in (1, 3, 4) or array.size == 0:
        raise unusable(
            path, f"images of shape {array.shape}, not ('n', {height}, {width}, {channels})"
        )
    images = as_bytes(path, array, done)
    if images.shape[1:] != shape:
        pixels = images[..., 0] if images.shape[3] == 1 else images  # as Pillow has grey ones
        pictures = [Image.fromarray(picture) for picture in pixels]
        counted = collections.Counter()
        images = np.stack([fit_picture(picture, shape, counted) for picture in pictures])
        done.extend(list_done(counted, len(images)))
    n, high, wide = array.shape[:3]
    line = f"{n:,} images of {wide}x{high}: {', '.join(done)}" if done else ""
    return images, line


def as_bytes(path, array, done):
    """Return pixels as bytes; those of 16 bits and floats are scaled, which is noted in `done`."""
    low = array.min()
    high = array.max()
    whole = np.issubdtype(array.dtype, np.integer)
    if array.dtype == bool or (whole and low == 0 and high == 1):  # black and white
        ends = (0, 1)
    elif whole and low >= 0 and high <= 255:
        return array.astype(np.uint8, copy=False)
    elif array.dtype == np.uint16:
        ends = (0, 65535)
    elif np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        ends = (0, 1)
    elif np.issubdtype(array.dtype, np.floating) and low < 0 and low >= -1 and high <= 1:
        ends = (-1, 1)
    else:
        raise unusable(
            path, f"pixels from {low} to {high}, neither bytes nor floats in [0, 1] or [-1, 1]"
        )
    done.append(f"pixels taken to range from {ends[0]} to {ends[1]}")
    scaled = (array.astype(np.float32) - ends[0]) / (ends[1] - ends[0])
    return np.rint(255 * scaled).astype(np.uint8)


def list_pictures(folder):
    """Return the paths of all pictures below a folder, sorted, and how many other files it has.

    Hidden files and folders are passed over, and folders of runs, whose grids are no data.
    """
    Image.init()
    formats = Image.registered_extensions()
    pictures = []
    n_others = 0
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen or {"settings.json", "losses.csv"} <= set(files):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            kind = formats.get(Path(name).suffix.lower())
            if name.startswith(".") or name in ("Thumbs.db", "desktop.ini"):
                continue
            if kind in Image.OPEN and kind not in NO_PICTURES:
                pictures.append(Path(place, name))
            else:
                n_others += 1
    return sorted(pictures), n_others


def read_pictures(folder, shape):
    """Read all pictures in a folder and its sub-folders, uint8 (n, *shape); say what was done."""
    paths, n_others = list_pictures(folder)
    if not paths:
        raise unusable(folder, f"no pictures, {n_others} other files")
    images = np.empty((len(paths), *shape), np.uint8)
    widths = []
    done = collections.Counter()
    for number, path in enumerate(paths):
        try:
            with Image.open(path) as picture:
                upright = ImageOps.exif_transpose(picture)
                if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                    done["turned as their EXIF says"] += 1
                images[number] = fit_picture(upright, shape, done)
        except Exception as error:  # those of Pillow have nothing in common
            raise unusable(path, error) from error
        widths.append(upright.width)
        if (number + 1) % 1000 == 0:
            print(f"{number + 1} pictures read", flush=True)
    line = f"{len(paths):,} pictures, {min(widths):,} to {max(widths):,} pixels wide"
    if min(widths) == max(widths):
        line = f"{len(paths):,} pictures, {widths[0]:,} pixels wide"
    parts = list_done(done, len(paths))
    if parts:
        line += f": {', '.join(parts)}"
    if n_others:
        line += f"; {n_others:,} other file{'s' if n_others > 1 else ''} left out"
    print(line)
    return images


def list_done(done, n):
    """Return what was done to n pictures, as texts, by a Counter of them."""
    return [what if count == n else f"{count:,} {what}" for what, count in done.items()]


def fit_picture(picture, shape, done):
    """Return a picture of Pillow cropped in its centre and resized, uint8 (*shape).

    Transparency is laid on white. The Counter `done` is told what had to be done.
    """
    height, width, channels = shape
    if picture.mode.startswith("I"):  # grey, of 16 bits
        done["of 16 bits scaled to 8"] += 1
        grey = np.asarray(picture).astype(np.int64)
        if grey.max() > 65535 or grey.min() < 0:
            raise ValueError("pixels of more than 16 bits")
        picture = Image.fromarray(np.rint(grey / 257).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("pixels that are floats, whose range is not known")
    if picture.has_transparency_data:
        colours = picture.convert("RGBA")
        if colours.getextrema()[3][0] < 255:
            done["with transparency laid on white"] += 1
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, colours)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if picture.width * height != picture.height * width:
        crop = "squares" if width == height else f"{width}:{height}"
        done[f"cropped to {crop}"] += 1
    if picture.size != (width, height):
        done[f"resized to {width}x{height}"] += 1
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.array(picture).reshape(shape)


def pair(seed):
    """Return the pair of numbers that TensorFlow's stateless generators need.

    It is the seed itself, a pair of one number and 0, or for None a new one at every call.
    """
    if seed is None:
        return np.random.randint(2**31, size=2)
    if isinstance(seed, int):
        return (seed, 0)
    return seed


def compile_batches(train_batch):
    """Compile a loop over train_batch(step): train_batches(step, n) trains n batches from step on.

    Its result has BATCHES_PER_CALL rows of losses, of which the first n are filled.
    """
    xla = XLA and xla_works()
    number = tf.TensorSpec((), tf.int32)

    @tf.function(jit_compile=xla, input_signature=[number, number])
    def train_batches(step, n):
        losses = tf.zeros((BATCHES_PER_CALL, len(LOSSES)))  # XLA needs a fixed size
        k = 0
        while k < n:  # XLA would compile a `for` anew for each n
            losses = tf.tensor_scatter_nd_update(losses, [[k]], [train_batch(step + k)])
            k += 1
        return losses

    return train_batches


def compile_updates(*optimizers):
    """Let XLA compile how the optimizers move weights, on a CPU that does the rest without XLA.

    Adam then passes over the weights once instead of once for each of its operations. On a GPU XLA
    compiles the whole batch; what several devices send to each other it cannot compile.
    """
    if not GPUS and tf.distribute.get_strategy().num_replicas_in_sync == 1:
        for optimizer in optimizers:
            optimizer.apply = compiled(optimizer)


def compiled(optimizer):
    """Return an optimizer's own apply(gradients, weights), compiled by XLA."""

    def apply_compiled(gradients, weights):
        def apply(*gradients):
            # that of the class: in a second training optimizer.apply is compiled already
            type(optimizer).apply(optimizer, gradients, weights)

        tf.function(apply, jit_compile=True, autograph=False)(*gradients)

    return apply_compiled


def xla_works():
    """Try XLA, which needs files that a GPU's installation may lack; say so where it fails."""
    try:
        tf.function(tf.math.log, jit_compile=True)(tf.ones(1))
    except tf.errors.OpError:
        print("XLA cannot compile here: training without it")
        return False
    return True


def check_data(images, *others):
    """Raise Refusal unless images are bytes, or floats that are scaled already, all labelled."""
    low, high = PIXEL_RANGE
    if images.dtype != np.uint8:
        scaled = low <= np.min(images) and np.max(images) <= high  # not where one is no number
        if not np.issubdtype(images.dtype, np.floating) or not scaled:
            raise Refusal(f"images must be uint8, or floats scaled from {low} to {high}")
    for labels in others:
        if len(labels) != len(images):
            raise Refusal(f"{len(images)} images have {len(labels)} labels")


def new_run(n_epochs, n_batch, latent_dim):
    """Return a run with these settings, and the defaults, in a folder that does not exist yet."""
    if n_epochs < 1 or n_batch < 2:
        raise Refusal("n_epochs must be at least 1, and n_batch at least 2")
    settings = make_parser().parse_args([])
    settings.precision = keras.config.dtype_policy().compute_dtype
    settings.epochs = n_epochs
    settings.batch_size = n_batch
    settings.latent_dim = latent_dim
    settings.dataset = {"name": None}
    number = 2
    while settings.out.exists():
        settings.out = Path("runs", f"{NAME}_{number}")
        number += 1
    print(f"Training on {describe_device()}; files in {settings.out}")
    return Run(settings)


def start_from(folder, gan_model):
    """Give G and D the weights of another run's newest checkpoint; raise Refusal where that fails.

    The list `state` of a checkpoint begins with the variables of the composite, which holds both.
    """
    try:
        reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(folder / "checkpoint"))
        saved = [
            (variable, reader.get_tensor(f"state/{number}/.ATTRIBUTES/VARIABLE_VALUE"))
            for number, variable in enumerate(gan_model.variables)
            if "seed_generator" not in variable.path
        ]
    except Exception as error:  # of many kinds, for a folder without a whole checkpoint
        raise Refusal(f"--start-from {folder}: no checkpoint of a run of such networks") from error
    for variable, value in saved:
        if tuple(variable.shape) != value.shape:
            raise Refusal(f"--start-from {folder}: its networks have other shapes than these")
    for variable, value in saved:
        variable.assign(value)


class Run:
    """A training run: its settings, how far it is, and its folder of losses and generators.

    Run() stands for no run: files go into the current folder, and every grid has new points.
    """

    def __init__(self, settings=None):
        if settings is None:
            settings = argparse.Namespace(out=Path(), data=None, seed=None, ema=0.0)
        self.settings = settings
        self.grid_seed = None
        if settings.seed is not None:
            self.grid_seed = (settings.seed, -1)  # the same points in every grid
        self.out = settings.out
        self.step = 0  # batches done
        self.stopped = False  # by Ctrl-C or SIGTERM
        self.warned = False  # that D has won
        self.saved = time.monotonic()  # when the last checkpoint was written
        self.went_on = self.saved  # when the batches that are training began
        self.d_losses = collections.deque(maxlen=STRETCH)
        self.g_optimizer = None  # this and what follows: from begin() on
        self.checkpoint = None
        self.checkpoints = None

    def begin(self, data, d_model, gan_model, n_steps):
        """Begin the run of n_steps batches, or take it up where its last checkpoint stands."""
        check_data(*data)
        d_model.jit_compile = False  # for evaluate(): it would compile longer than it runs
        self.g_optimizer = gan_model.optimizer
        self.g_optimizer.use_ema = self.settings.ema > 0
        self.g_optimizer.ema_momentum = self.settings.ema
        d_model.optimizer.build(d_model.trainable_weights)
        gan_model.optimizer.build(gan_model.trainable_weights)
        if self.settings.start_from is not None and not self.settings.resume:
            start_from(self.settings.start_from, gan_model)
        parts = gan_model, d_model.optimizer, gan_model.optimizer  # gan_model holds G and D
        state = [variable.value for part in parts for variable in part.variables]
        self.checkpoint = tf.train.Checkpoint(state=state)
        digest = hashlib.sha256()
        for array in data:
            digest.update(np.ascontiguousarray(array))
        folder = self.out / "checkpoint"
        if self.settings.resume:
            if self.settings.dataset["sha256"] != digest.hexdigest():
                raise Refusal(f"the run in {self.out} began with other data: give it that --data")
            self.restore_checkpoint()
            self.checkpoints = tf.train.CheckpointManager(self.checkpoint, folder, max_to_keep=2)
        else:
            self.settings.dataset["n_images"] = len(data[0])
            self.settings.dataset["sha256"] = digest.hexdigest()
            self.claim_folder()
            self.checkpoints = tf.train.CheckpointManager(self.checkpoint, folder, max_to_keep=2)
            self.save_checkpoint()
        if self.step >= n_steps:
            raise Refusal(f"the run in {self.out} is complete: raise --epochs to go on with it")
        if self.settings.resume:
            about = json.loads((self.out / "settings.json").read_text())
            self.write_settings(about | {"epochs": self.settings.epochs})  # for the next --resume

    def claim_folder(self):
        """Make the folder of a new run; raise OSError where one has begun there."""
        file = self.out / "settings.json"
        if (self.out / "checkpoint").exists():
            raise OSError(holds_a_run(self.out))
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            file.touch(exist_ok=False)  # it stays empty until the run can be resumed
        except FileExistsError:
            raise OSError(holds_a_run(self.out)) from None
        (self.out / "losses.csv").write_text(",".join(["epoch", "batch", *LOSSES]) + "\n")
        about = {"run_format": RUN_FORMAT, "script": f"{NAME}.py"} | vars(self.settings)
        self.write_settings(about)

    def write_settings(self, about):
        """Write settings.json, never half of it."""
        part = self.out / "part.json"
        part.write_text(json.dumps(about, default=str, indent=1))
        os.replace(part, self.out / "settings.json")

    def restore_checkpoint(self):
        """Load the newest checkpoint that can be read, and cut losses.csv off there."""
        losses = (self.out / "losses.csv").read_bytes().splitlines(keepends=True)
        n_recorded = len(losses) - 1  # batches: the first line names the columns
        paths = list((self.out / "checkpoint").glob("ckpt-*.index"))
        paths.sort(key=lambda path: int(path.stem.removeprefix("ckpt-")))
        restored = not paths and n_recorded == 0  # it was killed before it had saved anything
        for path in reversed(paths):
            try:
                self.checkpoint.restore(str(path.with_suffix(""))).assert_consumed()
                self.step = int(path.stem.removeprefix("ckpt-"))
                restored = True
                break
            except Exception as error:  # of many kinds, for a damaged file
                kind = type(error).__name__
                print(f"{path} is damaged, or of other networks ({kind}): trying the one before")
        if not restored or n_recorded < self.step:
            raise Refusal(f"the files in {self.out} do not go together: begin in another --out")
        kept = losses[: self.step + 1]
        os.truncate(self.out / "losses.csv", sum(map(len, kept)))  # what came after is done again

    def batches_per_epoch(self, n_images, n_batch):
        """Return how many batches an epoch has: at least one, at most --steps-per-epoch."""
        bat_per_epo = n_images // n_batch
        if self.settings.steps_per_epoch is not None:
            bat_per_epo = min(bat_per_epo, self.settings.steps_per_epoch)
        return max(1, bat_per_epo)

    def save_or_stop(self, i):
        """Save a checkpoint where it is due, and end the program where that was asked for.

        This comes before a batch of epoch i: a checkpoint between the last batch of an epoch and
        its snapshot would lose the snapshot.
        """
        if self.is_due():
            self.save_checkpoint()
        if self.stopped:
            out = shlex.quote(str(self.out))
            print(f"\nStopped in epoch {i + 1}. Go on with: --resume --out {out}")
            sys.exit(130)
        self.went_on = time.monotonic()

    def is_due(self):
        """Say whether to save a checkpoint: a minute after the last, and where to stop."""
        return self.stopped or time.monotonic() - self.saved > 60  # seconds

    def save_checkpoint(self):
        """Save everything that the next batch depends on."""
        self.checkpoints.save(self.step)
        self.saved = time.monotonic()

    def record(self, i, j, bat_per_epo, losses):
        """Write down the losses (n, len(LOSSES)) of the n batches from j on in epoch i."""
        n = len(losses)
        self.step += n
        done = j + n
        epochs = np.full(n, i + 1)
        batches = np.arange(j + 1, done + 1)
        with open(self.out / "losses.csv", "r+") as file:  # "a" would begin a new one
            file.seek(0, os.SEEK_END)
            np.savetxt(file, np.column_stack([epochs, batches, losses]), "%.6g", ",")
        line = f">{i + 1}, {done}/{bat_per_epo}, {LINE.format(*losses[-1])}"
        if sys.stdout.isatty():  # redraw it in place
            seconds = (time.monotonic() - self.went_on) / n * (bat_per_epo - done)
            end = "\r" if done < bat_per_epo else "\n"
            print(f"{line}, {seconds:.0f} s left\x1b[K", end=end, flush=True)
        else:  # ten lines an epoch
            tenths = 10 * done // bat_per_epo
            tenths_before = 10 * j // bat_per_epo
            if tenths > tenths_before:
                print(line, flush=True)
        self.warn_or_stop(i, losses)

    def warn_or_stop(self, i, losses):
        """Warn once where D has won, or stop; stop where a loss is no longer a finite number."""
        if not np.isfinite(losses).all():
            self.give_up(f"epoch {i + 1}: a loss is no longer finite")
        self.d_losses.extend(losses[:, D_LOSSES].mean(axis=1))
        has_won = len(self.d_losses) == STRETCH and np.mean(self.d_losses) < D_HAS_WON
        if has_won and not self.warned:
            why = f"epoch {i + 1}: D has won for {STRETCH} batches, its gradients mislead"
            if self.settings.on_collapse == "stop":
                self.give_up(why)
            print(f"\n{why}: try another --seed", file=sys.stderr)
            self.warned = True

    def give_up(self, why):
        """End the program with status 3: the training has failed."""
        print(f"\n{why}: try another --seed; the snapshots are in {self.out}", file=sys.stderr)
        sys.exit(3)

    def wants_snapshot(self, i, n_epochs):
        """Say whether epoch i, from 0 on, ends with a grid and a generator."""
        return (i + 1) % self.settings.snapshot_every == 0 or i in (0, n_epochs - 1)

    def average(self, g_model, draw):
        """Return a copy of G with averaged weights, or G itself without --ema.

        draw(seed) gives inputs for G, on which the statistics of BatchNormalization are taken anew.
        """
        if not self.settings.ema:
            return g_model
        average = keras.models.clone_model(g_model)
        self.g_optimizer.finalize_variable_values(average.trainable_variables)
        norms = [x for x in average.layers if isinstance(x, layers.BatchNormalization)]
        if norms:
            for k in range(100):  # they become the mean of 100 batches
                for norm in norms:
                    norm.momentum = k / (k + 1)
                average(draw((self.settings.seed, -2 - k)), training=True)
        return average

    def save_generator(self, g_model, epoch, kind, latent, class_names=()):
        """Save G as generator_model_NNN.h5, with a description in the attribute `gan`.

        `kind` and the parts of the latent input, (name, size, distribution) each, are those of
        docs/snapshots.md.
        """
        settings = vars(self.settings)
        versions = {module.__name__: module.__version__ for module in (keras, np, tf)}
        n_categories = sum(size for _, size, distribution in latent if distribution == "one-hot")
        keys = ("name", "size", "distribution")
        about = {
            "format": 1,
            "kind": kind,
            "latent": [dict(zip(keys, part, strict=True)) for part in latent],
            "classes": max(n_categories, len(class_names)),
            "class_names": list(class_names),
            "pixel_range": PIXEL_RANGE,
            "grid": GRID,
            "script": f"{NAME}.py",
            "epoch": epoch + 1,
            "seed": self.settings.seed,
            "averaged": self.settings.ema > 0,
            "data": settings.get("dataset"),
            "settings": {k: v for k, v in settings.items() if k not in (*ANEW, "seed")},
            "versions": versions | {"scripts": VERSION},
        }
        part = self.out / "part.h5"
        g_model.save(part)
        with h5py.File(part, "a") as file:
            file.attrs["gan"] = json.dumps(about)
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, self.out / f"generator_model_{epoch + 1:03d}.h5")  # never half a file

    def save_and_plot(self):
        """Save a checkpoint, and draw losses.csv as losses.png."""
        self.save_checkpoint()
        rows = np.loadtxt(self.out / "losses.csv", delimiter=",", skiprows=1, ndmin=2)
        figure = Figure()
        axes = figure.subplots()
        axes.plot(rows[:, 2:], linewidth=0.5, label=LOSSES)
        axes.set_xlabel("batch")
        axes.legend()
        figure.savefig(self.out / "losses.png")

    def note_signal(self, number, frame):
        """Have the run end at its next pause; a second signal of this kind ends it at once."""
        self.stopped = True
        signal.signal(number, signal.SIG_DFL)

    @contextlib.contextmanager
    def end_on_signals(self):
        """Let Ctrl-C and SIGTERM end the run after a checkpoint; in the end all is as before."""
        handlers = {number: signal.signal(number, self.note_signal) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in handlers.items():  # for whoever called main
                signal.signal(number, handler)


@contextlib.contextmanager
def errors_in_one_line():
    """End the program with one line where FAILURES come up, of reading, writing or memory."""
    try:
        yield
    except FAILURES as error:
        fail(error)


def fail(error):
    """End the program with one line and status 2."""
    text = re.sub(r"\{\{.*?\}\}", "", str(error))  # TensorFlow's {{node ...}}
    words = text.split() or [type(error).__name__]
    print(f"{NAME}.py: error:", *words, file=sys.stderr)
    sys.exit(2)


def drop_output():
    """Forget what a closed or full standard output could not take, or Python would try it again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # TensorFlow is loaded
    if sys.stdout is None:  # closed, by `>&-`
        sys.stdout = open(os.devnull, "w")
    sys.stdout.reconfigure(errors="replace")  # where a terminal has not the letters of a class
    try:
        main()
        sys.stdout.flush()
    except OSError as error:  # as with `| head`
        fail(error)
    except KeyboardInterrupt:  # before the run began
        print(f"{NAME}.py: interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        drop_output()
