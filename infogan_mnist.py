# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*","keras==3.15.*","numpy==2.*","matplotlib==3.*","h5py==3.*"]
# ///
"""Train an InfoGAN, which finds the ten digits, slant and width by itself (MNIST, 28x28, grey).

    python infogan_mnist.py                              MNIST through keras.datasets, 50 epochs
    python infogan_mnist.py --data samples/digits.npz    the small data set of this project
    python generate.py runs/infogan_mnist/generator_model_050.h5 --labels 0-9

G draws from noise and from a code: a category of ten, and two continuous numbers. An auxiliary
model Q, which shares D's layers, has to recover the code from the image; so G has to put the code
to visible use. Labels are never read: which category became which digit is for the reader to see.
Two cores of an AMD EPYC: 0.25 s a batch, 2.0 min an epoch (docs/speed.md); after 10 epochs the ten
categories are the digits, the codes slant and width.

Tutorials: the InfoGAN tutorial of Machine Learning Mastery; "GAN collection 3: InfoGAN and AC-GAN".
Paper: InfoGAN, Chen et al. 2016, arXiv:1606.03657. More: docs/infogan_mnist.md.
"""

import argparse
import hashlib
import json
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or a run would claim a whole GPU
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # fast convolutions on older CPUs, too
with open(os.devnull, "w") as null, os.fdopen(os.dup(2), "w") as stderr:
    os.dup2(null.fileno(), 2)  # TensorFlow writes its start-up there, whatever the log level
    try:
        import h5py
        import keras
        import matplotlib.pyplot as plt
        import numpy as np
        import tensorflow as tf
        from keras import layers
    finally:
        os.dup2(stderr.fileno(), 2)
logging.getLogger("absl").setLevel("ERROR")  # Keras calls .h5 a legacy format at every save

IMAGE_SHAPE = (28, 28, 1)
N_CATEGORIES, N_CODES = 10, 2  # values of the categorical code; continuous codes
PIXEL_RANGE = (0.0, 1.0)  # of the images that G draws and D sees
LOSSES = ("d_real", "d_fake", "g", "q_category", "q_codes")  # the columns of losses.csv
LINE = "d[{:.3f},{:.3f}], g[{:.3f}], q[{:.3f},{:.3f}]"  # the tutorial's line per batch


def define_discriminator(in_shape=IMAGE_SHAPE):
    """Build D and Q, which share all but their last layers.

    Returns:
        d_model: image (n, 28, 28, 1) in [0, 1] -> probability (n, 1) that it is real.
        q_model: image -> probabilities of the category (n, 10), continuous codes (n, 2), which are
        the means of Gaussians of a fixed variance.
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
    category = layers.Dense(N_CATEGORIES, activation="softmax", name="category", dtype="float32")(q)
    codes = layers.Dense(N_CODES, name="codes", dtype="float32")(q)
    return d_model, keras.Model(image, [category, codes], name="auxiliary")


def define_generator(latent_dim=62):
    """Build G: noise, category and codes, joined (n, latent_dim + 12) -> image (n, 28, 28, 1)."""
    model = keras.Sequential(name="generator")
    model.add(keras.Input((latent_dim + N_CATEGORIES + N_CODES,)))
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


def define_gan(g_model, d_model, q_model, ema=0.0):
    """Build the composite: latent point -> G -> D and Q -> real, category, codes.

    It updates G and Q's own last layers, and nothing of D.
    """
    d_model.trainable = False
    category, codes = q_model.outputs
    outputs = {"real": d_model.outputs[0], "category": category, "codes": codes}
    dq_model = keras.Model(d_model.inputs, outputs, name="d_and_q")
    model = keras.Model(g_model.inputs, dq_model(g_model.outputs[0]), name="gan")
    optimizer = keras.optimizers.Adam(0.001, beta_1=0.5, use_ema=ema > 0, ema_momentum=ema)
    losses = "binary_crossentropy", "categorical_crossentropy", "mean_squared_error"
    model.compile(loss=dict(zip(outputs, losses, strict=True)), optimizer=optimizer)
    return model


# Copied from mnist_gan.py
def load_real_samples(path=None):
    """Load the images of DATASET, an .npz file or a folder: uint8 (n, *IMAGE_SHAPE), 0 to 255."""
    source = path or DATASET.__name__  # what an error names: one picture, where it is unreadable
    try:
        if path is None:
            socket.setdefaulttimeout(30)  # seconds; Keras would wait for ever
            images = DATASET.load_data()[0][0]
        elif Path(path).is_dir():
            images, size, mode = [], IMAGE_SHAPE[:2], "grayscale" if IMAGE_SHAPE[2] == 1 else "rgb"
            for source in sorted(p for p in Path(path).rglob("*") if p.suffix.lower() in PICTURES):
                images.append(np.array(keras.utils.load_img(source, mode, size, "lanczos", True)))
                if len(images) % 1000 == 0:
                    print(f"{len(images)} pictures read")
            images = np.array(images, np.uint8)
        else:
            images = np.load(path)["x_train"]
        if images.dtype != np.uint8 or (*images.shape[1:], 1)[:3] != IMAGE_SHAPE or not len(images):
            raise ValueError(f"{images.dtype} {images.shape} is not uint8 {('n', *IMAGE_SHAPE)}")
    except Exception as error:  # those of NumPy, Keras and Pillow have nothing in common
        advice = "give --data an .npz file with x_train, or a folder of pictures"
        raise OSError(f"{source}: {error}: {advice}") from error
    return images.reshape(-1, *IMAGE_SHAPE)


def generate_real_samples(dataset, n_samples, seed):
    """Draw real images, float32 (n, 28, 28, 1) in [0, 1]; their target is 1."""
    ix = tf.random.stateless_uniform([n_samples], seed, 0, len(dataset), tf.int32)
    return tf.cast(tf.gather(dataset, ix), tf.float32) / 255.0, tf.ones((n_samples, 1))


def generate_latent_points(latent_dim, n_samples, seed):
    """Draw latent points, float32 (n, latent_dim + 12): normal noise, and a code beside it.

    The code is a category, one-hot (n, 10), and two numbers (n, 2), uniform in [-1, 1].
    """
    seeds = tf.random.split(seed, 3)
    noise = tf.random.stateless_normal([n_samples, latent_dim], seeds[0])
    category = tf.random.stateless_uniform([n_samples], seeds[1], 0, N_CATEGORIES, tf.int32)
    codes = tf.random.stateless_uniform([n_samples, N_CODES], seeds[2], -1.0, 1.0)
    return tf.concat([noise, tf.one_hot(category, N_CATEGORIES), codes], 1)


def generate_fake_samples(g_model, points):
    """Draw images from G, float32 (n, 28, 28, 1) in [0, 1]; their target is 0."""
    X = tf.cast(g_model(points, training=False), tf.float32)  # G may compute in bfloat16
    return X, tf.zeros((X.shape[0], 1))


# Copied from mnist_gan.py
def save_plot(examples, path, pixel_range, n_columns=10):
    """Draw images (n, height, width, channels) in `pixel_range` as a grid, grey ones inverted."""
    low, high = pixel_range
    cells = np.clip((np.asarray(examples) - low) / (high - low), 0, 1)
    cells = np.pad(cells, ((0, 0), (1, 1), (1, 1), (0, 0)))  # a frame around each
    rows = [np.hstack(cells[k : k + n_columns]) for k in range(0, len(cells), n_columns)]
    grid = np.vstack(rows).repeat(2, 0).repeat(2, 1)  # two pixels a pixel, to be looked at
    plt.imsave(path, np.squeeze(grid), cmap="gray_r", vmin=0, vmax=1)


def summarize_performance(epoch, g_model, d_model, dataset, settings, n_samples=100):
    """Report D's accuracy, and save the grids, of the same points every time, and the generator.

    The grid has a column a category, and a row a noise with its codes. In the two others a row is
    a category, and one of the continuous codes, _c1 or _c2, goes from -2 to 2 along it.
    """
    seed, path = (settings.seed, -1), str(settings.out / f"generated_plot_e{epoch:03d}")
    X_real, y_real = generate_real_samples(dataset, n_samples, seed)
    acc_real = np.mean(keras.metrics.binary_accuracy(y_real, d_model(X_real)))
    points = generate_latent_points(settings.latent_dim, 10, seed)
    noise, _, codes = tf.split(points, [settings.latent_dim, N_CATEGORIES, N_CODES], 1)
    category = tf.tile(tf.eye(N_CATEGORIES), [10, 1])
    rows = tf.repeat(noise, N_CATEGORIES, 0), category, tf.repeat(codes, N_CATEGORIES, 0)
    X_fake, y_fake = generate_fake_samples(g_model, tf.concat(rows, 1))
    acc_fake = np.mean(keras.metrics.binary_accuracy(y_fake, d_model(X_fake)))
    print(f">Accuracy real: {acc_real:.0%}, fake: {acc_fake:.0%}")
    save_plot(X_fake, f"{path}.png", PIXEL_RANGE)
    sweep = tf.tile(tf.linspace(-2.0, 2.0, 10)[:, None], [N_CATEGORIES, 1])
    noise, category = tf.repeat(noise[:1], 100, 0), tf.repeat(tf.eye(N_CATEGORIES), 10, 0)
    for k in range(N_CODES):
        codes = sweep * tf.one_hot(k, N_CODES)  # the other code stays 0
        X_fake, _ = generate_fake_samples(g_model, tf.concat([noise, category, codes], 1))
        save_plot(X_fake, f"{path}_c{k + 1}.png", PIXEL_RANGE)
    parts = ("noise", settings.latent_dim, "normal"), ("category", N_CATEGORIES, "one-hot")
    parts += (("codes", N_CODES, "uniform"),)
    latent = [dict(zip(("name", "size", "distribution"), part, strict=True)) for part in parts]
    about = {"kind": "infogan", "latent": latent, "classes": N_CATEGORIES, "class_names": []}
    save_files(g_model, epoch, settings, about | {"pixel_range": PIXEL_RANGE})


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the tutorial's batch: train_step(step, n) trains n batches from number `step` on."""
    n_batch, latent_dim = settings.batch_size, settings.latent_dim
    bce, mse = keras.losses.BinaryCrossentropy(), keras.losses.MeanSquaredError()
    ce = keras.losses.CategoricalCrossentropy()
    d_model.trainable = True  # or BatchNormalization ignores the batch; updates name their weights
    dq_model = gan_model.get_layer("d_and_q")
    d_weights, g_weights = d_model.trainable_variables, g_model.trainable_variables
    in_d = {id(weight) for weight in d_weights}
    q_weights = [weight for weight in dq_model.trainable_variables if id(weight) not in in_d]
    d_averages = d_model.non_trainable_weights  # of BatchNormalization
    dq_weights, gq_weights = d_weights + q_weights, g_weights + q_weights  # G's first: `average`
    d_model.optimizer.build(dq_weights)
    gan_model.optimizer.build(gq_weights)

    def train_batch(step):
        seeds = tf.random.split(tf.stack([settings.seed, step]), 3)
        X_real, y_real = generate_real_samples(dataset, n_batch, seeds[0])
        points = generate_latent_points(latent_dim, n_batch, seeds[1])
        _, category, codes = tf.split(points, [latent_dim, N_CATEGORIES, N_CODES], 1)
        X_fake, y_fake = generate_fake_samples(g_model, points)

        # ---- Update D and Q: maximise log D(x) + log(1 - D(G(z, c))) + log Q(c | G(z, c)) ----
        with tf.GradientTape() as tape:
            real, fake = dq_model(X_real, training=True), dq_model(X_fake, training=True)
            d = bce(y_real, real["real"]), bce(y_fake, fake["real"])
            q = ce(category, fake["category"]), mse(codes, fake["codes"])
        d_model.optimizer.apply(tape.gradient(d + q, dq_weights), dq_weights)  # of the losses' sum

        # ---- Update G and Q by the composite: maximise log D(G(z, c)) + log Q(c | G(z, c)) ----
        averages = [tf.identity(average) for average in d_averages]
        points = generate_latent_points(latent_dim, n_batch, seeds[2])
        _, category, codes = tf.split(points, [latent_dim, N_CATEGORIES, N_CODES], 1)
        y_gan = tf.ones((n_batch, 1))  # G wants its fakes to be taken for real
        with tf.GradientTape() as tape:
            out = gan_model(points, training=True)
            g = bce(y_gan, out["real"]), ce(category, out["category"]), mse(codes, out["codes"])
        gan_model.optimizer.apply(tape.gradient(g, gq_weights), gq_weights)
        for average, before in zip(d_averages, averages, strict=True):
            average.assign(before)  # this update leaves nothing behind in D
        return tf.stack([*d, *g])

    return compile_batches(train_batch)


# Copied from mnist_gan.py
def train(g_model, d_model, gan_model, dataset, settings):
    """Train up to epoch settings.epochs; return True where the training is to start over."""
    n_epochs, bat_per_epo = settings.epochs, len(tf.nest.flatten(dataset)[0]) // settings.batch_size
    bat_per_epo = max(1, min(bat_per_epo, settings.steps_per_epoch or bat_per_epo))
    dataset = tf.nest.map_structure(tf.constant, dataset)  # uint8, kept on the device
    train_step = make_train_step(g_model, d_model, gan_model, dataset, settings)
    step, checkpoints = open_run(d_model, gan_model, dataset, settings)
    if step >= n_epochs * bat_per_epo:
        raise OSError(f"the run in {settings.out} is complete: raise --epochs to go on with it")
    stop, recent, saved = [], [], time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # a second one ends the program at once
        signal.signal(number, lambda n, _: stop.append(signal.signal(n, signal.SIG_DFL)))
    for i in range(step // bat_per_epo, n_epochs):
        while (j := step - i * bat_per_epo) < bat_per_epo:
            if stop or time.monotonic() - saved > 60:  # seconds
                checkpoints.save(step)
                saved = time.monotonic()
            if stop:
                print(f"\nStopped in epoch {i + 1}. Go on with: --resume --out {settings.out}")
                raise SystemExit(130)
            n, start = min(BATCHES_PER_CALL, bat_per_epo - j), time.monotonic()
            losses, step = train_step(step, n)[:n].numpy(), step + n
            with open(settings.out / "losses.csv", "r+") as file:  # "a" would begin a new one
                file.seek(0, os.SEEK_END)
                for k, row in enumerate(losses, j + 1):
                    print(i + 1, k, *(f"{x:.6g}" for x in row), sep=",", file=file)
            line = f">{i + 1}, {k}/{bat_per_epo}, {LINE.format(*row)}"
            if sys.stdout.isatty():  # redraw it in place
                left = f"{(time.monotonic() - start) / n * (bat_per_epo - k):.0f} s left\x1b[K"
                print(f"{line}, {left}", end="\r" if k < bat_per_epo else "\n", flush=True)
            elif 10 * k // bat_per_epo > 10 * j // bat_per_epo:  # ten lines an epoch
                print(line, flush=True)
            recent = [*recent, *losses][-STRETCH:]
            if collapsed(recent, i + 1, settings):
                return True
        if (i + 1) % settings.snapshot_every == 0 or i + 1 in (1, n_epochs):
            model = average(g_model, gan_model, settings) if settings.ema else g_model
            summarize_performance(i + 1, model, d_model, dataset, settings)
            checkpoints.save(step)


# ---- plumbing: the compiled loop, failures, the files of a run, data, the command line ----------

GPUS = tf.config.list_physical_devices("GPU")
XLA = bool(GPUS)  # on a CPU it makes these convolutions many times slower
BATCHES_PER_CALL = 50 if GPUS else 1  # of the compiled step; a batch takes milliseconds, or 0.2 s
DATASET = keras.datasets.mnist  # where there is no --data
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")  # what --data takes from a folder
D_LOSSES = [0, 1]  # the columns of losses.csv that near 0 mean that D has won
STRETCH = 500  # batches over which they are averaged; healthy runs can begin with 150 near 0
ANEW = ("resume", "out", "data", "dataset", "epochs", "on_collapse")  # what --resume may change


# Copied from mnist_gan.py, down to parse_arguments
def average(g_model, gan_model, settings):
    """Return a copy of G with the averages of its weights that the composite's optimizer keeps."""
    ema = keras.models.clone_model(g_model)
    gan_model.optimizer.finalize_variable_values(ema.trainable_variables)
    norms = [layer for layer in ema.layers if isinstance(layer, layers.BatchNormalization)]
    for k in range(100 if norms else 0):  # their statistics become the mean of 100 batches
        for norm in norms:
            norm.momentum = k / (k + 1)
        points = generate_latent_points(settings.latent_dim, 100, (settings.seed, -2 - k))
        ema(points, training=True)
    return ema


def compile_batches(train_batch):
    """Compile a loop over train_batch(step), so that one call trains many batches."""
    strategy = tf.distribute.get_strategy()
    xla = XLA and strategy.num_replicas_in_sync == 1
    try:
        tf.function(tf.math.log, jit_compile=xla)(tf.ones(1))
    except tf.errors.OpError:
        print("XLA cannot compile here: training without it")
        xla = False

    @tf.function(jit_compile=xla, input_signature=[tf.TensorSpec((), tf.int32)] * 2)
    def train_step(step, n):
        losses, i = tf.zeros((BATCHES_PER_CALL, len(LOSSES))), 0  # XLA needs a fixed size
        while i < n:
            row = strategy.reduce("SUM", strategy.run(train_batch, (step + i,)), None)
            losses = tf.tensor_scatter_nd_update(losses, [[i]], [row])
            i += 1
        return losses

    return train_step


def collapsed(recent, epoch, settings):
    """Where the last losses have failed warn, stop, or put the run aside, to start over (True)."""
    target = [getattr(settings, "real_target", 1.0)]  # below 1, D's loss cannot come near 0
    low = keras.losses.binary_crossentropy(target, target) / 2 + 0.03
    finite, mode, out = np.isfinite(recent).all(), settings.on_collapse, settings.out
    if finite and (not mode or len(recent) < STRETCH or np.mean(recent, 0)[D_LOSSES].mean() > low):
        return False
    why = f"D has won for {STRETCH} batches" if finite else "a loss is no longer finite"
    print(f"\nepoch {epoch}: {why}, gradients mislead; try another --seed: {mode}", file=sys.stderr)
    if finite and mode == "warn":
        settings.on_collapse = None  # and no more of it
        return False
    if mode != "restart" or len(list(out.glob("failed_seed_*"))) == 3:
        raise SystemExit(f"stopped; the snapshots so far are in {out}")
    failed = out / f"failed_seed_{settings.seed}"
    failed.mkdir()
    for name in ("checkpoint", "settings.json", "losses.*", "generat*"):
        for path in out.glob(name):
            path.rename(failed / path.name)
    settings.seed, settings.resume = settings.seed + 1, False
    return True


def open_run(d_model, gan_model, dataset, settings):
    """Start or continue the run in settings.out; return batches done, and the checkpoints."""
    out, data = settings.out, [np.asarray(array) for array in tf.nest.flatten(dataset)]
    sha256, losses = hashlib.sha256(b"".join(data)).hexdigest(), out / "losses.csv"
    if not settings.resume:
        name = Path(settings.data or DATASET.__name__[15:]).name
        settings.dataset = {"name": name, "n_images": len(data[0]), "sha256": sha256}
        out.mkdir(parents=True, exist_ok=True)
        (out / "settings.json").touch(exist_ok=False)  # fails where another run has just begun
        losses.write_text(",".join(("epoch", "batch", *LOSSES)) + "\n")
        (out / "part.json").write_text(json.dumps(vars(settings), default=str, indent=1))
        os.replace(out / "part.json", out / "settings.json")  # empty until the run can be resumed
    elif settings.dataset["sha256"] != sha256:
        raise OSError(f"the run in {out} began with other data: give it the same --data")
    parts = gan_model, d_model.optimizer, gan_model.optimizer  # gan_model holds G and D
    checkpoint = tf.train.Checkpoint(state=[v.value for part in parts for v in part.variables])
    saved = settings.resume and sorted(out.glob("checkpoint/*.index"), key=os.path.getmtime)
    while saved:
        try:
            checkpoint.restore(str(saved.pop().with_suffix(""))).assert_consumed()
            break
        except Exception as error:  # of many kinds, for a damaged file
            if not saved and len(list(out.glob("checkpoint/*.index"))) > 1:
                raise OSError(f"no checkpoint in {out} can be read: {error}") from error
            print(f"The last checkpoint in {out} is damaged: going on from what was before it")
    step = int(gan_model.optimizer.iterations.numpy())  # what came after it is done again
    os.truncate(losses, sum(map(len, losses.read_bytes().splitlines(True)[: step + 1])))
    return step, tf.train.CheckpointManager(checkpoint, out / "checkpoint", 2)


def save_files(g_model, epoch, settings, about):
    """Save G as an .h5 file, which says in an attribute `gan` what it is, and draw losses.png."""
    about |= {"format": 1, "script": settings.script, "epoch": epoch, "seed": settings.seed}
    about |= {"averaged": settings.ema > 0, "data": settings.dataset}  # docs/snapshots.md
    about["settings"] = {k: v for k, v in vars(settings).items() if k not in (*ANEW, *about)}
    about["versions"] = {m.__name__: m.__version__ for m in (keras, np, tf)} | {"scripts": "0.9"}
    part = settings.out / "part.h5"
    g_model.save(part)
    with h5py.File(part, "a") as file:
        file.attrs["gan"] = json.dumps(about)
    with open(part, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, settings.out / f"generator_model_{epoch:03d}.h5")  # never half a file
    rows = np.loadtxt(settings.out / "losses.csv", delimiter=",", skiprows=1, ndmin=2)
    plt.plot(rows[:, 2:], linewidth=0.5, label=LOSSES)
    plt.xlabel("batch")
    plt.legend()
    plt.savefig(settings.out / "losses.png")
    plt.close()


def parse_arguments(parser, argv, n_epochs, n_batch, latent_dim, every=10):
    """Read the command line; --resume takes the settings of the run that it goes on with."""
    script, out, add = Path(__file__).name, Path("runs", Path(__file__).stem), parser.add_argument
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    add("--epochs", type=int, default=n_epochs, help="train for so many passes over the data")
    add("--batch-size", type=int, default=n_batch, help="train on so many images at a time")
    add("--latent-dim", type=int, default=latent_dim, help="let G draw from so many numbers")
    add("--data", metavar="PATH", help="read an .npz file or a folder, instead of keras.datasets")
    add("--out", metavar="DIR", type=Path, default=out, help="write the files of the run there")
    add("--seed", type=int, default=1, help="draw all random numbers from this one")
    add("--resume", action="store_true", help="go on with the run in --out, with its settings")
    add("--snapshot-every", type=int, default=every, help="save G every so many epochs")
    add("--steps-per-epoch", type=int, help="train no more batches an epoch, for trials")
    add("--ema", metavar="M", type=float, default=0.0, help="average G's weights; try 0.999")
    add("--precision", choices=("float32", "bfloat16"), default="float32", help="compute layers so")
    add("--on-collapse", choices=("warn", "stop", "restart"), default="warn", help="act if D wins")
    settings = parser.parse_args(argv, argparse.Namespace(script=script))
    path, stopped = settings.out / "settings.json", {}
    if settings.resume:
        try:
            stopped = json.loads(path.read_text())
            parser.set_defaults(**stopped)
        except (OSError, ValueError, TypeError) as error:
            parser.error(f"no run to go on with ({error}): leave --resume out, or change --out")
    elif path.exists() and (path.stat().st_size or path.unlink(True)):  # empty: killed at once
        parser.error(f"{settings.out} holds a run: --resume goes on, or choose another --out")
    settings = parser.parse_args(argv, argparse.Namespace(script=script, out=settings.out))
    for key, value in stopped.items():
        if key not in ANEW and getattr(settings, key) != value:
            parser.error(f"the run in {settings.out} has {key} {value}: keep that")
    for flag in ("epochs", "batch_size", "latent_dim", "snapshot_every", "steps_per_epoch"):
        least, value = 1 + (flag == "batch_size"), getattr(settings, flag)
        if value is not None and value < least:
            parser.error(f"--{flag.replace('_', '-')} must be at least {least}")
    if not 0 <= settings.ema < 1 or not 0 <= settings.seed < 2**31:
        parser.error("--ema must be from 0 to below 1, --seed from 0 to 2147483647")
    keras.config.set_dtype_policy({"bfloat16": "mixed_bfloat16"}.get(settings.precision, "float32"))
    names = [tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in GPUS[:1]]
    print("Training on", *names or [os.cpu_count(), "CPU cores"])
    idle = os.popen(f"nvidia-smi -L 2>{os.devnull}").read()  # "GPU 0: ..." where there is one
    if not GPUS and idle.startswith("GPU"):
        print(f'TensorFlow does not use {idle.splitlines()[0]}: pip install "tensorflow[and-cuda]"')
    return settings


def main(argv):
    parser = argparse.ArgumentParser(Path(__file__).name, argparse.SUPPRESS, __doc__.split("\n")[0])
    settings = parse_arguments(parser, argv, n_epochs=50, n_batch=128, latent_dim=62)
    try:
        dataset, again = load_real_samples(settings.data), True
        while again:  # with the next seed, where --on-collapse restart asks for it
            keras.utils.set_random_seed(settings.seed)
            d_model, q_model = define_discriminator()
            g_model = define_generator(settings.latent_dim)
            gan_model = define_gan(g_model, d_model, q_model, settings.ema)
            again = train(g_model, d_model, gan_model, dataset, settings)
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError) as error:  # also h5py's
        parser.error(" ".join(str(error).split("}} ")[-1].split()))  # but for TensorFlow's {{node}}


if __name__ == "__main__":
    main(sys.argv[1:])
