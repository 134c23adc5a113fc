# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*","keras==3.15.*","numpy==2.*","matplotlib==3.*","h5py==3.*"]
# ///
"""Train a GAN of dense layers on small colour pictures, with one of three optimizers (32x32).

    python variants/colour_gan.py                          CIFAR-10 through keras.datasets
    python variants/colour_gan.py --data FOLDER            your own pictures
    python variants/colour_gan.py --compare-optimizers     Adam, RMSprop and SGD side by side
    python generate.py runs/colour_gan/generator_model_100.h5

First principles: to these networks a picture is a flat row of 3,072 numbers; G has
BatchNormalization, D is updated on real and on generated pictures in turn. Two cores of an AMD
EPYC: 2.2 s an epoch of 3,400 pictures (docs/colour_gan.md).

Tutorial: "Understanding and optimizing GANs: going back to first principles"; arXiv:1406.2661.
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

IMAGE_SHAPE = (32, 32, 3)
PIXEL_RANGE = (-1.0, 1.0)  # of the images that G draws and D sees
OPTIMIZERS = ("adam", "rmsprop", "sgd")
LOSSES = ("d_real", "d_fake", "g")  # the columns of losses.csv
LINE = "d_real={:.3f}, d_fake={:.3f}, g={:.3f}"  # the line per batch


def define_optimizer(name="adam", ema=0.0):
    """Build an optimizer: D and G have one each. With ema it also keeps averages of the weights."""
    averages = {"use_ema": ema > 0, "ema_momentum": ema}
    if name == "sgd":  # the others scale their steps: so it has a larger rate
        return keras.optimizers.SGD(learning_rate=0.01, momentum=0.5, **averages)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(learning_rate=0.0002, **averages)
    return keras.optimizers.Adam(learning_rate=0.0002, beta_1=0.5, **averages)


def define_discriminator(in_shape=IMAGE_SHAPE, optimizer="adam"):
    """Build D: image (n, 32, 32, 3) in [-1, 1] -> probability (n, 1) that it is real."""
    model = keras.Sequential(name="discriminator")
    model.add(keras.Input(in_shape))
    model.add(layers.Flatten())  # 3072
    for units in (512, 256):
        model.add(layers.Dense(units))
        model.add(layers.LeakyReLU(negative_slope=0.2))
    model.add(layers.Dense(1, activation="sigmoid", dtype="float32"))  # --precision stops here
    model.compile(loss="binary_crossentropy", optimizer=define_optimizer(optimizer))
    return model


def define_generator(latent_dim=100, out_shape=IMAGE_SHAPE):
    """Build G: latent point (n, latent_dim) -> image (n, 32, 32, 3) in [-1, 1]."""
    model = keras.Sequential(name="generator")
    model.add(keras.Input((latent_dim,)))
    for units in (256, 512, 1024):
        model.add(layers.Dense(units))
        model.add(layers.LeakyReLU(negative_slope=0.2))
        model.add(layers.BatchNormalization(momentum=0.8))
    model.add(layers.Dense(int(np.prod(out_shape)), activation="tanh"))  # 3072
    model.add(layers.Reshape(out_shape))  # 32x32x3
    return model


def define_gan(g_model, d_model, optimizer="adam", ema=0.0):
    """Build the composite: latent point -> G -> D -> probability of real. It updates G only."""
    d_model.trainable = False
    model = keras.Sequential([g_model, d_model], name="gan")
    model.compile(loss="binary_crossentropy", optimizer=define_optimizer(optimizer, ema))
    return model


# Copied from mlp_gan.py, down to summarize_performance
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
    """Draw real images, float32 (n, *IMAGE_SHAPE) in [-1, 1]; their target is 1."""
    ix = tf.random.stateless_uniform([n_samples], seed, 0, len(dataset), tf.int32)
    return tf.cast(tf.gather(dataset, ix), tf.float32) / 127.5 - 1.0, tf.ones((n_samples, 1))


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
    """Report D's accuracy, and save the grid, of the same points every time, and the generator."""
    seed = (settings.seed, -1)
    X_real, y_real = generate_real_samples(dataset, n_samples, seed)
    acc_real = np.mean(keras.metrics.binary_accuracy(y_real, d_model(X_real)))
    X_fake, y_fake = generate_fake_samples(g_model, settings.latent_dim, n_samples, seed)
    acc_fake = np.mean(keras.metrics.binary_accuracy(y_fake, d_model(X_fake)))
    print(f">Accuracy real: {acc_real:.0%}, fake: {acc_fake:.0%}")
    save_plot(X_fake, settings.out / f"generated_plot_e{epoch:03d}.png", PIXEL_RANGE)
    latent = [{"name": "noise", "size": settings.latent_dim, "distribution": "normal"}]
    about = {"kind": "unconditional", "latent": latent, "classes": 0, "class_names": []}
    save_files(g_model, epoch, settings, about | {"pixel_range": PIXEL_RANGE})


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    """Compile the tutorial's batch: train_step(step, n) trains n batches from number `step` on."""
    n_batch, bce = settings.batch_size, keras.losses.BinaryCrossentropy()
    d_model.trainable = True  # define_gan froze it; each update names the weights that it moves
    d_weights, g_weights = d_model.trainable_variables, g_model.trainable_variables
    d_model.optimizer.build(d_weights)
    gan_model.optimizer.build(g_weights)

    def train_batch(step):
        seeds = tf.random.split(tf.stack([settings.seed, step]), 3)

        # ---- Update D on real images: maximise log D(x) ----
        X_real, y_real = generate_real_samples(dataset, n_batch, seeds[0])
        with tf.GradientTape() as tape:
            d_real = bce(y_real, d_model(X_real, training=True))
        d_model.optimizer.apply(tape.gradient(d_real, d_weights), d_weights)

        # ---- Update D on generated images: maximise log(1 - D(G(z))) ----
        X_fake, y_fake = generate_fake_samples(g_model, settings.latent_dim, n_batch, seeds[1])
        with tf.GradientTape() as tape:
            d_fake = bce(y_fake, d_model(X_fake, training=True))
        d_model.optimizer.apply(tape.gradient(d_fake, d_weights), d_weights)

        # ---- Update G through the composite: maximise log D(G(z)) ----
        X_gan = generate_latent_points(settings.latent_dim, n_batch, seeds[2])
        y_gan = tf.ones((n_batch, 1))  # G wants its fakes to be taken for real
        with tf.GradientTape() as tape:
            g_loss = bce(y_gan, gan_model(X_gan, training=True))
        gan_model.optimizer.apply(tape.gradient(g_loss, g_weights), g_weights)
        return tf.stack([d_real, d_fake, g_loss])

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
DATASET = keras.datasets.cifar10  # where there is no --data
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


def compare_optimizers(argv, settings):
    """Train with each optimizer that is not done, all alike at first; draw OUT/optimizers.png."""
    flags = [flag for flag in argv if not flag.startswith(("--c", "--r"))]  # without --resume, too
    for name in OPTIMIZERS:
        out = settings.out / name
        resume = ["--resume"] if out.exists() else []
        try:
            if not (out / f"generator_model_{settings.epochs:03d}.h5").exists():
                main([*flags, "--optimizer", name, "--out", str(out), *resume])
        except SystemExit as end:
            if end.code in (2, 130):  # wrong input, Ctrl-C; failed training is drawn nevertheless
                raise
    figure, axes = plt.subplots(2, len(OPTIMIZERS), figsize=(15, 9), layout="constrained")
    for name, top, bottom in zip(OPTIMIZERS, *axes, strict=True):
        rows = np.loadtxt(settings.out / name / "losses.csv", delimiter=",", skiprows=1, ndmin=2)
        top.plot(rows[:, 2:], linewidth=0.5, label=LOSSES)
        top.set(title=name, xlabel="batch", ylabel="loss", ylim=(0, 8))  # one scale for all
        top.legend(loc="upper right")
        for path in sorted((settings.out / name).glob("generated_plot_e*.png"))[-1:]:
            bottom.imshow(plt.imread(path))
    figure.savefig(settings.out / "optimizers.png")


def main(argv):
    parser = argparse.ArgumentParser(Path(__file__).name, argparse.SUPPRESS, __doc__.split("\n")[0])
    add = parser.add_mutually_exclusive_group().add_argument
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="train D and G with this one")
    add("--compare-optimizers", action="store_true", help="train with each, draw them together")
    settings = parse_arguments(parser, argv, n_epochs=100, n_batch=32, latent_dim=100, every=20)
    if settings.compare_optimizers:
        return compare_optimizers(argv, settings)
    try:
        dataset, again = load_real_samples(settings.data), True
        while again:  # with the next seed, where --on-collapse restart asks for it
            keras.utils.set_random_seed(settings.seed)
            d_model = define_discriminator(optimizer=settings.optimizer)
            g_model = define_generator(settings.latent_dim)
            gan_model = define_gan(g_model, d_model, settings.optimizer, settings.ema)
            again = train(g_model, d_model, gan_model, dataset, settings)
    except (OSError, MemoryError, RuntimeError, tf.errors.OpError) as error:  # also h5py's
        parser.error(" ".join(str(error).split("}} ")[-1].split()))  # but for TensorFlow's {{node}}


if __name__ == "__main__":
    main(sys.argv[1:])
