"""The networks and the compiled step of each script, at the tutorials' real shapes."""

import importlib
import os
import platform
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from helpers import (
    COUNTS,
    SCRIPTS,
    compiled_loop,
    d_optimizer,
    learned,
    moved,
    prepare,
    step,
    values,
)

N_BATCH, SEED, N_STEPS = 32, 3, 2


def soften(*models):
    """Raise Adam's epsilon, so that rounding in gradients that are 0 is not blown up to a move."""
    for model in models:
        if hasattr(model.optimizer, "epsilon"):
            model.optimizer.epsilon = 0.01


@pytest.mark.parametrize("name", SCRIPTS)
def test_parameter_counts(name):
    """They are the tutorials' figures, or the sums of their layer tables; summary() shows them."""
    _, handed = prepare(name)
    d_model, g_model, gan_model = (handed[key] for key in ("d_model", "g_model", "gan_model"))
    counts = [model.count_params() for model in (d_model, g_model, gan_model)]
    lines = []
    gan_model.summary(print_fn=lambda line, **_: lines.append(line))
    shown = re.findall(r"(?:Total|Trainable|Non-trainable) params: ([\d,]+)", "\n".join(lines))
    total, trainable, frozen = [int(number.replace(",", "")) for number in shown]
    assert (*counts, trainable) == COUNTS[name]
    assert total == counts[2] == trainable + frozen


# ---- update isolation --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_d_update_moves_all_of_d_and_g_update_all_of_g(name, eagerly):
    script, handed = prepare(name, "--batch-size", N_BATCH)
    train = step(script, handed)
    d_model, g_model, gan_model = (handed[key] for key in ("d_model", "g_model", "gan_model"))
    d_weights, g_weights, both = map(learned, (d_model, g_model, gan_model))
    q_weights = [weight for weight in both if weight.path.startswith("q_")]
    d_weights = [weight for weight in d_weights if not weight.path.startswith("q_")]
    assert d_weights and g_weights and bool(q_weights) == (name == "infogan_mnist")

    # with the learning rate of the other update at 0, what moves is this update's
    optimizers = d_optimizer(handed), gan_model.optimizer
    rates = [float(optimizer.learning_rate) for optimizer in optimizers]
    for k, own, other in (
        (0, d_weights + q_weights, g_weights),
        (1, g_weights + q_weights, d_weights),
    ):
        for i, optimizer in enumerate(optimizers):
            optimizer.learning_rate = rates[i] if i == k else 0.0
        own_before, other_before = values(own), values(other)
        train(0, N_STEPS)
        assert all(moved(own_before, own))
        assert not any(moved(other_before, other))


# ---- the compiled step equals the tutorial's loop ------------------------------------------------


def test_a_sure_d_leaves_g_its_gradient():
    """The table of docs/training.md: the loss of these scripts does not saturate."""
    script, handed = prepare("mnist_gan", "--seed", "1")
    d_model, g_model, gan_model = (handed[key] for key in ("d_model", "g_model", "gan_model"))
    points, bce = script.generate_latent_points(100, 64, (1, 2)), keras.losses.BinaryCrossentropy()

    @tf.function
    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            p = gan_model(points)
            loss, saturating = bce(tf.ones((64, 1)), p), -bce(tf.zeros((64, 1)), p)
        weights = g_model.trainable_variables
        lengths = [tf.linalg.global_norm(tape.gradient(x, weights)) for x in (loss, saturating)]
        return loss, *lengths

    found = []
    for bias in (0, -5, -40):
        d_model.layers[-1].bias.assign([bias])
        found.append([float(x) for x in gradients()])
    losses, lengths, saturating = zip(*found, strict=True)
    np.testing.assert_allclose(losses, [0.71, 5.05, 40.04], rtol=0.01)
    np.testing.assert_allclose(lengths, [0.0177, 0.0344, 0.0346], rtol=0.01)
    np.testing.assert_allclose(saturating, [0.0169, 0.0002, 0], atol=1e-4)


class PlainLoop:
    """The tutorials' batch, written with train_on_batch and predict around a script's models."""

    def __init__(self, script, handed):
        self.g_model, self.d_model, self.gan_model = (
            handed[key] for key in ("g_model", "d_model", "gan_model")
        )
        self.settings = handed["run"].settings
        # compiled as the step is: the same seed draws other numbers in XLA
        compiled = tf.function(jit_compile=script.XLA)
        dataset, latent_dim = handed["dataset"], handed["latent_dim"]
        sizes = [handed[key] for key in ("n_cat", "n_cont") if key in handed]
        self.real = compiled(lambda n, seed: script.generate_real_samples(dataset, n, seed)[0])
        self.noise = compiled(
            lambda n, seed: script.generate_latent_points(latent_dim, *sizes, n, seed=seed)
        )

    def train_d(self, X, y):
        return self.d_model.train_on_batch(X, y, return_dict=True)

    def train_g(self, X, y):
        """Update G, and put D's running averages back, as the scripts do."""
        weights = self.d_model.non_trainable_weights
        averages = [weight for weight in weights if not weight.path.startswith("q_")]
        before = values(averages)
        losses = self.gan_model.train_on_batch(X, y, return_dict=True)
        for weight, average in zip(averages, before, strict=True):
            weight.assign(average)
        return losses

    def seeds(self, step, n):
        return tf.random.split(tf.stack([SEED, step]), n)

    def predict(self, *inputs):
        X = self.g_model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
        return tf.constant(X)


ones, zeros = np.ones((N_BATCH, 1)), np.zeros((N_BATCH, 1))
half = N_BATCH // 2


class mnist_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real = self.real(half, seeds[0])
        X_fake = self.predict(self.noise(half, seeds[1]))
        d = self.train_d(np.vstack([X_real, X_fake]), np.vstack([ones[:half], zeros[:half]]))
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d["loss"], g["loss"]


class cifar10_gan(PlainLoop):
    n_real = half

    def batch(self, step):
        seeds = self.seeds(step, 3)
        n = self.n_real
        d1 = self.train_d(self.real(n, seeds[0]), ones[:n])
        d2 = self.train_d(self.predict(self.noise(n, seeds[1])), zeros[:n])
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d1["loss"], d2["loss"], g["loss"]


class colour_gan(cifar10_gan):
    n_real = N_BATCH


class faces_gan(cifar10_gan):
    pass


class cgan_mnist(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 2)
        X_real, labels = self.real(N_BATCH, seeds[0])
        d1 = self.train_d([X_real, labels], ones)
        noise, new_labels = self.noise(N_BATCH, seeds[1])
        d2 = self.train_d([self.predict(noise, labels), labels], zeros)
        g = self.train_g([noise, new_labels], ones)
        accuracy = (d1["accuracy"] + d2["accuracy"]) / 2
        return (d1["loss"] + d2["loss"]) / 2, accuracy, g["loss"]


class acgan_mnist(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, labels = self.real(half, seeds[0])
        dr = self.train_d(X_real, [ones[:half], labels])
        noise, labels = self.noise(half, seeds[1])
        df = self.train_d(self.predict(noise, labels), [zeros[:half], labels])
        noise, labels = self.noise(N_BATCH, seeds[2])
        g = self.train_g([noise, labels], [ones, labels])
        return [losses[f"{out}_loss"] for losses in (dr, df, g) for out in ("valid", "class")]


class infogan_mnist(PlainLoop):
    losses = ["binary_crossentropy", "categorical_crossentropy", "mean_squared_error"]
    d_and_q = "d_and_q"  # the layer of the composite
    cf, cr = 1.0, 0.0  # weights of the class loss on fakes and on reals
    real_or_fake = 1.0  # weight of D's losses

    def __init__(self, script, handed):
        """D's update is put together, for it has other losses on reals than on fakes."""
        super().__init__(script, handed)
        weights = [1.0, self.cf, 1.0]
        optimizer = self.gan_model.optimizer
        self.gan_model.compile(loss=self.losses, loss_weights=weights, optimizer=optimizer)
        dq_model = self.gan_model.get_layer(self.d_and_q)
        real, fake = (keras.Input(script.IMAGE_SHAPE) for _ in range(2))
        p_real, class_real, _ = dq_model(real)
        self.both = keras.Model([real, fake], [*dq_model(fake), p_real, class_real])
        self.both.output_names = ["fake", "category", "codes", "real", "class"]
        self.both.compile(
            loss=[*self.losses, *self.losses[:2]],
            loss_weights=[self.real_or_fake, self.cf, 1.0, self.real_or_fake, self.cr],
            optimizer=self.d_model.optimizer,
        )

    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real = self.real(N_BATCH, seeds[0])
        points, category, codes = self.noise(N_BATCH, seeds[1])
        X_fake = self.predict(points)
        y = [zeros, category, codes, ones, category]
        _, d_fake, *_, d_real, _ = self.both.train_on_batch([X_real, X_fake], y)
        points, category, codes = self.noise(N_BATCH, seeds[2])
        g = self.train_g(points, [ones, category, codes])
        return d_real, d_fake, *(g[f"{out}_loss"] for out in ("real", "q_category", "q_codes"))


class infogan_labelled(infogan_mnist):
    d_and_q = "discriminator"
    real_or_fake = 0.5  # of D's update; G's has the whole loss

    def __init__(self, script, handed):
        settings = handed["run"].settings
        self.cf = 0.0 if settings.without_cf else 1.0 if settings.without_cr else 0.5
        self.cr = 0.0 if settings.without_cr else 1.0 if settings.without_cf else 0.5
        super().__init__(script, handed)

    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, labels = self.real(N_BATCH, seeds[0])
        _, codes, noise = self.noise(N_BATCH, seeds[1])
        X_fake = self.g_model(np.hstack([labels, codes, noise]), training=True)
        y = [zeros, labels, codes, ones, labels]
        _, d_fake, cf, con, d_real, cr = self.both.train_on_batch([X_real, X_fake], y)
        _, codes, noise = self.noise(N_BATCH, seeds[2])
        g = self.train_g(np.hstack([labels, codes, noise]), [ones, labels, codes])
        return (d_real + d_fake) / 2, g["real_loss"], cf, cr, con


class ebgan_mnist(PlainLoop):
    def __init__(self, script, handed):
        super().__init__(script, handed)
        margin, weight = self.settings.margin, self.settings.pt_weight

        def energy_loss(y, energy):  # twice the mean over both halves: the sum of their means
            fake = keras.ops.maximum(0.0, margin - energy)
            return 2 * keras.ops.mean(y * energy + (1 - y) * fake)

        def pulling_away(_, code):
            code = code / keras.ops.norm(code, axis=1, keepdims=True)
            pairs = [(i, j) for i in range(N_BATCH) for j in range(N_BATCH) if i != j]
            first, second = (keras.ops.take(code, ix, axis=0) for ix in np.transpose(pairs))
            return keras.ops.mean(keras.ops.sum(first * second, axis=1) ** 2)

        def mean(_, energy):
            return keras.ops.mean(energy)

        d_model, gan_model = self.d_model, self.gan_model
        d_model.compile(loss=[energy_loss, None], optimizer=d_model.optimizer)
        gan_model.compile(
            loss=[mean, pulling_away], loss_weights=[1.0, weight], optimizer=gan_model.optimizer
        )

    def energy(self, X):
        return self.d_model.predict(X, verbose=0)[0]

    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real = self.real(N_BATCH, seeds[0])
        X_fake = self.predict(self.noise(N_BATCH, seeds[1]))
        d_real = self.energy(X_real).mean()
        d_fake = np.maximum(0, self.settings.margin - self.energy(X_fake)).mean()
        y = np.vstack([ones, zeros])
        self.train_d(np.vstack([X_real, X_fake]), [y, np.zeros((2 * N_BATCH, 512))])
        unused = np.zeros((N_BATCH, 512))
        _, g, pt = self.gan_model.train_on_batch(self.noise(N_BATCH, seeds[2]), [ones, unused])
        return d_real, d_fake, g, pt


class mlp_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real = self.real(N_BATCH, seeds[0])
        X_fake = self.predict(self.noise(N_BATCH, seeds[1]))
        d = self.train_d(np.vstack([X_real, X_fake]), np.vstack([0.9 * ones, zeros]))
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d["loss"], g["loss"]  # the mean of both is all that a stacked update reports


VARIANTS = [
    ("infogan_labelled", "--without-cf"),
    ("infogan_labelled", "--without-cr"),
    ("ebgan_mnist", "--margin", 9.0, "--pt-weight", 100.0),
    ("colour_gan", "--optimizer", "rmsprop"),
    ("colour_gan", "--optimizer", "sgd"),
]


@pytest.mark.parametrize("name, flags", [(n, ()) for n in SCRIPTS] + [(n, f) for n, *f in VARIANTS])
def test_compiled_step_equals_the_plain_loop(name, flags, monkeypatch, request):
    """Compiled with the defaults; with flags the same code as Python, which is sooner done."""
    if flags:
        request.getfixturevalue("eagerly")

    def prepared():
        script, handed = prepare(name, "--batch-size", N_BATCH, *flags)
        soften(handed["d_model"], handed["gan_model"])
        return script, handed

    plain = globals()[name](*prepared())
    for model in vars(plain).values():
        if isinstance(model, keras.Model):
            model.run_eagerly = True
    start = values(plain.gan_model.weights)
    expected = [plain.batch(k) for k in range(N_STEPS)]
    weights = values(plain.gan_model.weights)

    script, handed = prepared()
    monkeypatch.setattr(script, "BATCHES_PER_CALL", N_STEPS)
    gan_model = handed["gan_model"]
    np.testing.assert_equal(values(gan_model.weights), start)
    train = step(script, handed)
    parts = gan_model, d_optimizer(handed), gan_model.optimizer
    state = [variable for part in parts for variable in part.variables]
    values_before = values(state)
    losses = reported = train(0, N_STEPS)
    if name == "mlp_gan":
        reported = np.stack([losses[:, :2].mean(axis=1), losses[:, 2]], axis=1)
    np.testing.assert_allclose(reported, expected, rtol=2e-4)
    for before, a, b in zip(start, weights, values(gan_model.weights), strict=True):
        # the same move; a bias before a BatchNormalization has none, but for rounding
        rounding = 3e-7 * np.sqrt(a.size)
        assert np.linalg.norm(a - b) <= 0.02 * np.linalg.norm(a - before) + rounding

    # and it does not matter how many batches a call trains
    for variable, value in zip(state, values_before, strict=True):
        variable.assign(value)
    again = np.concatenate([train(k, 1) for k in range(N_STEPS)])
    np.testing.assert_allclose(again, losses, rtol=2e-4)


# ---- on older CPUs, on a GPU, and in bfloat16 ----------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="TensorFlow has no choice there")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="TensorFlow has no choice there")
@pytest.mark.parametrize(
    "start, setting, said",
    [
        ("import mnist_gan", None, "True\n"),  # test_copies.py: the others begin as this one does
        ("import mnist_gan", "0", "False\n"),
        ("from sampling.files import start_tensorflow as start; start()", None, "True\n"),
    ],
)
def test_fast_convolutions_are_on_wherever_the_user_has_not_turned_them_off(start, setting, said):
    env = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    env |= {"PYTHONPATH": str(ROOT)} | ({"TF_ENABLE_ONEDNN_OPTS": setting} if setting else {})
    ask = f"{start}\nfrom tensorflow.python.util import _pywrap_util_port as port"
    command = [sys.executable, "-c", ask + "\nprint(port.IsMklEnabled())"]
    assert subprocess.run(command, env=env, capture_output=True, text=True).stdout == said


WITHOUT_XLA = [name for name in SCRIPTS if not importlib.import_module(name).XLA]


@pytest.mark.parametrize("name", WITHOUT_XLA)  # the others were compiled and run so above
def test_step_of_a_gpu_compiles_with_xla(name, monkeypatch):
    """With a GPU the step is compiled by XLA, which the CPU can do, too, if slowly.

    Here only as far as the instructions that are the same for all devices.
    """
    script, handed = prepare(name, "--batch-size", 4)
    gpu = {"GPUS": ["a GPU"], "XLA": True, "BATCHES_PER_CALL": 50}  # as the script sets them there
    for constant, value in gpu.items():
        monkeypatch.setattr(script, constant, value)
    train_batches = compiled_loop(script, handed)
    assert train_batches._jit_compile
    numbers = tf.constant(0), tf.constant(2)
    instructions = train_batches.experimental_get_compiler_ir(*numbers)(stage="hlo")
    assert "while(" in instructions and f"f32[50,{len(script.LOSSES)}]" in instructions


def test_xla_compiles_the_loop_once_for_all_numbers_of_batches():
    """The last call of an epoch, or one before a stop, trains fewer: no second compilation."""
    script = importlib.import_module("cgan_mnist")
    train_batches = script.compile_batches(lambda step: [tf.cast(step, tf.float32)] * 3)
    instructions = [
        train_batches.experimental_get_compiler_ir(tf.constant(0), tf.constant(n))(stage="hlo")
        for n in (2, 3)
    ]
    assert instructions[0] == instructions[1]
    np.testing.assert_array_equal(train_batches(5, 2)[:2, 0], [5, 6])


def test_without_a_working_xla_it_is_left_out_and_that_is_said(monkeypatch, capsys):
    script, handed = prepare("cgan_mnist", "--batch-size", 4)
    function = tf.function

    def no_libdevice(python_function=None, jit_compile=None, **options):
        if python_function is None:
            return lambda f: no_libdevice(f, jit_compile, **options)
        if jit_compile:
            return lambda *_: tf.debugging.assert_equal(1, 2)
        return function(python_function, **options)

    monkeypatch.setattr(tf, "function", no_libdevice)
    assert np.isfinite(step(script, handed)(0, 1)).all()
    assert "without" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_bfloat16_trains_nearly_as_float32(name, eagerly):
    losses = []
    try:
        for precision in ("float32", "bfloat16"):
            script, handed = prepare(name, "--batch-size", N_BATCH, "--precision", precision)
            g_model, d_model = handed["g_model"], handed["d_model"]
            for layer in g_model.layers + d_model.layers:
                if layer.name.startswith("dropout"):  # it draws other masks in bfloat16
                    layer.rate = 0.0
            losses.append(step(script, handed)(0, 1))
    finally:
        keras.config.set_dtype_policy("float32")
    assert g_model.layers[-1].compute_dtype == "bfloat16"
    assert {weight.dtype for weight in handed["gan_model"].weights} == {"float32"}
    assert losses[0].dtype == losses[1].dtype == np.float32
    assert not np.array_equal(*losses)
    np.testing.assert_allclose(*losses, rtol=0.07, atol=0.02)


@pytest.mark.parametrize("name", ["infogan_mnist", "infogan_labelled", "mlp_gan"])
def test_adam_alone_is_compiled_where_it_is_much_of_a_batch(name, monkeypatch):
    """On a CPU: the two updates, and nothing else. On a GPU the batch is compiled as a whole."""

    def compiled_operations(gpus):
        script, handed = prepare(name)
        monkeypatch.setattr(script, "GPUS", gpus)
        graph = compiled_loop(script, handed).get_concrete_function().graph
        functions = graph.as_graph_def().library.function
        parts = [part for part in functions if part.attr["_XlaMustCompile"].b]
        return [{node.op for node in part.node_def} for part in parts]

    updates = compiled_operations([])
    assert len(updates) == 2
    for operations in updates:
        assert "Sqrt" in operations and not operations & {"MatMul", "Conv2D"}
    if name == "mlp_gan":
        assert compiled_operations(["a GPU"]) == []
