"""Train an InfoGAN, which finds the ten digits, slant and width by itself (MNIST, 28x28, grey).

    python infogan_mnist.py                              MNIST through keras.datasets, 50 epochs
    python infogan_mnist.py --data samples/digits.npz    the small data set of this project
    python infogan_mnist.py --labelled                   the variant of "GAN collection 3"
    python generate.py runs/infogan_mnist/generator_model_050.h5 --labels 0-9

G draws from noise and from a code: a category of ten, and two continuous numbers. An auxiliary
model Q, which shares D's layers, has to recover the code from the image; so G has to put the code
to visible use. Labels are never read: which category became which digit is for the reader to see.
With --labelled the category is the label, and Q learns the classes of real and generated digits.

Two cores of an AMD EPYC, TensorFlow 2.21.0, Keras 3.15.1: 0.23 s a batch, 1.8 min an epoch
(docs/speed.md). Seed 1: after 10 epochs the ten categories are the ten digits, one code the width
of the stroke and the other the slant.

Tutorials: the InfoGAN tutorial of Machine Learning Mastery; "GAN collection 3: InfoGAN and AC-GAN".
Paper: Chen et al. 2016, InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets, arXiv:1606.03657.
Diagram, losses, failures, what to try: docs/infogan_mnist.md.
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
N_CLASSES = 10  # values of the categorical code
N_CODES = 2  # continuous codes
PIXEL_RANGE = (0.0, 1.0)  # of the images that G draws and D sees
N_COLUMNS = 10  # of the grid
FIRST_SNAPSHOT = 0  # an epoch that has one whatever --snapshot-every says; 0: none
LOSSES = ("d_real", "d_fake", "g", "q_category", "q_codes")  # the columns of losses.csv
D_LOSSES = ("d_real", "d_fake")  # those that near 0 mean that D has won
LINE = "d[{:.3f},{:.3f}], g[{:.3f}], q[{:.3f},{:.3f}]"  # the tutorial's line per batch
LOSS_OF_OUTPUT = {
    "real": "binary_crossentropy",
    "category": "categorical_crossentropy",
    "codes": "mean_squared_error",
}
XLA_ON_CPU = False  # it makes these convolutions many times slower there; a GPU always uses it
FLAGS = {  # of this script: the variant of "GAN collection 3" and what that leaves out in turn
    "--labelled": {"action": "store_true", "help": "the category is the label; 38 of noise"},
    "--without-cf": {"action": "store_true", "help": "no class loss on fakes"},
    "--without-cr": {"action": "store_true", "help": "no class loss on real images"},
}


def define_discriminator(in_shape=IMAGE_SHAPE):
    """Build D and Q, which share all but their last layers.

    Returns:
        d_model: image (n, 28, 28, 1) in [0, 1] -> probability (n, 1) that it is real.
        q_model: image -> probabilities of the category (n, 10), continuous codes (n, 2).
    """
    image = keras.Input(in_shape, name="image")
    x = layers.Conv2D(64, 4, strides=2, padding="same")(image)  # 14x14x64
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Conv2D(128, 4, strides=2, padding="same")(x)  # 7x7x128
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Flatten()(x)  # 6272
    x = layers.Dense(1024)(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    # --precision stops at the outputs
    real = layers.Dense(1, activation="sigmoid", name="real", dtype="float32")(x)
    d_model = keras.Model(image, real, name="discriminator")
    optimizer = keras.optimizers.Adam(learning_rate=0.0002, beta_1=0.5)
    d_model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])

    q = layers.Dense(128)(x)
    q = layers.BatchNormalization()(q)
    q = layers.LeakyReLU(negative_slope=0.1)(q)
    category = layers.Dense(N_CLASSES, activation="softmax", name="category", dtype="float32")(q)
    codes = layers.Dense(N_CODES, name="codes", dtype="float32")(
        q
    )  # the mean of a Gaussian of fixed variance
    return d_model, keras.Model(image, [category, codes], name="auxiliary")


def define_generator(latent_dim=62 + N_CLASSES + N_CODES):
    """Build G: noise, category and codes, joined (n, latent_dim) -> image (n, 28, 28, 1)."""
    model = keras.Sequential(name="generator")
    model.add(keras.Input((latent_dim,)))
    model.add(layers.Dense(1024))
    model.add(layers.BatchNormalization())
    model.add(layers.Activation("relu"))
    model.add(layers.Dense(7 * 7 * 128))
    model.add(layers.BatchNormalization())
    model.add(layers.Activation("relu"))
    model.add(layers.Reshape((7, 7, 128)))  # 128 versions of a 7x7 image
    model.add(layers.Conv2DTranspose(64, 4, strides=2, padding="same"))  # 14x14x64
    model.add(layers.BatchNormalization())
    model.add(layers.Activation("relu"))
    model.add(layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"))
    return model  # 28x28x1


def define_gan(g_model, d_model, q_model):
    """Build the composite: latent point -> G -> D and Q -> real, category, codes.

    It updates G and Q's own last layers, and nothing of D.
    """
    d_model.trainable = False
    category, codes = q_model.outputs
    outputs = {"real": d_model.outputs[0], "category": category, "codes": codes}
    dq_model = keras.Model(d_model.inputs, outputs, name="d_and_q")
    model = keras.Model(g_model.inputs, dq_model(g_model.outputs[0]), name="gan")
    optimizer = keras.optimizers.Adam(learning_rate=0.001, beta_1=0.5)
    model.compile(loss=LOSS_OF_OUTPUT, optimizer=optimizer)
    return model


def load_real_samples(path=None, labelled=False):
    """Load the training images: MNIST, or the .npz file or folder at `path`.

    Returns:
        images uint8 (n, 28, 28, 1), values 0 to 255, which are scaled when a batch is drawn; and
        labels int32 (n,), 0 to 9, or -1 throughout where they are not to be read.
    """
    images, labels = read_data(path, labelled)
    return images, labels if labelled else np.full(len(images), -1, "int32")


# In the next three functions `seed` is a pair of whole numbers: one pair always draws one result.
# Where several devices train together, each of them draws the batch and keeps its share of it.


def generate_real_samples(dataset, n_samples, seed):
    """Draw real images float32 (n, 28, 28, 1) in [0, 1] with one-hot labels (n, 10); target 1.

    The labels are all 0 where they are not read.
    """
    images, labels = dataset
    ix = share(tf.random.stateless_uniform([n_samples], seed, 0, len(images), tf.int32))
    X = tf.cast(tf.gather(images, ix), tf.float32) / 255.0
    return [X, tf.one_hot(tf.gather(labels, ix), N_CLASSES)], tf.ones((X.shape[0], 1))


def generate_latent_points(latent_dim, n_samples, seed):
    """Draw noise float32 (n, latent_dim), standard normal, and a code for each point.

    Returns:
        noise, category (n, 10) one-hot, and codes (n, 2) uniform in [-1, 1].
    """
    seeds = tf.random.split(seed, 3)
    noise = tf.random.stateless_normal([n_samples, latent_dim], seeds[0])
    category = tf.random.stateless_uniform([n_samples], seeds[1], 0, N_CLASSES, tf.int32)
    codes = tf.random.stateless_uniform([n_samples, N_CODES], seeds[2], -1.0, 1.0)
    return share(noise), share(tf.one_hot(category, N_CLASSES)), share(codes)


def generate_fake_samples(g_model, noise, category, codes):
    """Draw images from G: float32 (n, 28, 28, 1) in [0, 1], labelled 0."""
    X = g_model(tf.concat([noise, category, codes], 1), training=False)
    X = tf.cast(X, tf.float32)  # G may compute in bfloat16
    return X, tf.zeros((X.shape[0], 1))


def generate_grid(g_model, settings, n_rows=10):
    """Draw the grid's images: a column per category, a row per noise and codes, every epoch's."""
    noise, _, codes = generate_latent_points(settings.latent_dim, n_rows, (settings.seed, -1))
    noise, codes = tf.repeat(noise, N_CLASSES, 0), tf.repeat(codes, N_CLASSES, 0)
    category = tf.tile(tf.eye(N_CLASSES), [n_rows, 1])
    return generate_fake_samples(g_model, noise, category, codes)


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
    """Report D's accuracy, and save the grids and the generator of an epoch.

    In generated_plot_eNNN_c1.png and _c2 a row is a category, and that continuous code goes from
    -2 to 2 along it. With --labelled there are two pictures more.
    """
    path = str(settings.out / f"generated_plot_e{epoch:03d}")
    (X_real, _), y_real = generate_real_samples(dataset, n_samples, (settings.seed, -1))
    acc_real = np.mean(keras.metrics.binary_accuracy(y_real, d_model(X_real)))
    X_fake, y_fake = generate_grid(g_model, settings)
    acc_fake = np.mean(keras.metrics.binary_accuracy(y_fake, d_model(X_fake)))
    print(f">Accuracy real: {acc_real:.0%}, fake: {acc_fake:.0%}")
    save_plot(X_fake.numpy(), Path(f"{path}.png"))

    noise, _, _ = generate_latent_points(settings.latent_dim, 1, (settings.seed, -1))
    category = tf.repeat(tf.eye(N_CLASSES), 10, 0)
    sweep = tf.tile(tf.linspace(-2.0, 2.0, 10)[:, None], [N_CLASSES, 1])
    for k in range(N_CODES):
        codes = sweep * tf.one_hot(k, N_CODES)  # the other code stays 0
        X_fake, _ = generate_fake_samples(g_model, tf.repeat(noise, 100, 0), category, codes)
        save_plot(X_fake.numpy(), Path(f"{path}_c{k + 1}.png"))
    if settings.labelled:
        save_labelled_plots(path, g_model, gan_model.get_layer("d_and_q"), settings)
    latent = [
        {"name": "noise", "size": settings.latent_dim, "distribution": "normal"},
        {"name": "category", "size": N_CLASSES, "distribution": "one-hot"},
        {"name": "codes", "size": N_CODES, "distribution": "uniform"},
    ]
    save_generator(g_model, epoch, settings, kind="infogan", latent=latent, classes=N_CLASSES)


def save_labelled_plots(path, g_model, dq_model, settings):
    """Save the two pictures of "GAN collection 3", for --labelled.

    PATH_labels.png: a test digit of each class, over a digit generated with its label; above each
    the class that Q sees, the label, and the codes that Q recovers. PATH_codes.png: a column per
    label, both codes going from -1 to 1 downwards.
    """
    X_test, y_test = load_test_samples(settings.data)
    parts = [X_test[k : k + 500] for k in range(0, len(X_test), 500)]  # to spare memory
    seen = np.concatenate([np.argmax(dq_model(X)["category"], axis=1) for X in parts])
    noise, _, codes = generate_latent_points(settings.latent_dim, N_CLASSES, (settings.seed, -2))
    X_fake, _ = generate_fake_samples(g_model, noise, tf.eye(N_CLASSES), codes)
    X_real = X_test[[np.argmax(y_test == k) for k in range(N_CLASSES)]]  # the first of each class
    figure, axes = plt.subplots(2, N_CLASSES, figsize=(12, 3.4), layout="constrained")
    for row, X in zip(axes, (X_real, X_fake), strict=True):
        out = {name: value.numpy() for name, value in dq_model(X).items()}
        for k, axis in enumerate(row):
            axis.imshow(X[k], cmap="gray_r", vmin=0, vmax=1)
            axis.set_axis_off()
            text = "  ".join(f"{code:.2f}" for code in out["codes"][k])
            axis.set_title(f"class {out['category'][k].argmax()}, label {k}\n{text}", fontsize=8)
    with written_beside(Path(f"{path}_labels.png")) as part:
        figure.savefig(part)
    plt.close(figure)
    noise, sweep = tf.repeat(noise[:1], 100, 0), tf.linspace(-1.0, 1.0, 10)[:, None]
    codes = tf.repeat(tf.tile(sweep, [1, N_CODES]), N_CLASSES, 0)
    X_fake, _ = generate_fake_samples(g_model, noise, tf.tile(tf.eye(N_CLASSES), [10, 1]), codes)
    save_plot(X_fake.numpy(), Path(f"{path}_codes.png"))

    X_fake, _ = generate_grid(g_model, settings)
    drawn = np.argmax(dq_model(X_fake)["category"], axis=1)
    acc_fake = np.mean(drawn == np.arange(len(drawn)) % N_CLASSES)
    print(f">Class accuracy test: {np.mean(seen == y_test):.1%}, fake: {acc_fake:.0%}")


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the tutorial's batch; `dataset` is the images and labels, as tensors on the device.

    Returns:
        train_step(step, n): train n batches, the first being number `step` of the run, and return
        their losses, float32 (n, 5). The random numbers of a batch depend only on the seed and
        the batch's number, so it does not matter how many batches one call trains.
    """
    n_batch, latent_dim = settings.batch_size, settings.latent_dim
    cf, cr = 1.0, 0.0  # weights of the class losses on fakes and on real images
    if settings.labelled:
        cf, cr = 0.5 * (not settings.without_cf), 0.5 * (not settings.without_cr)
    bce, mse = keras.losses.BinaryCrossentropy(), keras.losses.MeanSquaredError()
    ce = keras.losses.CategoricalCrossentropy()
    # define_gan froze D, and a step traced now would never move it, and its BatchNormalization
    # would not look at the batch. Thaw D, and let each update name the weights that it moves.
    d_model.trainable = True
    dq_model = gan_model.get_layer("d_and_q")
    d_weights, g_weights = d_model.trainable_variables, g_model.trainable_variables
    in_d = {id(weight) for weight in d_weights}
    q_weights = [weight for weight in dq_model.trainable_variables if id(weight) not in in_d]
    d_averages = d_model.non_trainable_weights  # of BatchNormalization
    update_d = compile_update(d_model.optimizer, d_weights + q_weights)
    update_g = compile_update(gan_model.optimizer, g_weights + q_weights)

    def train_batch(step):
        seeds = tf.random.split(tf.stack([settings.seed, step]), 3)
        (X_real, labels), y_real = generate_real_samples(dataset, n_batch, seeds[0])
        noise, category, codes = generate_latent_points(latent_dim, n_batch, seeds[1])
        category = labels if settings.labelled else category
        X_fake, y_fake = generate_fake_samples(g_model, noise, category, codes)

        # ---- Update D and Q: maximise log D(x) + log(1 - D(G(z, c))) + log Q(c | G(z, c)) ----
        with tf.GradientTape() as tape:
            real, fake = dq_model(X_real, training=True), dq_model(X_fake, training=True)
            d_real, d_fake = bce(y_real, real["real"]), bce(y_fake, fake["real"])
            q_loss = cf * ce(category, fake["category"]) + mse(codes, fake["codes"])
            d_loss = d_real + d_fake + q_loss + cr * ce(category, real["category"])
        update_d(*tape.gradient(d_loss, d_weights + q_weights))

        # ---- Update G and Q by the composite: maximise log D(G(z, c)) + log Q(c | G(z, c)) ----
        averages = [tf.identity(average) for average in d_averages]
        noise, category, codes = generate_latent_points(latent_dim, n_batch, seeds[2])
        y_gan = tf.ones((noise.shape[0], 1))  # G wants its fakes to be taken for real
        with tf.GradientTape() as tape:
            z = tf.concat([noise, category, codes], 1)
            out = gan_model(z, training=True)
            g = bce(y_gan, out["real"]), ce(category, out["category"]), mse(codes, out["codes"])
            g_loss = g[0] + cf * g[1] + g[2]
        update_g(*tape.gradient(g_loss, g_weights + q_weights))
        for average, before in zip(d_averages, averages, strict=True):
            average.assign(before)  # this update leaves nothing behind in D

        return tf.stack([d_real, d_fake, *g])

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


# ---- the tutorial's earlier stages, --show ------------------------------------------------------


def train_discriminator(d_model, dataset, settings, n_iter=100):
    """Train D alone to tell real images from random pixels; a line per batch.

    Both go through D together: in a batch of one kind, BatchNormalization would take away what
    tells it from the other.
    """
    d_model.trainable = True
    for i in range(n_iter):
        seeds = tf.random.split((settings.seed, i), 2)
        (X_real, _), y_real = generate_real_samples(dataset, settings.batch_size // 2, seeds[0])
        X_fake = tf.random.stateless_uniform(X_real.shape, seeds[1], *PIXEL_RANGE)
        X, y = tf.concat([X_real, X_fake], 0), tf.concat([y_real, tf.zeros_like(y_real)], 0)
        right = np.equal(d_model(X, training=True) > 0.5, y > 0.5)
        d_model.train_on_batch(X, y)
        real, fake = np.split(right, 2)
        print(f">{i + 1} real={real.mean():.0%} fake={fake.mean():.0%}")


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


def compile_update(optimizer, weights):
    """Build an optimizer; return update(*gradients), which moves the weights.

    There are 13 million: XLA makes one pass over them of Adam's many. It cannot compile what
    several devices send to each other.
    """
    optimizer.build(weights)
    alone = tf.distribute.get_strategy().num_replicas_in_sync == 1

    def update(*gradients):
        optimizer.apply(gradients, weights)

    return tf.function(update, jit_compile=True) if alone else update


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


def load_test_samples(path):
    """Load the test images float32 (n, 28, 28, 1) in [0, 1] and labels (n,).

    They are those of --data, or its training images where it has no x_test and y_test.
    """
    if path is None:
        images, labels = DATASET.load_data()[1]
    elif Path(path).is_dir():
        images, labels = read_folder(Path(path), labelled=True)
    else:
        with np.load(path) as file:
            part = "test" if {"x_test", "y_test"} <= set(file.files) else "train"
            images, labels = file[f"x_{part}"], file[f"y_{part}"]
    return images.reshape(-1, *IMAGE_SHAPE) / np.float32(255), labels.reshape(-1)


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
    argv = sys.argv[1:] if argv is None else argv
    latent_dim = 38 if "--labelled" in argv else 62
    settings = parse_arguments(argv, n_epochs=50, n_batch=128, latent_dim=latent_dim)
    if (settings.without_cf or settings.without_cr) and not settings.labelled:
        fail("--without-cf and --without-cr are for --labelled")
    prepare_devices(settings)
    keras.utils.set_random_seed(settings.seed)
    d_model, q_model = define_discriminator()
    g_model = define_generator(settings.latent_dim + N_CLASSES + N_CODES)
    gan_model = define_gan(g_model, d_model, q_model)
    if settings.show:
        return show(settings.show, g_model, d_model, gan_model, settings)
    dataset = load_real_samples(settings.data, settings.labelled)
    start_run(settings, dataset)
    train(g_model, d_model, gan_model, dataset, settings)


if __name__ == "__main__":
    main()
