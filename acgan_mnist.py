# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*","keras==3.15.*","numpy==2.*","matplotlib==3.*","h5py==3.*"]
# ///
"""Train an auxiliary classifier GAN to draw the digit it is asked for (MNIST, 28x28, grey).

    python acgan_mnist.py                              MNIST through keras.datasets, 100 epochs
    python acgan_mnist.py --data samples/digits.npz    the small data set of this project
    python generate.py runs/acgan_mnist/generator_model_100.h5 --labels 0-9

G is told the label; D has to name it, and to tell real from generated. G is rewarded where D finds
the class asked for: a judge does in 99.3% after 25 epochs. Two AMD EPYC cores: 4.6 min an epoch.

Tutorials: the AC-GAN tutorial of Machine Learning Mastery; "C-GAN with Keras". Paper: Odena, Olah
and Shlens 2016, arXiv:1610.09585. Losses, failures, what to try: docs/acgan_mnist.md.
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
PIXEL_RANGE = (-1.0, 1.0)  # of the images that G draws and D sees
LOSSES = ("dr_valid", "dr_class", "df_valid", "df_class", "g_valid", "g_class")  # of losses.csv
LINE = "dr[{:.3f},{:.3f}], df[{:.3f},{:.3f}], g[{:.3f},{:.3f}]"  # the tutorial's line per batch


def define_discriminator(in_shape=IMAGE_SHAPE, n_classes=10):
    """Build D: image (n, 28, 28, 1) in [-1, 1] -> `valid` (n, 1), real?; `class` (n, n_classes)."""
    init = keras.initializers.RandomNormal(stddev=0.02)
    x = image = keras.Input(in_shape, name="image")
    for filters, strides in ((32, 2), (64, 1), (128, 2), (256, 1)):  # 14x14 twice, 7x7 twice
        x = layers.Conv2D(filters, 3, strides, padding="same", kernel_initializer=init)(x)
        if filters > 32:  # all but the first
            x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        x = layers.Dropout(0.5)(x)
    x = layers.Flatten()(x)  # 12544
    head = {"kernel_initializer": init, "dtype": "float32"}  # --precision stops here
    out1 = layers.Dense(1, activation="sigmoid", name="valid", **head)(x)
    out2 = layers.Dense(n_classes, activation="softmax", name="class", **head)(x)
    model = keras.Model(image, {"valid": out1, "class": out2}, name="discriminator")
    optimizer = keras.optimizers.Adam(learning_rate=0.0002, beta_1=0.5)
    loss = {"valid": "binary_crossentropy", "class": "sparse_categorical_crossentropy"}
    model.compile(loss=loss, optimizer=optimizer)
    return model


def define_generator(latent_dim=100, n_classes=10):
    """Build G: latent point (n, latent_dim) and label (n, 1) -> image (n, 28, 28, 1) in [-1, 1]."""
    init = keras.initializers.RandomNormal(stddev=0.02)
    label = keras.Input((1,), dtype="int32", name="label")
    li = layers.Embedding(n_classes, 50, embeddings_initializer=init)(label)
    li = layers.Dense(7 * 7, kernel_initializer=init)(li)
    li = layers.Reshape((7, 7, 1))(li)  # the label as one more feature map
    noise = keras.Input((latent_dim,), name="noise")
    x = layers.Dense(384 * 7 * 7, activation="relu", kernel_initializer=init)(noise)
    x = layers.Reshape((7, 7, 384))(x)
    x = layers.Concatenate()([x, li])  # 7x7x385
    x = layers.Conv2DTranspose(192, 5, strides=2, padding="same", kernel_initializer=init)(x)
    x = layers.BatchNormalization()(x)  # 14x14x192
    x = layers.Activation("relu")(x)
    image = layers.Conv2DTranspose(1, 5, 2, "same", activation="tanh", kernel_initializer=init)(x)
    return keras.Model([noise, label], image, name="generator")  # 28x28x1


def define_gan(g_model, d_model, ema=0.0):
    """Build the composite: latent point, label -> G -> D -> valid, class. It updates G only."""
    d_model.trainable = False
    model = keras.Model(g_model.inputs, d_model(g_model.output), name="gan")
    optimizer = keras.optimizers.Adam(0.0002, beta_1=0.5, use_ema=ema > 0, ema_momentum=ema)
    model.compile(loss=d_model.loss, optimizer=optimizer)
    return model


# Copied from cgan_mnist.py, down to save_plot
def load_real_samples(path=None):
    """Load images, uint8 (n, 28, 28, 1), labels, int32 (n,), and class names; as mnist_gan.py."""
    source = path or DATASET.__name__  # what an error names: one picture, where it is unreadable
    try:
        if path is None:
            socket.setdefaulttimeout(30)  # seconds; Keras would wait for ever
            images, labels = DATASET.load_data()[0]
        elif Path(path).is_dir():
            images, labels, size, mode = [], [], IMAGE_SHAPE[:2], "grayscale"
            for source in sorted(p for p in Path(path).rglob("*") if p.suffix.lower() in PICTURES):
                images.append(np.array(keras.utils.load_img(source, mode, size, "lanczos", True)))
                labels.append(source.parent.name)
                if len(images) % 1000 == 0:
                    print(f"{len(images)} pictures read")
            images, source = np.array(images, np.uint8), path
        else:
            images, labels = (np.load(path)[key] for key in ("x_train", "y_train"))
        if images.dtype != np.uint8 or images.shape[1:3] != (28, 28) or not len(images):
            raise ValueError(f"{images.dtype} {images.shape} is not uint8 ('n', 28, 28, 1)")
        names, labels = np.unique(np.ravel(labels), return_inverse=True)
        if len(labels) != len(images) or not 2 <= len(names) <= 1000:
            raise ValueError(f"{len(labels)} labels of {len(names)} classes, not of 2 to 1000")
    except Exception as error:  # those of NumPy, Keras and Pillow have nothing in common
        advice = "give --data an .npz file with x_train and y_train, or folders of pictures"
        raise OSError(f"{source}: {error}: {advice}") from error
    print("Classes:", ", ".join(f"{label} is {name}" for label, name in enumerate(names)))
    return images.reshape(-1, *IMAGE_SHAPE), labels.astype("int32"), [str(name) for name in names]


def generate_real_samples(dataset, n_samples, seed):
    """Draw real images, float32 (n, 28, 28, 1) in [-1, 1], with labels (n, 1); target 1."""
    images, labels = dataset
    ix = tf.random.stateless_uniform([n_samples], seed, 0, len(images), tf.int32)
    X = tf.cast(tf.gather(images, ix), tf.float32) / 127.5 - 1.0
    return [X, tf.gather(labels, ix)[:, None]], tf.ones((n_samples, 1))


def generate_latent_points(latent_dim, n_samples, seed, n_classes=10):
    """Draw latent points, float32 (n, latent_dim), standard normal, and labels, int32 (n, 1)."""
    noise_seed, label_seed = tf.unstack(tf.random.split(seed, 2))
    noise = tf.random.stateless_normal([n_samples, latent_dim], noise_seed)
    labels = tf.random.stateless_uniform([n_samples, 1], label_seed, 0, n_classes, tf.int32)
    return [noise, labels]


def generate_fake_samples(g_model, noise, labels):
    """Draw images from G, float32 (n, 28, 28, 1) in [-1, 1], with labels (n, 1); target 0."""
    X = tf.cast(g_model([noise, labels], training=False), tf.float32)  # G may compute in bfloat16
    return [X, labels], tf.zeros((X.shape[0], 1))


def save_plot(examples, path, pixel_range, n_columns=10):
    """Draw images (n, height, width, channels) in `pixel_range` as a grid, grey ones inverted."""
    low, high = pixel_range
    cells = np.clip((np.asarray(examples) - low) / (high - low), 0, 1)
    cells = np.pad(cells, ((0, 0), (1, 1), (1, 1), (0, 0)))  # a frame around each
    rows = [np.hstack(cells[k : k + n_columns]) for k in range(0, len(cells), n_columns)]
    grid = np.vstack(rows).repeat(2, 0).repeat(2, 1)  # two pixels a pixel, to be looked at
    plt.imsave(path, np.squeeze(grid), cmap="gray_r", vmin=0, vmax=1)


def summarize_performance(epoch, g_model, d_model, dataset, settings, n_samples=100):
    """Report D's two accuracies; save G, and a grid: a column a class, up to 20, a row a point."""
    seed, n_columns = (settings.seed, -1), min(len(settings.class_names), 20)
    noise, _ = generate_latent_points(settings.latent_dim, 10, seed)
    labels = tf.tile(tf.range(n_columns)[:, None], [10, 1])
    fake = generate_fake_samples(g_model, tf.repeat(noise, n_columns, 0), labels)
    valid, classes = [], []
    for (X, labels), y in (generate_real_samples(dataset, n_samples, seed), fake):
        out = d_model(X)
        valid.append(np.mean(keras.metrics.binary_accuracy(y, out["valid"])))
        classes.append(np.mean(np.argmax(out["class"], 1) == labels[:, 0]))
    print(f">Accuracy real: {valid[0]:.0%}, fake: {valid[1]:.0%}")
    print(f">Class accuracy real: {classes[0]:.0%}, fake: {classes[1]:.0%}")
    save_plot(X, settings.out / f"generated_plot_e{epoch:03d}.png", PIXEL_RANGE, n_columns)
    latent = [{"name": "noise", "size": settings.latent_dim, "distribution": "normal"}]
    about = {"kind": "conditional", "latent": latent, "pixel_range": PIXEL_RANGE}
    about |= {"classes": len(settings.class_names), "class_names": settings.class_names}
    save_files(g_model, epoch, settings, about)


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the tutorial's batch: train_step(step, n) trains n batches from number `step` on."""
    n_batch, latent_dim = settings.batch_size, settings.latent_dim
    half_batch, n_classes = n_batch // 2, len(settings.class_names)
    bce, ce = keras.losses.BinaryCrossentropy(), keras.losses.SparseCategoricalCrossentropy()
    d_model.trainable = True  # or BatchNormalization ignores the batch; updates name their weights
    d_weights, g_weights = d_model.trainable_variables, g_model.trainable_variables
    d_model.optimizer.build(d_weights)
    gan_model.optimizer.build(g_weights)

    def train_batch(step):
        seeds = tf.random.split(tf.stack([settings.seed, step]), 3)

        # ---- Update D on real images: maximise log D(x) + log P(class = y | x) ----
        (X_real, labels_real), y_real = generate_real_samples(dataset, half_batch, seeds[0])
        with tf.GradientTape() as tape:
            out = d_model(X_real, training=True)
            dr = bce(y_real, out["valid"]), ce(labels_real, out["class"])
        d_model.optimizer.apply(tape.gradient(dr, d_weights), d_weights)  # of the losses' sum

        # ---- Update D on fakes: maximise log(1 - D(G(z, y))) + log P(class = y | G(z, y)) ----
        noise, labels_fake = generate_latent_points(latent_dim, half_batch, seeds[1], n_classes)
        (X_fake, labels_fake), y_fake = generate_fake_samples(g_model, noise, labels_fake)
        with tf.GradientTape() as tape:
            out = d_model(X_fake, training=True)
            df = bce(y_fake, out["valid"]), ce(labels_fake, out["class"])
        d_model.optimizer.apply(tape.gradient(df, d_weights), d_weights)

        # ---- Update G through the composite: maximise log D(G(z, y)) + log P(class = y | ...) ----
        averages = [tf.identity(average) for average in d_model.non_trainable_weights]
        noise, labels_gan = generate_latent_points(latent_dim, n_batch, seeds[2], n_classes)
        y_gan = tf.ones((n_batch, 1))  # G wants its fakes to be taken for real
        with tf.GradientTape() as tape:
            out = gan_model([noise, labels_gan], training=True)
            g = bce(y_gan, out["valid"]), ce(labels_gan, out["class"])
        gan_model.optimizer.apply(tape.gradient(g, g_weights), g_weights)
        for average, before in zip(d_model.non_trainable_weights, averages, strict=True):
            average.assign(before)  # BatchNormalization's: this update leaves nothing behind in D
        return tf.stack([*dr, *df, *g])

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
BATCHES_PER_CALL = 50 if GPUS else 1  # of the compiled step; a batch takes milliseconds, or 0.3 s
DATASET = keras.datasets.mnist  # where there is no --data
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")  # what --data takes from a folder
D_LOSSES = [0, 2]  # the columns of losses.csv that near 0 mean that D has won
STRETCH = 500  # batches over which they are averaged; healthy runs can begin with 150 near 0
ANEW = ("resume", "out", "data", "dataset", "epochs", "on_collapse")  # what --resume may change


# Copied from cgan_mnist.py, down to parse_arguments
def average(g_model, gan_model, settings):
    """Return a copy of G with the averages of its weights that the composite's optimizer keeps."""
    ema = keras.models.clone_model(g_model)
    gan_model.optimizer.finalize_variable_values(ema.trainable_variables)
    norms = [layer for layer in ema.layers if isinstance(layer, layers.BatchNormalization)]
    for k in range(100 if norms else 0):  # their statistics become the mean of 100 batches
        for norm in norms:
            norm.momentum = k / (k + 1)
        seed, n_classes = (settings.seed, -2 - k), len(settings.class_names)
        ema(generate_latent_points(settings.latent_dim, 100, seed, n_classes), training=True)
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
    settings = parse_arguments(parser, argv, n_epochs=100, n_batch=64, latent_dim=100)
    try:
        *dataset, settings.class_names = load_real_samples(settings.data)
        n_classes, again = len(settings.class_names), True
        while again:  # with the next seed, where --on-collapse restart asks for it
            keras.utils.set_random_seed(settings.seed)
            d_model = define_discriminator(n_classes=n_classes)
            g_model = define_generator(settings.latent_dim, n_classes)
            gan_model = define_gan(g_model, d_model, settings.ema)
            again = train(g_model, d_model, gan_model, dataset, settings)
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError) as error:  # also h5py's
        parser.error(" ".join(str(error).split("}} ")[-1].split()))  # but for TensorFlow's {{node}}


if __name__ == "__main__":
    main(sys.argv[1:])
