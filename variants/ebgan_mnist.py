# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*","keras==3.15.*","numpy==2.*","matplotlib==3.*","h5py==3.*"]
# ///
"""Train an energy-based GAN of dense layers to draw handwritten digits (MNIST, 28x28, grey).

    python variants/ebgan_mnist.py --data samples/digits.npz    the small data set of this project
    python variants/ebgan_mnist.py --margin 1                   too small: ones and grey blots
    python generate.py runs/ebgan_mnist/generator_model_050.h5

D is an auto-encoder, and the energy of an image is the error of its copy. D learns to copy real
images well, and fakes badly, up to an energy of `--margin`; G learns to draw images of low energy.
A pulling-away term keeps the images of a batch apart. Two cores of an AMD EPYC: 15 ms a batch, 7.2
s an epoch (docs/speed.md); after 20 epochs nearly nine of ten lie among real digits.

Paper: Zhao, Mathieu and LeCun 2016, Energy-based Generative Adversarial Network, arXiv:1609.03126:
losses of Sec. 2.1, auto-encoder of 2.3, pulling-away term of 2.4 (EBGAN-PT), Adam and margin of
4.1. Sizes, BatchNormalization in G and beta_1 are ours. More: docs/ebgan_mnist.md.
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
PIXEL_RANGE = (0.0, 1.0)  # of the images that G draws and D sees
LOSSES = ("d_real", "d_fake", "g", "pt")  # the columns of losses.csv
LINE = "d_real={:.3f}, d_fake={:.3f}, g={:.3f}, pt={:.3f}"  # the line per batch


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


def define_gan(g_model, d_model, ema=0.0):
    """Build the composite: latent point -> G -> D -> energy, code. It updates G only."""
    d_model.trainable = False
    model = keras.Model(g_model.inputs, d_model(g_model.outputs[0]), name="gan")
    averages = {"use_ema": ema > 0, "ema_momentum": ema}  # of G's weights, for --ema
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001, beta_1=0.5, **averages))
    return model


def pulling_away_term(codes):
    """Return how alike the codes (n, size) of a batch are: 0, at right angles, to 1, parallel.

    It is the mean, over all pairs of different images, of the squared cosine between their codes.
    """
    codes = tf.math.l2_normalize(tf.cast(codes, tf.float32), axis=1)
    cosines2 = tf.square(tf.matmul(codes, codes, transpose_b=True))  # n x n; 1 on the diagonal
    n = tf.cast(len(codes), tf.float32)
    return (tf.reduce_sum(cosines2) - tf.linalg.trace(cosines2)) / (n * (n - 1))


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


# Copied from infogan_mnist.py
def generate_real_samples(dataset, n_samples, seed):
    """Draw real images, float32 (n, 28, 28, 1) in [0, 1]; their target is 1."""
    ix = tf.random.stateless_uniform([n_samples], seed, 0, len(dataset), tf.int32)
    return tf.cast(tf.gather(dataset, ix), tf.float32) / 255.0, tf.ones((n_samples, 1))


# Copied from mnist_gan.py, down to save_plot
def generate_latent_points(latent_dim, n_samples, seed):
    """Draw points of the latent space, float32 (n, latent_dim), N(0, 1), for a pair `seed`."""
    return tf.random.stateless_normal([n_samples, latent_dim], seed)


def generate_fake_samples(g_model, latent_dim, n_samples, seed):
    """Draw images from G, float32 (n, 28, 28, 1) in the range of its output; their target is 0."""
    X = g_model(generate_latent_points(latent_dim, n_samples, seed), training=False)
    return tf.cast(X, tf.float32), tf.zeros((n_samples, 1))  # G may compute in bfloat16


def save_plot(examples, path, pixel_range, n_columns=10):
    """Draw images (n, height, width, channels) in `pixel_range` as a grid, grey ones inverted."""
    low, high = pixel_range
    cells = np.clip((np.asarray(examples) - low) / (high - low), 0, 1)
    cells = np.pad(cells, ((0, 0), (1, 1), (1, 1), (0, 0)))  # a frame around each
    rows = [np.hstack(cells[k : k + n_columns]) for k in range(0, len(cells), n_columns)]
    grid = np.vstack(rows).repeat(2, 0).repeat(2, 1)  # two pixels a pixel, to be looked at
    plt.imsave(path, np.squeeze(grid), cmap="gray_r", vmin=0, vmax=1)


def summarize_performance(epoch, g_model, d_model, dataset, settings, n_samples=100):
    """Report D's energies, and save the grid, of the same points every time, and the generator."""
    seed = (settings.seed, -1)
    X_real, _ = generate_real_samples(dataset, n_samples, seed)
    X_fake, _ = generate_fake_samples(g_model, settings.latent_dim, n_samples, seed)
    real, fake = (np.mean(d_model(X, training=False)["energy"]) for X in (X_real, X_fake))
    print(f">Energy real: {real:.3f}, fake: {fake:.3f}")
    save_plot(X_fake, settings.out / f"generated_plot_e{epoch:03d}.png", PIXEL_RANGE)
    latent = [{"name": "noise", "size": settings.latent_dim, "distribution": "normal"}]
    about = {"kind": "unconditional", "latent": latent, "classes": 0, "class_names": []}
    save_files(g_model, epoch, settings, about | {"pixel_range": PIXEL_RANGE})


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the paper's batch; `dataset` is a uint8 tensor (n, 28, 28, 1) on the device.

    Returns train_step(step, n), which trains n batches from number `step` on: `compile_batches`.
    Its losses: mean energy of the real images, hinge on the fakes, mean energy of the fakes in G's
    update, and their pulling-away term, not weighted.
    """
    n_batch, latent_dim = settings.batch_size, settings.latent_dim
    margin, pt_weight = settings.margin, settings.pt_weight
    d_model.trainable = True  # define_gan froze it; each update names the weights that it moves
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
XLA = True  # dense layers gain from it on a CPU, too
BATCHES_PER_CALL = 50  # of the compiled step; a batch takes milliseconds
DATASET = keras.datasets.mnist  # where there is no --data
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")  # what --data takes from a folder
D_LOSSES = [1]  # the columns of losses.csv that near 0 mean that D has won
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
    add = parser.add_argument
    add("--margin", type=float, default=10.0, help="let D push the energy of fakes up to this")
    add("--pt-weight", type=float, default=0.1, help="weight the pulling-away term; 0 for none")
    settings = parse_arguments(parser, argv, n_epochs=50, n_batch=128, latent_dim=100)
    if not settings.margin > 0 or not settings.pt_weight >= 0:
        parser.error("--margin must be above 0, and --pt-weight at least 0")
    try:
        dataset, again = load_real_samples(settings.data), True
        while again:  # with the next seed, where --on-collapse restart asks for it
            keras.utils.set_random_seed(settings.seed)
            d_model = define_discriminator()
            g_model = define_generator(settings.latent_dim)
            gan_model = define_gan(g_model, d_model, settings.ema)
            again = train(g_model, d_model, gan_model, dataset, settings)
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError) as error:  # also h5py's
        parser.error(" ".join(str(error).split("}} ")[-1].split()))  # but for TensorFlow's {{node}}


if __name__ == "__main__":
    main(sys.argv[1:])
