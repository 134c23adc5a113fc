"""Train an energy-based GAN of dense layers to draw handwritten digits (MNIST, 28x28, grey).

    python ebgan_mnist.py                              MNIST through keras.datasets, 50 epochs
    python ebgan_mnist.py --data samples/digits.npz    the small data set of this project
    python ebgan_mnist.py --margin 1                   too small a margin: ones and grey blots
    python generate.py runs/ebgan_mnist/generator_model_050.h5

D is an auto-encoder, and the energy of an image is the error of its copy. D learns to copy real
images well, and fakes badly, up to an energy of `--margin`; G learns to draw images of low energy.
The pulling-away term, weighted by `--pt-weight`, keeps the images of a batch from being alike.

Two cores of an AMD EPYC, TensorFlow 2.21.0, Keras 3.15.1: 15 ms a batch, 7.2 s an epoch
(docs/speed.md). Seed 1: most digits can be read after 4 epochs, nearly all after 20. With --margin
1 half of them are ones after 3 epochs, the others grey blots.

Paper: Zhao, Mathieu and LeCun 2016, Energy-based Generative Adversarial Network, arXiv:1609.03126:
the losses of its Sec. 2.1, the auto-encoder of 2.3, the pulling-away term of 2.4 (EBGAN-PT). As in
its MNIST search (4.1): dense layers, one of them decodes, Adam at 0.001, margin 10. Ours: the
sizes, BatchNormalization in G, and Adam's beta_1 of 0.5.
Diagram, losses, failures, what to try: docs/ebgan_mnist.md.
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

IMAGE_SHAPE = (28, 28, 1)
PIXEL_RANGE = (0.0, 1.0)  # of the images that G draws and D sees
N_COLUMNS = 10  # of the grid
FIRST_SNAPSHOT = 0  # an epoch that has one whatever --snapshot-every says; 0: none
LOSSES = ("d_real", "d_fake", "g", "pt")  # the columns of losses.csv
D_LOSSES = ("d_fake",)  # those that near 0 mean that D has won
LINE = "d_real={:.3f}, d_fake={:.3f}, g={:.3f}, pt={:.3f}"  # the line per batch
XLA_ON_CPU = True  # dense layers gain from it there too
FLAGS = {  # of this script alone
    "--margin": {"type": float, "default": 10.0, "help": "energy for fakes; default: %(default)s"},
    "--pt-weight": {"type": float, "default": 0.1, "help": "0 for none; default: %(default)s"},
}


def define_discriminator(in_shape=IMAGE_SHAPE):
    """Build D, an auto-encoder: image (n, 28, 28, 1) in [0, 1] -> `energy` (n, 1), at least 0, the
    Euclidean distance of image and copy over the 784 pixels, and `code` (n, 512), at least 0.

    A digit whose copy is black has an energy of about 9. The losses need the margin, a setting, so
    they stand in `make_train_step`, and compile() gives the model its optimizer only.
    """
    image = keras.Input(in_shape, name="image")
    pixels = layers.Flatten(dtype="float32")(image)  # 784
    code = layers.Dense(512, activation="relu", name="code")(pixels)
    copy = layers.Dense(pixels.shape[-1], name="copy")(code)  # 784, not bounded: energy can grow
    error = keras.ops.cast(copy, "float32") - pixels  # --precision stops here
    square = keras.ops.sum(keras.ops.square(error), axis=-1, keepdims=True)
    # a root has no gradient at 0, the error of the first copy of an all black image
    energy = keras.ops.sqrt(square + 1e-8)
    model = keras.Model(image, {"energy": energy, "code": code}, name="discriminator")
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001, beta_1=0.5))
    return model


def define_generator(latent_dim=100):
    """Build G: latent point (n, latent_dim) -> image (n, 28, 28, 1) in [0, 1]."""
    model = keras.Sequential(name="generator")
    model.add(keras.Input((latent_dim,)))
    for units in (256, 512, 1024):
        model.add(layers.Dense(units))
        model.add(layers.BatchNormalization(momentum=0.8))
        model.add(layers.LeakyReLU(negative_slope=0.2))
    model.add(layers.Dense(28 * 28, activation="sigmoid"))
    model.add(layers.Reshape(IMAGE_SHAPE))  # 28x28x1
    return model


def define_gan(g_model, d_model):
    """Build the composite: latent point -> G -> D -> energy, code. It updates G only."""
    d_model.trainable = False
    model = keras.Model(g_model.inputs, d_model(g_model.outputs[0]), name="gan")
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001, beta_1=0.5))
    return model


def pulling_away_term(codes):
    """Return how alike the codes (n, size) of a batch are: 0, at right angles, to 1, parallel.

    It is the mean, over all pairs of different images, of the squared cosine between their codes.
    """
    replica = tf.distribute.get_replica_context()  # pairs form across all devices
    codes = replica.all_gather(tf.cast(codes, tf.float32), 0)
    codes = tf.math.l2_normalize(codes, axis=1)
    cosines2 = tf.square(tf.matmul(codes, codes, transpose_b=True))  # n x n; 1 on the diagonal
    n = tf.cast(len(codes), tf.float32)
    mean = (tf.reduce_sum(cosines2) - tf.linalg.trace(cosines2)) / (n * (n - 1))
    return mean / replica.num_replicas_in_sync  # each device has its part in it


# Copied from mnist_gan.py
def load_real_samples(path=None):
    """Load the training images: MNIST, or the .npz file or folder at `path`.

    Returns:
        uint8 (n, 28, 28, 1), values 0 to 255; they are scaled when a batch is drawn.
    """
    images, _ = read_data(path, labelled=False)
    return images


# In the next three functions `seed` is a pair of whole numbers: one pair always draws one result.
# Where several devices train together, each of them draws the batch and keeps its share of it.


# Copied from mnist_gan.py
def generate_real_samples(dataset, n_samples, seed):
    """Draw real images with replacement: float32 (n, 28, 28, 1) in PIXEL_RANGE, labelled 1."""
    low, high = PIXEL_RANGE
    ix = share(tf.random.stateless_uniform([n_samples], seed, 0, len(dataset), tf.int32))
    X = low + (high - low) / 255.0 * tf.cast(tf.gather(dataset, ix), tf.float32)
    return X, tf.ones((X.shape[0], 1))


# Copied from mnist_gan.py
def generate_latent_points(latent_dim, n_samples, seed):
    """Draw points of the latent space: float32 (n, latent_dim), standard normal."""
    return share(tf.random.stateless_normal([n_samples, latent_dim], seed))


# Copied from mnist_gan.py
def generate_fake_samples(g_model, latent_dim, n_samples, seed):
    """Draw images from G: float32 (n, 28, 28, 1) in PIXEL_RANGE, labelled 0."""
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


def summarize_performance(epoch, g_model, d_model, gan_model, dataset, settings, n_samples=100):
    """Report D's mean energies, and save the grid and the generator of an epoch."""
    X_real, _ = generate_real_samples(dataset, n_samples, (settings.seed, -1))
    X_fake, _ = generate_grid(g_model, settings)
    real, fake = (np.mean(d_model(X, training=False)["energy"]) for X in (X_real, X_fake))
    print(f">Energy real: {real:.3f}, fake: {fake:.3f}")
    save_plot(X_fake.numpy(), settings.out / f"generated_plot_e{epoch:03d}.png")
    latent = [{"name": "noise", "size": settings.latent_dim, "distribution": "normal"}]
    save_generator(g_model, epoch, settings, kind="unconditional", latent=latent, classes=0)


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the paper's batch; `dataset` is a uint8 tensor (n, 28, 28, 1) on the device.

    Returns:
        train_step(step, n): train n batches, the first being number `step` of the run, and return
        their losses, float32 (n, 4): the mean energy of the real images, the hinge on the fakes,
        the mean energy of the fakes in G's update, and their pulling-away term, not weighted. The
        random numbers of a batch depend only on the seed and the batch's number, so it does not
        matter how many batches one call trains.
    """
    n_batch, latent_dim = settings.batch_size, settings.latent_dim
    margin, pt_weight = settings.margin, settings.pt_weight
    # define_gan froze D, and a step traced now would never move it. Thaw D, and let each update
    # name the weights that it moves.
    d_model.trainable = True
    d_weights, g_weights = d_model.trainable_variables, g_model.trainable_variables
    d_model.optimizer.build(d_weights)
    gan_model.optimizer.build(g_weights)

    def train_batch(step):
        seeds = tf.random.split(tf.stack([settings.seed, step]), 3)
        X_real, _ = generate_real_samples(dataset, n_batch, seeds[0])
        X_fake, _ = generate_fake_samples(g_model, latent_dim, n_batch, seeds[1])

        # ---- Update D: minimise D(x) + max(0, margin - D(G(z))) ----
        with tf.GradientTape() as tape:
            energies = d_model(tf.concat([X_real, X_fake], 0), training=True)["energy"]
            real, fake = tf.split(energies, 2)
            d_real = tf.nn.compute_average_loss(real)
            # beyond the margin a fake is bad enough: D leaves it alone
            d_fake = tf.nn.compute_average_loss(tf.maximum(0.0, margin - fake))
            d_loss = d_real + d_fake
        d_model.optimizer.apply(tape.gradient(d_loss, d_weights), d_weights)

        # ---- Update G through the composite: minimise D(G(z)) + pt_weight PT(codes of G(z)) ----
        X_gan = generate_latent_points(latent_dim, n_batch, seeds[2])
        with tf.GradientTape() as tape:
            out = gan_model(X_gan, training=True)
            g = tf.nn.compute_average_loss(out["energy"])
            pt = pulling_away_term(out["code"])
            g_loss = g + pt_weight * pt
        gan_model.optimizer.apply(tape.gradient(g_loss, g_weights), g_weights)

        return tf.stack([d_real, d_fake, g, pt])

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


# ---- earlier stages, --show ---------------------------------------------------------------------


def train_discriminator(d_model, dataset, settings, n_iter=100):
    """Train D alone to copy real images, and random pixels badly; a line of energies per batch."""
    half_batch = settings.batch_size // 2
    d_model.trainable = True
    d_weights = d_model.trainable_variables
    for i in range(n_iter):
        seeds = tf.random.split((settings.seed, i), 2)
        X_real, _ = generate_real_samples(dataset, half_batch, seeds[0])
        X_fake = tf.random.stateless_uniform(X_real.shape, seeds[1], *PIXEL_RANGE)
        with tf.GradientTape() as tape:
            energies = d_model(tf.concat([X_real, X_fake], 0), training=True)["energy"]
            real, fake = energies[:half_batch], energies[half_batch:]
            d_loss = tf.reduce_mean(real + tf.maximum(0.0, settings.margin - fake))
        d_model.optimizer.apply(tape.gradient(d_loss, d_weights), d_weights)
        print(f">{i + 1} real={np.mean(real):.3f} fake={np.mean(fake):.3f}")


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
    settings = parse_arguments(argv, n_epochs=50, n_batch=128, latent_dim=100)
    if not settings.margin > 0 or not settings.pt_weight >= 0:
        fail("--margin must be above 0, and --pt-weight at least 0")
    prepare_devices(settings)
    keras.utils.set_random_seed(settings.seed)
    d_model = define_discriminator()
    g_model = define_generator(settings.latent_dim)
    gan_model = define_gan(g_model, d_model)
    if settings.show:
        return show(settings.show, g_model, d_model, gan_model, settings)
    dataset = load_real_samples(settings.data)
    start_run(settings, dataset)
    train(g_model, d_model, gan_model, dataset, settings)


if __name__ == "__main__":
    main()
