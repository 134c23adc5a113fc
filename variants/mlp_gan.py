"""Train a GAN of dense layers alone: to draw digits (MNIST), or small colour pictures (32x32).

    python mlp_gan.py                                MNIST through keras.datasets, 400 epochs
    python mlp_gan.py --data samples/digits.npz      the small data set of this project
    python mlp_gan.py --batch-norm --data FOLDER     colour pictures, BatchNormalization in G
    python mlp_gan.py --compare-optimizers           Adam, RMSprop and SGD side by side
    python generate.py runs/mlp_gan/generator_model_400.h5

To these networks an image is a flat row of numbers. There are two variants. By default D has
Dropout and is updated once a batch, on real and generated digits together, real ones having the
target 0.9. With --batch-norm D is updated twice, on colour pictures and on generated ones.

Two cores of an AMD EPYC, TensorFlow 2.21.0, Keras 3.15.1: 27 ms a batch, 13 s an epoch
(docs/speed.md). Seed 1: most digits can be read after 25 epochs. With --batch-norm 3.7 s an epoch
of 5,000 pictures, beside tests; after 40 epochs characters with faces, in grains of colour.

Tutorials: "Generative Adversarial Network (GAN) using Keras"; with --batch-norm and
--compare-optimizers, "Understanding and optimizing GANs: going back to first principles".
Papers: GAN, Goodfellow et al. 2014, arXiv:1406.2661; one-sided label smoothing, Salimans et al.
2016, Improved Techniques for Training GANs, arXiv:1606.03498.
Diagram, losses, failures, what to try: docs/mlp_gan.md.
"""

import argparse
import atexit
import contextlib
import gc
import hashlib
import json
import logging
import os
import platform
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import h5py
import matplotlib
import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or a run would claim a whole GPU
gc.disable()  # looking for garbage among all that is imported takes more than a second
stderr = os.dup(2)  # TensorFlow logs its start-up to descriptor 2, whatever the level asked for
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
try:
    import keras
    import tensorflow as tf
    from keras import layers
finally:
    os.dup2(stderr, 2)
matplotlib.use("Agg")  # pictures go to files: no display is needed
import matplotlib.pyplot as plt

gc.freeze()  # what is imported stays
gc.enable()
logging.getLogger("absl").setLevel(logging.ERROR)  # Keras calls .h5 a legacy format at every save

IMAGE_SHAPE = (28, 28, 1)  # with --batch-norm (32, 32, 3)
PIXEL_RANGE = (-1.0, 1.0)  # of the images that G draws and D sees
N_COLUMNS = 10  # of the grid
FIRST_SNAPSHOT = 1  # the tutorial shows this epoch, too
LOSSES = ("d_real", "d_fake", "g")  # the columns of losses.csv
D_LOSSES = ("d_real", "d_fake")  # those that near 0 mean that D has won
LINE = "d_real={:.3f}, d_fake={:.3f}, g={:.3f}"  # the line per batch
OPTIMIZERS = ("adam", "rmsprop", "sgd")
XLA_ON_CPU = False  # it makes D's Dropout five times slower there; --batch-norm gains from it
FLAGS = {  # of this script alone
    "--batch-norm": {"action": "store_true", "help": "variant for colour --data, 32x32"},
    "--optimizer": {"choices": OPTIMIZERS, "default": "adam", "help": "default: %(default)s"},
    "--compare-optimizers": {"action": "store_true", "help": "train with each, draw them together"},
    "--label-smoothing": {
        "type": float,
        "default": 0.9,
        "help": "target of real images; default: 0.9, or 1 with --batch-norm",
    },
}


def define_optimizer(name="adam"):
    """Build the optimizer of D or of G: each network has one of its own."""
    if name == "adam":
        return keras.optimizers.Adam(learning_rate=0.0002, beta_1=0.5)
    if name == "rmsprop":  # it scales steps as Adam does, so Adam's rate suits it
        return keras.optimizers.RMSprop(learning_rate=0.0002)
    return keras.optimizers.SGD(learning_rate=0.01, momentum=0.5)  # unscaled: a larger rate


def define_discriminator(in_shape=IMAGE_SHAPE, batch_norm=False, optimizer="adam"):
    """Build D: image (n, *in_shape) in [-1, 1] -> probability (n, 1) that it is real.

    With batch_norm it is the D of that variant, with a block less and no Dropout; the
    BatchNormalization itself is in G.
    """
    blocks = [(1024, 0.3), (512, 0.3), (256, 0)]  # units, and the part that Dropout blanks
    if batch_norm:
        blocks = [(512, 0), (256, 0)]
    model = keras.Sequential(name="discriminator")
    model.add(keras.Input(in_shape))
    model.add(layers.Flatten())  # 784, or 3072
    for units, dropout in blocks:
        model.add(layers.Dense(units))
        model.add(layers.LeakyReLU(negative_slope=0.2))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid", dtype="float32"))  # --precision stops here
    model.compile(
        loss="binary_crossentropy", optimizer=define_optimizer(optimizer), metrics=["accuracy"]
    )
    return model


def define_generator(latent_dim=100, out_shape=IMAGE_SHAPE, batch_norm=False):
    """Build G: latent point (n, latent_dim) -> image (n, *out_shape) in [-1, 1]."""
    model = keras.Sequential(name="generator")
    model.add(keras.Input((latent_dim,)))
    for units in (256, 512, 1024):
        model.add(layers.Dense(units))
        model.add(layers.LeakyReLU(negative_slope=0.2))
        if batch_norm:
            model.add(layers.BatchNormalization(momentum=0.8))
    height, width, channels = out_shape
    model.add(layers.Dense(height * width * channels, activation="tanh"))  # 784, or 3072
    model.add(layers.Reshape(out_shape))  # 28x28x1, or 32x32x3
    return model


def define_gan(g_model, d_model, optimizer="adam"):
    """Build the composite: latent point -> G -> D -> probability of real. It updates G only."""
    d_model.trainable = False
    model = keras.Sequential([g_model, d_model], name="gan")
    model.compile(loss="binary_crossentropy", optimizer=define_optimizer(optimizer))
    return model


def define_models(settings):
    """Build G, D and the composite of the settings' variant; a seed always gives one start."""
    keras.utils.set_random_seed(settings.seed)
    d_model = define_discriminator(IMAGE_SHAPE, settings.batch_norm, settings.optimizer)
    g_model = define_generator(settings.latent_dim, IMAGE_SHAPE, settings.batch_norm)
    return g_model, d_model, define_gan(g_model, d_model, settings.optimizer)


def load_real_samples(path=None):
    """Load the training images: MNIST, or the .npz file or folder at `path`.

    Returns:
        uint8 (n, *IMAGE_SHAPE), values 0 to 255; they are scaled when a batch is drawn.
    """
    if path is None and IMAGE_SHAPE[-1] == 3:
        fail("--batch-norm needs --data: a folder of colour pictures, or an .npz file, 32x32x3")
    images, _ = read_data(path, labelled=False)
    return images


# In the next three functions `seed` is a pair of whole numbers: one pair always draws one result.
# Where several devices train together, each of them draws the batch and keeps its share of it.


def generate_real_samples(dataset, n_samples, seed):
    """Draw real images with replacement: float32 (n, *IMAGE_SHAPE) in [-1, 1], labelled 1."""
    ix = share(tf.random.stateless_uniform([n_samples], seed, 0, len(dataset), tf.int32))
    X = tf.cast(tf.gather(dataset, ix), tf.float32) / 127.5 - 1.0
    return X, tf.ones((X.shape[0], 1))


# Copied from mnist_gan.py
def generate_latent_points(latent_dim, n_samples, seed):
    """Draw points of the latent space: float32 (n, latent_dim), standard normal."""
    return share(tf.random.stateless_normal([n_samples, latent_dim], seed))


def generate_fake_samples(g_model, latent_dim, n_samples, seed):
    """Draw images from G: float32 (n, *IMAGE_SHAPE) in [-1, 1], labelled 0."""
    X = g_model(generate_latent_points(latent_dim, n_samples, seed), training=False)
    X = tf.cast(X, tf.float32)  # G may compute in bfloat16
    return X, tf.zeros((X.shape[0], 1))


# Copied from mnist_gan.py
def generate_grid(g_model, settings):
    """Draw the 100 images of the grid, from the same latent points at every epoch."""
    return generate_fake_samples(g_model, settings.latent_dim, 100, (settings.seed, -1))


# Copied from mnist_gan.py
def save_plot(examples, path, n_columns=N_COLUMNS):
    """Draw images (n, height, width, channels) in PIXEL_RANGE as a grid, grey ones inverted."""
    low, high = PIXEL_RANGE
    margin = ((0, 0), (1, 1), (1, 1), (0, 0))
    cells = np.pad(np.clip((examples - low) / (high - low), 0, 1), margin)
    rows = [np.hstack(cells[k : k + n_columns]) for k in range(0, len(cells), n_columns)]
    grid = np.vstack(rows).repeat(2, 0).repeat(2, 1)  # two pixels a pixel, to be looked at
    grid = grid[..., 0] if grid.shape[-1] == 1 else grid
    with written_beside(path) as part:
        plt.imsave(part, grid, cmap="gray_r", vmin=0, vmax=1)


# Copied from mnist_gan.py
def summarize_performance(epoch, g_model, d_model, gan_model, dataset, settings, n_samples=100):
    """Report D's accuracy, and save the grid and the generator of an epoch."""
    X_real, y_real = generate_real_samples(dataset, n_samples, (settings.seed, -1))
    acc_real = np.mean(keras.metrics.binary_accuracy(y_real, d_model(X_real)))
    X_fake, y_fake = generate_grid(g_model, settings)
    acc_fake = np.mean(keras.metrics.binary_accuracy(y_fake, d_model(X_fake)))
    print(f">Accuracy real: {acc_real:.0%}, fake: {acc_fake:.0%}")
    save_plot(X_fake.numpy(), settings.out / f"generated_plot_e{epoch:03d}.png")
    latent = [{"name": "noise", "size": settings.latent_dim, "distribution": "normal"}]
    save_generator(g_model, epoch, settings, kind="unconditional", latent=latent, classes=0)


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the tutorial's batch; `dataset` is a uint8 tensor (n, *IMAGE_SHAPE) on the device.

    Returns:
        train_step(step, n): train n batches, the first being number `step` of the run, and return
        their losses, float32 (n, 3). The random numbers of a batch depend only on the seed and
        the batch's number, so it does not matter how many batches one call trains.
    """
    n_batch, latent_dim = settings.batch_size, settings.latent_dim
    bce = keras.losses.BinaryCrossentropy()
    # define_gan froze D, and a step traced now would never move it. Thaw D, and let each update
    # name the weights that it moves.
    d_model.trainable = True
    d_weights, g_weights = d_model.trainable_variables, g_model.trainable_variables
    d_model.optimizer.build(d_weights)
    gan_model.optimizer.build(g_weights)

    def update_d_once(X_real, y_real, X_fake, y_fake):
        # ---- Update D on both halves: maximise log D(x) + log(1 - D(G(z))) ----
        X = tf.concat([X_real, X_fake], 0)
        with tf.GradientTape() as tape:
            p_real, p_fake = tf.split(d_model(X, training=True), 2)
            d_real, d_fake = bce(y_real, p_real), bce(y_fake, p_fake)
            d_loss = (d_real + d_fake) / 2  # the mean over the whole batch
        d_model.optimizer.apply(tape.gradient(d_loss, d_weights), d_weights)
        return d_real, d_fake

    def update_d_twice(X_real, y_real, X_fake, y_fake):
        # ---- Update D on real images: maximise log D(x) ----
        with tf.GradientTape() as tape:
            d_real = bce(y_real, d_model(X_real, training=True))
        d_model.optimizer.apply(tape.gradient(d_real, d_weights), d_weights)

        # ---- Update D on generated images: maximise log(1 - D(G(z))) ----
        with tf.GradientTape() as tape:
            d_fake = bce(y_fake, d_model(X_fake, training=True))
        d_model.optimizer.apply(tape.gradient(d_fake, d_weights), d_weights)
        return d_real, d_fake

    update_d = update_d_twice if settings.batch_norm else update_d_once

    def train_batch(step):
        seeds = tf.random.split(tf.stack([settings.seed, step]), 3)
        X_real, y_real = generate_real_samples(dataset, n_batch, seeds[0])
        X_fake, y_fake = generate_fake_samples(g_model, latent_dim, n_batch, seeds[1])
        y_real *= settings.label_smoothing  # below 1: D is kept from being too sure of itself
        d_real, d_fake = update_d(X_real, y_real, X_fake, y_fake)

        # ---- Update G through the composite: maximise log D(G(z)) ----
        X_gan = generate_latent_points(latent_dim, n_batch, seeds[2])
        y_gan = tf.ones((X_gan.shape[0], 1))  # G wants its fakes to be taken for real
        with tf.GradientTape() as tape:
            g_loss = bce(y_gan, gan_model(X_gan, training=True))
        gan_model.optimizer.apply(tape.gradient(g_loss, g_weights), g_weights)

        return tf.stack([d_real, d_fake, g_loss])

    return compile_batches(train_batch)


# Copied from mnist_gan.py
def train(g_model, d_model, gan_model, dataset, settings):
    """Train up to epoch settings.epochs, from the run's last checkpoint where there is one."""
    n_epochs, out = settings.epochs, settings.out
    bat_per_epo = max(1, settings.n_images // settings.batch_size)
    bat_per_epo = min(bat_per_epo, settings.steps_per_epoch or bat_per_epo)
    dataset = tf.nest.map_structure(tf.constant, dataset)  # uint8, kept on the device
    if settings.ema:  # the optimizer then keeps averages of the weights that it moves
        gan_model.optimizer.use_ema, gan_model.optimizer.ema_momentum = True, settings.ema
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        synchronize(gan_model)
    train_step = make_train_step(g_model, d_model, gan_model, dataset, settings)
    checkpoints = open_checkpoints(out, d_model, gan_model)
    step, offset = checkpoints.checkpoint.step, checkpoints.checkpoint.offset
    if int(step.numpy()) >= n_epochs * bat_per_epo:
        fail(f"the run in {out} is complete: raise --epochs to train it further")
    losses_file = open_losses(out / "losses.csv", int(step.numpy()))
    stop = []  # filled by Ctrl-C; the batches under way are finished, counted and saved first
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    n, saved = 1, time.monotonic()  # batches a call; time of the last checkpoint
    recent, warned = np.empty((0, len(LOSSES))), False  # the last batches' losses
    while (i := int(step.numpy()) // bat_per_epo) < n_epochs:
        bar = keras.utils.Progbar(bat_per_epo, stateful_metrics=[*LOSSES, "batches/s"])
        finite = True  # the losses
        while finite and (j := int(step.numpy()) - i * bat_per_epo) < bat_per_epo:
            start = time.perf_counter()
            n = 0 if stop else min(n, bat_per_epo - j)
            losses = train_step(int(step + offset), n).numpy()  # waits for the device
            n = len(losses)
            if n == 0:  # Ctrl-C, here or at another worker
                break
            rate = n / (time.perf_counter() - start)
            step.assign_add(n)
            for k, row in enumerate(losses, j + 1):
                print(i + 1, k, *(f"{x:.6g}" for x in row), sep=",", file=losses_file)
                if settings.print_batches:
                    print(f">{i + 1}, {k}/{bat_per_epo}, {LINE.format(*row)}")
            if not settings.print_batches:
                bar.update(j + n, [*zip(LOSSES, losses[-1], strict=True), ("batches/s", rate)])
            recent = np.concatenate([recent, losses])[-STRETCH:]
            finite = np.isfinite(losses).all()
            n = max(1, min(MAX_BATCHES, int(0.8 * rate)))  # a call lasts less than a second
        losses_file.flush()
        trouble = find_trouble(recent, g_model, settings)
        if trouble and not (warned and finite):
            raise_alarm(f"epoch {i + 1}: {trouble}", finite, checkpoints, settings)
            # still here: there was a warning, or the run is back at its last checkpoint
            warned = settings.on_collapse == "warn"
            losses_file, recent = open_losses(out / "losses.csv", int(step.numpy())), recent[:0]
        due = (i + 1) % settings.snapshot_every == 0 or i + 1 in (n_epochs, FIRST_SNAPSHOT)
        if due and int(step.numpy()) == (i + 1) * bat_per_epo:
            summarize_performance(i + 1, g_model, d_model, gan_model, dataset, settings)
            if settings.ema:
                with averaged_weights(g_model, gan_model, settings) as averaged:
                    summarize_performance(i + 1, g_model, d_model, gan_model, dataset, averaged)
            plot_losses(out)
        if due or n == 0 or time.monotonic() - saved > 60:
            checkpoints.save(int(step + offset))
            saved = time.monotonic()
        if n == 0:
            command = f"python {Path(__file__).name} --resume --out {out}"
            print(f"\nStopped in epoch {i + 1}; everything is saved. Go on with: {command}")
            raise SystemExit(130)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# ---- three optimizers side by side, --compare-optimizers ----------------------------------------


def compare_optimizers(dataset, settings):
    """Train with each optimizer in turn, in a run folder of its own; then draw OUT/optimizers.png.

    All start from the same weights and draw the same random numbers. A training that fails is
    drawn as far as it came.
    """
    for name in OPTIMIZERS:
        own = {"optimizer": name, "out": settings.out / name, "compare_optimizers": False}
        run = argparse.Namespace(**vars(settings) | own)
        if (run.out / f"generator_model_{run.epochs:03d}.h5").exists():
            continue  # the comparison was stopped later than this
        print(f"With {name}:")
        models = define_models(run)
        start_run(run, dataset)
        try:
            train(*models, dataset, run)
        except SystemExit as end:
            if end.code == 130:  # Ctrl-C
                print(f"Or with the whole comparison: --resume --out {settings.out}")
            if end.code != 1:  # that is a loss that is no number, or --on-collapse stop
                raise
    plot_optimizers(settings.out)


def plot_optimizers(out):
    """Draw a column per optimizer as optimizers.png: its losses, and its last grid below them."""
    n, heights = len(OPTIMIZERS), {"height_ratios": (2, 3)}
    figure, axes = plt.subplots(2, n, figsize=(15, 9), layout="constrained", gridspec_kw=heights)
    peaks = []
    for name, top, bottom in zip(OPTIMIZERS, *axes, strict=True):
        rows = np.genfromtxt(out / name / "losses.csv", delimiter=",", names=True, ndmin=1)
        epochs = rows["epoch"] - 1 + rows["batch"] / rows["batch"].max()
        for loss in LOSSES:
            top.plot(epochs, rows[loss], linewidth=0.5, label=loss)
        top.set(title=name, xlabel="epoch", ylabel="loss per batch")
        finite = [rows[loss][np.isfinite(rows[loss])] for loss in LOSSES]
        peaks.append(np.percentile(np.concatenate(finite), 99.5))
        bottom.set_axis_off()
        for path in sorted((out / name).glob("generated_plot_e*.png"))[-1:]:  # there may be none
            bottom.imshow(plt.imread(path))
            bottom.set_title(path.stem.replace("generated_plot_e", "epoch "))
    for top in axes[0]:  # one scale for all; one training that explodes does not set it
        top.set_ylim(0, 1.1 * min(max(peaks), 3 * np.median(peaks)))
        top.legend(loc="upper right")
    with written_beside(out / "optimizers.png") as part:
        figure.savefig(part)
    plt.close(figure)


# ---- the tutorial's earlier stages, --show ------------------------------------------------------


# Copied from mnist_gan.py
def train_discriminator(d_model, dataset, settings, n_iter=100):
    """Train D alone to tell real images from random pixels; a line per batch."""
    d_model.trainable = True
    for i in range(n_iter):
        seeds = tf.random.split((settings.seed, i), 2)
        X_real, y_real = generate_real_samples(dataset, settings.batch_size // 2, seeds[0])
        X_fake = tf.random.stateless_uniform(X_real.shape, seeds[1], *PIXEL_RANGE)
        real = d_model.train_on_batch(X_real, y_real, return_dict=True)
        fake = d_model.train_on_batch(X_fake, tf.zeros_like(y_real), return_dict=True)
        print(f">{i + 1} real={real['accuracy']:.0%} fake={fake['accuracy']:.0%}")


# Copied from mnist_gan.py
def show(stage, g_model, d_model, gan_model, settings):
    """Show a stage: real images, the three models, the untrained G's grid, or D trained alone."""
    out, (low, high) = make_folder(settings.out), PIXEL_RANGE
    path = out / f"{stage}_plot.png"
    if stage == "data":
        side = 5 if IMAGE_SHAPE[-1] == 1 else 7  # 25 digits or 49 photographs, as the tutorials
        images = tf.nest.flatten(load_real_samples(settings.data))[0][: side * side]
        save_plot(low + (high - low) / 255 * images, path, side)
        print(path)
    elif stage == "untrained":
        images = tf.nest.flatten(generate_grid(g_model, settings))[0]
        save_plot(images.numpy(), path)
        print(path)
    elif stage == "discriminator":
        dataset = tf.nest.map_structure(tf.constant, load_real_samples(settings.data))
        train_discriminator(d_model, dataset, settings)
    else:
        models = d_model, g_model, gan_model
        for model in models:
            d_model.trainable = model is d_model  # the composite leaves D as it is
            model.summary()
        try:
            for model in models:
                path = out / f"{model.name}_plot.png"
                # the default, "ortho", crashes Graphviz 2.43 where a model has two inputs
                keras.utils.plot_model(model, path, show_shapes=True, splines="spline")
                print(path)
        except ImportError:
            print("For the diagrams install Graphviz: apt-get install graphviz", file=sys.stderr)


# ---- plumbing, the same in every script: compiled loop, alarm, files, data, command line --------

MAX_BATCHES = 1000  # trained by one call of the compiled step
STRETCH = 500  # batches that the alarm looks at; healthy runs can begin with 150 that D wins
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}  # with Keras' names
RESTART = 100_000_000  # what --on-collapse restart adds to the batch's number, up to three times

DATASET = keras.datasets.mnist
PUBLISHED = CACHED = "mnist.npz"  # what it is, and where in ~/.keras/datasets Keras keeps it
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


# Copied from mnist_gan.py
def compile_batches(train_batch):
    """Compile a loop over train_batch(step), to train several batches in one call."""
    strategy = tf.distribute.get_strategy()
    alone = strategy.num_replicas_in_sync == 1
    jit_compile = XLA_ON_CPU or bool(tf.config.list_physical_devices("GPU"))

    def gather(n):
        return tf.distribute.get_replica_context().all_gather(n[None], 0)

    @tf.function(jit_compile=jit_compile and alone)  # XLA cannot compile what devices send
    def train_batches(step, n):
        if not alone:  # do as many as all workers can: clocks differ, and Ctrl-C may reach only one
            n = tf.reduce_min(strategy.experimental_local_results(strategy.run(gather, (n,)))[0])
        losses = tf.zeros((MAX_BATCHES, len(LOSSES)))  # XLA needs a fixed size
        i = 0
        while i < n:  # `for i in tf.range(n)` would make XLA compile anew for every n
            # every device returns its part of the batch's losses
            row = strategy.reduce("SUM", strategy.run(train_batch, (step + i,)), None)
            losses = tf.tensor_scatter_nd_update(losses, [[i]], [row])
            i += 1
        return losses, n

    def train_step(step, n):
        losses, n = train_batches(tf.constant(step), tf.constant(n))
        return losses[:n]

    return train_step


# Copied from mnist_gan.py
def prepare_devices(settings):
    """Set the precision; let the workers of TF_CONFIG, or all GPUs here, train together."""
    keras.config.set_dtype_policy(PRECISIONS[settings.precision])
    if settings.distribute == "none" or settings.show:
        return
    strategy = tf.distribute.get_strategy()  # one device
    if "TF_CONFIG" in os.environ:
        strategy = join_workers(settings)
    else:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) > 1:
            strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    n = strategy.num_replicas_in_sync
    if n > 1 and settings.batch_size % (2 * n):
        fail(f"--batch-size must be a multiple of {2 * n}, for {n} devices share both its halves")
    tf.distribute.experimental_set_strategy(strategy)


# Copied from mnist_gan.py
def join_workers(settings):
    """Wait for the workers of TF_CONFIG; all but the first work silently on a throwaway folder."""
    try:
        me = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        first = (me.task_type, me.task_id) in (("chief", 0), ("worker", 0))
        first &= me.task_type == "chief" or "chief" not in me.cluster_spec().jobs
    except (KeyError, TypeError, ValueError) as error:
        fail(f"TF_CONFIG is not what TensorFlow expects ({error}): see docs/speed.md")
    if not first:
        copy = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        if settings.resume:
            shutil.copytree(settings.out, copy, dirs_exist_ok=True)
        settings.out, sys.stdout = copy, open(os.devnull, "w")
    return tf.distribute.MultiWorkerMirroredStrategy()


# Copied from mnist_gan.py
def share(batch):
    """Return this device's share of a batch (n, ...), all of it where one device trains alone."""
    replica = tf.distribute.get_replica_context()  # None outside the training step
    n_devices = replica.num_replicas_in_sync if replica else 1
    if n_devices == 1:
        return batch
    n, *shape = batch.shape
    return tf.reshape(batch, (n_devices, n // n_devices, *shape))[replica.replica_id_in_sync_group]


# Copied from mnist_gan.py
def synchronize(model):
    """Let every BatchNormalization in a model look at the whole batch, not a device's share."""
    for layer in getattr(model, "layers", []):
        synchronize(layer)
    if isinstance(model, layers.BatchNormalization):
        model.synchronized = True


# Copied from mnist_gan.py
def find_trouble(recent, g_model, settings):
    """Look at the last batches' losses (n, len(LOSSES)) and at the grid for a failed training.

    Returns:
        what was seen, or None. Losses are judged from STRETCH batches on, but for NaN and inf.
    """
    if not np.isfinite(recent).all():
        return "a loss is no longer a finite number"
    if len(recent) < STRETCH:
        return None
    d_loss = recent[:, [LOSSES.index(name) for name in D_LOSSES]].mean()
    target = [getattr(settings, "label_smoothing", 1.0)]  # of the real half
    least = float(keras.losses.binary_crossentropy(target, target)) / 2
    if d_loss - least < 0.03:
        return f"D's loss was {d_loss:.3f} for {STRETCH} batches: D wins, and G learns no more"
    low, high = PIXEL_RANGE
    images = tf.nest.flatten(generate_grid(g_model, settings))[0]
    x = np.reshape(images, (len(images), -1)) / (high - low)
    squares = np.mean(x**2, axis=1)
    distances = squares[:, None] + squares - 2 * x @ x.T / x.shape[1]  # mean squares, pair by pair
    np.fill_diagonal(distances, np.inf)
    twin = max(0.0, np.median(distances.min(axis=1))) ** 0.5  # 0.1 to 0.3 in healthy runs
    if twin < 0.03:
        return f"most images of the grid have a twin that differs by {twin:.1%}: G repeats itself"
    return None


# Copied from mnist_gan.py
def raise_alarm(trouble, finite, checkpoints, settings):
    """Warn of a failed training, end the run with status 1, or take it back: see --on-collapse."""
    run = checkpoints.checkpoint
    offset = int(run.offset.numpy()) + RESTART
    if settings.on_collapse == "restart" and offset <= 3 * RESTART:
        run.restore(checkpoints.latest_checkpoint)
        run.offset.assign(offset)
        advice = f"going back to batch {int(run.step.numpy())}, with fresh random numbers"
    elif settings.on_collapse == "warn" and finite:
        advice = "try --on-collapse restart, another --seed, or an earlier snapshot"
    else:
        fail(f"{trouble}; stopped, earlier snapshots are kept: try another --seed", status=1)
    print(f"{Path(__file__).name}: warning: {trouble}; {advice}", file=sys.stderr)


# Copied from mnist_gan.py
@contextlib.contextmanager
def averaged_weights(g_model, gan_model, settings):
    """Give G the averages that --ema keeps, for a while; yield settings for their files, in ema/.

    BatchNormalization's running averages are not averaged again.
    """
    weights = g_model.get_weights()
    averages = [v for v in gan_model.optimizer.variables if v.name.endswith("_average")]
    for weight, average in zip(g_model.trainable_variables, averages, strict=False):  # then Q's
        weight.assign(average)
    changed = {"out": settings.out / "ema", "averaged": True}  # the .h5 will say so
    averaged = argparse.Namespace(**vars(settings) | changed)
    averaged.out.mkdir(exist_ok=True)
    print("With averaged weights:")
    yield averaged
    g_model.set_weights(weights)


# Copied from mnist_gan.py
@contextlib.contextmanager
def written_beside(path):
    """Yield a path to write to, then flush that file and rename it to `path`.

    A run that is killed meanwhile leaves the previous file whole.
    """
    part = path.with_name("part_" + path.name)
    yield part
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


# Copied from mnist_gan.py
def save_generator(g_model, epoch, settings, **about):
    """Save G as an .h5 that describes itself in an attribute `gan`, a JSON text."""
    versions = {m.__name__: m.__version__ for m in (keras, np, tf)}
    about |= {
        "script": f"{settings.script}.py",
        "pixel_range": PIXEL_RANGE,
        "epoch": epoch,
        "seed": settings.seed,
        "settings": vars(settings),
        "versions": {"python": platform.python_version(), **versions},
    }
    with written_beside(settings.out / f"generator_model_{epoch:03d}.h5") as part:
        g_model.save(part)
        with h5py.File(part, "a") as file:
            file.attrs["gan"] = json.dumps(about, default=str)


# Copied from mnist_gan.py
def plot_losses(out):
    """Draw the columns of losses.csv over the epochs, as losses.png."""
    rows = np.genfromtxt(out / "losses.csv", delimiter=",", names=True, ndmin=1)
    epochs = rows["epoch"] - 1 + rows["batch"] / rows["batch"].max()
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for name in LOSSES:
        axes.plot(epochs, rows[name], linewidth=0.5, label=name)
    axes.set(xlabel="epoch", ylabel="loss per batch")
    axes.legend()
    with written_beside(out / "losses.png") as part:
        figure.savefig(part)
    plt.close(figure)


# Copied from mnist_gan.py
def open_losses(path, done):
    """Open losses.csv for appending, cut to the `done` batches that the checkpoint knows of."""
    rows = path.read_text().splitlines()[1 : done + 1] if path.exists() else []
    with written_beside(path) as part:
        part.write_text("\n".join([",".join(("epoch", "batch", *LOSSES)), *rows]) + "\n")
    return open(path, "a")


# Copied from mnist_gan.py
def open_checkpoints(out, d_model, gan_model):
    """Restore the last checkpoint: weights, optimizers, Dropout's random state, batches done.

    Returns:
        the manager that saves them all; its checkpoint has `step`, the number of batches done,
        and `offset`, which a restart raises so that batches draw other random numbers.
    """
    parts = gan_model, d_model.optimizer, gan_model.optimizer  # gan_model holds G and D
    state = [v.value for part in parts for v in part.variables]
    checkpoint = tf.train.Checkpoint(state=state, step=tf.Variable(0), offset=tf.Variable(0))
    checkpoints = tf.train.CheckpointManager(checkpoint, out / "checkpoint", max_to_keep=1)
    try:
        checkpoint.restore(checkpoints.latest_checkpoint)
    except Exception as error:
        fail(f"the checkpoint in {out} is damaged ({error}): start again with another --out")
    if not checkpoints.latest_checkpoint:
        checkpoints.save(0)  # the start, for a collapse before the next one
    return checkpoints


# Copied from mnist_gan.py
def read_data(path, labelled):
    """Read the training images, and the labels where a GAN uses them.

    Args:
        path: an .npz file with x_train (n, height, width[, channels]) uint8 and y_train (n,); or
            a folder of pictures, which are centre-cropped and resized, its sub-folders, sorted,
            being the classes; or None for keras.datasets.

    Returns:
        images uint8 (n, *IMAGE_SHAPE), and labels int32 (n,) from 0 to 9, or None.
    """
    if path is None:
        images, labels = download()
    elif Path(path).is_dir():
        images, labels = read_folder(Path(path), labelled)
    else:
        try:
            with np.load(path) as file:
                images, labels = file["x_train"], file["y_train"] if labelled else None
        except Exception as error:
            names = "x_train and y_train" if labelled else "x_train"
            fail(f"--data {path}: not a folder, nor an .npz file with {names} ({error})")
    if images.dtype != np.uint8 or images.shape[1:] not in (IMAGE_SHAPE, IMAGE_SHAPE[:2]):
        expected = f"uint8 (n, {', '.join(map(str, IMAGE_SHAPE))})"
        fail(f"--data {path}: x_train must be {expected}, not {images.dtype} {images.shape}")
    if not len(images):
        fail(f"--data {path}: x_train is empty")
    if labelled:
        labels = np.reshape(labels, -1)
        if len(labels) != len(images) or not np.isin(labels, range(10)).all():
            fail(f"--data {path}: the labels must be {len(images)} whole numbers from 0 to 9")
        labels = labels.astype("int32")
    return images.reshape(-1, *IMAGE_SHAPE), labels


# Copied from mnist_gan.py
def read_folder(path, labelled):
    """Read the pictures in and under a folder; see `read_data`."""
    kinds = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
    files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in kinds]
    if not files:
        fail(f"--data {path}: no pictures ({', '.join(kinds)}) in this folder")
    if labelled and path in (f.parent for f in files):
        fail(f"--data {path}: this GAN needs labels: put the pictures into class sub-folders")
    images = np.empty((len(files), *IMAGE_SHAPE), "uint8")
    color_mode = "grayscale" if IMAGE_SHAPE[-1] == 1 else "rgb"
    for i, file in enumerate(files):
        try:
            picture = keras.utils.load_img(
                file, color_mode, IMAGE_SHAPE[:2], "lanczos", keep_aspect_ratio=True
            )
        except Exception:
            fail(f"--data {path}: {file} is not a readable picture: mend or remove it")
        images[i] = np.reshape(picture, IMAGE_SHAPE)
    return images, np.unique([f.relative_to(path).parts[0] for f in files], return_inverse=True)[1]


# Copied from mnist_gan.py
def download():
    """Fetch the training data through keras.datasets: images (n, ...) uint8, labels (n, ...)."""
    cached = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "datasets", CACHED)
    # Keras deletes a file that is not what it expects before it tries to download another
    if cached.exists() and hashlib.sha256(cached.read_bytes()).hexdigest() != SHA256:
        fail(f"{cached} is damaged, or not the file Keras expects: move it, or give it as --data")
    socket.setdefaulttimeout(30)  # seconds; Keras waits for ever
    try:
        (images, labels), _ = DATASET.load_data()
    except Exception:
        fail(
            f"the data set cannot be downloaded, and there is no {cached}: put {PUBLISHED} there"
            " under that name, or use --data (--data samples/digits.npz works offline)"
        )
    return images, labels


# Copied from mnist_gan.py
def fail(message, status=2):
    """End the program with one line that says what to do, and an exit status."""
    print(f"{Path(__file__).name}: error: {message}", file=sys.stderr)
    raise SystemExit(status)


# Copied from mnist_gan.py
def whole_number(text):
    """Parse a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


# Copied from mnist_gan.py
def parse_arguments(argv, n_epochs, n_batch, latent_dim, every=10):
    """Read the command line; --resume takes what it leaves out from the stopped run."""
    name = Path(__file__).stem
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.set_defaults(script=name)
    parser.error = fail
    add = parser.add_argument
    add("--epochs", type=whole_number, default=n_epochs, help="default: %(default)s")
    add("--batch-size", type=whole_number, default=n_batch, help="default: %(default)s")
    add("--latent-dim", type=whole_number, default=latent_dim, help="default: %(default)s")
    add("--data", metavar="PATH", help=".npz file or folder of images; default: keras.datasets")
    add("--out", metavar="DIR", type=Path, default=Path("runs", name), help="default: %(default)s")
    add("--seed", type=int, default=1, help="of all random numbers; default: %(default)s")
    add("--resume", action="store_true", help="go on with the run in --out")
    add("--snapshot-every", type=whole_number, default=every, help="default: %(default)s epochs")
    add("--steps-per-epoch", type=whole_number, help="cap the batches of an epoch, for trials")
    add("--print-batches", action="store_true", help="a line per batch, no progress bar")
    add("--ema", type=float, help="also save G with averaged weights; try 0.999")
    add("--on-collapse", choices=("warn", "stop", "restart"), default="warn", help="if G fails")
    add("--precision", choices=PRECISIONS, default="float32", help="of the layers, not of weights")
    add("--distribute", choices=("auto", "none"), default="auto", help="over GPUs or TF_CONFIG")
    add("--show", choices=("data", "models", "untrained", "discriminator"), help="do not train")
    for flag, options in FLAGS.items():
        add(flag, **options)
    settings = parser.parse_args(argv)
    path = settings.out / "settings.json"
    if settings.resume:
        if not path.exists():
            fail(f"{settings.out} holds no run: leave out --resume to start one")
        stopped = json.loads(path.read_text())
        if stopped["script"] != name:
            fail(f"{settings.out} holds a run of {stopped['script']}.py: choose another --out")
        parser.set_defaults(**stopped)
        settings = parser.parse_args(argv)
        fixed = ["batch_size", "latent_dim", "seed", "steps_per_epoch", "ema", "precision"]
        for key in fixed + [flag[2:].replace("-", "_") for flag in FLAGS]:
            if key in stopped and getattr(settings, key) != stopped[key]:
                flag = "--" + key.replace("_", "-")
                fail(f"the run in {settings.out} has {flag} {stopped[key]}: leave out {flag}")
    elif not settings.show and (path.exists() or any(settings.out.glob("generator_model_*.h5"))):
        fail(f"{settings.out} holds a run: add --resume to go on, or choose another --out")
    if settings.batch_size < 2 or not 0 <= settings.seed < 2**31:
        fail("--batch-size must be at least 2, and --seed from 0 to 2147483647")
    if settings.ema is not None and not 0 < settings.ema < 1:
        fail("--ema must be above 0 and below 1")
    if not 0.5 < getattr(settings, "label_smoothing", 1.0) <= 1:
        fail("--label-smoothing must be above 0.5 and at most 1")
    return settings


# Copied from mnist_gan.py
def make_folder(path):
    """Make a folder to write to, where there is none yet, and return its path."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()  # a folder may exist and yet be closed to us
    except OSError as error:
        fail(f"cannot write to --out {path}: {error}")
    return path


# Copied from mnist_gan.py
def start_run(settings, dataset):
    """Make the folder of the run and write the settings into it."""
    n_images = len(tf.nest.flatten(dataset)[0])
    settings.n_images = getattr(settings, "n_images", n_images)
    if settings.n_images != n_images:
        fail(f"--data holds {n_images} images, but the run began with {settings.n_images}")
    with written_beside(make_folder(settings.out) / "settings.json") as part:
        part.write_text(json.dumps(vars(settings) | {"resume": False}, default=str, indent=1))
    settings.print_batches |= not sys.stdout.isatty()


def main(argv=None):
    global IMAGE_SHAPE, XLA_ON_CPU
    argv = sys.argv[1:] if argv is None else argv
    n_epochs, n_batch, smoothing = 400, 128, "0.9"
    if "--batch-norm" in argv:
        n_epochs, n_batch, smoothing = 100, 32, "1"
    if "--resume" not in argv:  # which takes it from the stopped run
        argv = ["--label-smoothing", smoothing, *argv]
    settings = parse_arguments(argv, n_epochs, n_batch, latent_dim=100, every=20)
    prepare_devices(settings)
    IMAGE_SHAPE, XLA_ON_CPU = (28, 28, 1), False
    if settings.batch_norm:
        IMAGE_SHAPE, XLA_ON_CPU = (32, 32, 3), True
    if settings.show:
        return show(settings.show, *define_models(settings), settings)
    if settings.compare_optimizers:
        if settings.optimizer != "adam":
            fail("--compare-optimizers trains with all of them: leave out --optimizer")
        if not settings.resume and any((settings.out / name).exists() for name in OPTIMIZERS):
            fail(f"{settings.out} holds results of a comparison: choose another --out")
    dataset = load_real_samples(settings.data)
    start_run(settings, dataset)
    if settings.compare_optimizers:
        return compare_optimizers(dataset, settings)
    train(*define_models(settings), dataset, settings)


if __name__ == "__main__":
    main()
