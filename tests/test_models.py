"""The networks and the compiled step of each script, at the tutorials' real shapes."""

import importlib
import os
import platform
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from helpers import COUNTS, INFOGANS, SCRIPTS, learned, moved, prepare, step, values

N_BATCH, SEED, N_STEPS = 32, 3, 3


def soften(*models):
    """Raise Adam's epsilon, so that rounding in gradients that are 0 is not blown up to a move."""
    for model in models:
        if hasattr(model.optimizer, "epsilon"):
            model.optimizer.epsilon = 0.01


@pytest.mark.parametrize("name", SCRIPTS)
def test_parameter_counts(name):
    """They are the tutorials' figures, or the sums of their layer tables."""
    _, g_model, d_model, gan_model, *_ = prepare(name)
    trainable = sum(int(np.prod(weight.shape)) for weight in gan_model.trainable_weights)
    counts = [model.count_params() for model in (d_model, g_model, gan_model)]
    assert (*counts, trainable) == COUNTS[name]


# ---- update isolation --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_d_update_moves_all_of_d_and_g_update_all_of_g(name, eagerly):
    script, g_model, d_model, gan_model, *rest = prepare(name, "--batch-size", N_BATCH)
    train = step(script, g_model, d_model, gan_model, *rest)
    d_weights, g_weights, both = map(learned, (d_model, g_model, gan_model))
    ids = {id(weight) for weight in d_weights + g_weights}
    q_weights = [weight for weight in both if id(weight) not in ids]  # a model of its own
    q_weights += [weight for weight in d_weights if weight.path.startswith("q_")]  # or D's
    in_q = {id(weight) for weight in q_weights}
    d_weights = [weight for weight in d_weights if id(weight) not in in_q]
    assert d_weights and g_weights and bool(q_weights) == (name in INFOGANS)

    # with the learning rate of the other update at 0, what moves is this update's
    optimizers = d_model.optimizer, gan_model.optimizer
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
    script, g_model, d_model, gan_model, *_ = prepare("mnist_gan", "--seed", "1")
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


def set_trainable(weights, trainable):
    """Freeze or thaw weights one by one, so that BatchNormalization stays in training mode."""
    for weight in weights:
        weight.trainable = trainable


class PlainLoop:
    """The tutorials' batch, written with train_on_batch and predict."""

    def __init__(self, script, g_model, d_model, gan_model, dataset, settings):
        self.g_model, self.d_model, self.gan_model = g_model, d_model, gan_model
        self.settings = settings
        for layer in (d_model, *d_model.layers):  # define_gan froze it
            layer.trainable = True
        d_weights = [w for w in d_model.trainable_weights if not w.path.startswith("q_")]
        self.d_weights, self.g_weights = d_weights, g_model.trainable_weights
        # compiled as the step is: the same seed draws other numbers in XLA
        compiled = tf.function(jit_compile=script.XLA)
        self.real = compiled(lambda n, seed: script.generate_real_samples(dataset, n, seed))
        latent_dim = settings.latent_dim
        self.noise = compiled(lambda n, seed: script.generate_latent_points(latent_dim, n, seed))

    def train_d(self, X, y, model=None):
        set_trainable(self.d_weights, True)
        set_trainable(self.g_weights, False)
        return (model or self.d_model).train_on_batch(X, y, return_dict=True)

    def train_g(self, X, y):
        d_averages = [w for w in self.d_model.non_trainable_weights if not w.path.startswith("q_")]
        averages = values(d_averages)
        set_trainable(self.g_weights, True)
        set_trainable(self.d_weights, False)
        losses = self.gan_model.train_on_batch(X, y, return_dict=True)
        set_trainable(self.d_weights, True)
        for weight, average in zip(d_averages, averages, strict=True):
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
        X_real, _ = self.real(half, seeds[0])
        X_fake = self.predict(self.noise(half, seeds[1]))
        y_real = self.settings.real_target * ones[:half]
        d = self.train_d(np.vstack([X_real, X_fake]), np.vstack([y_real, zeros[:half]]))
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d["loss"], g["loss"]


class cifar10_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, _ = self.real(half, seeds[0])
        d1 = self.train_d(X_real, self.settings.real_target * ones[:half])
        d2 = self.train_d(self.predict(self.noise(half, seeds[1])), zeros[:half])
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d1["loss"], d2["loss"], g["loss"]


class cgan_mnist(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 2)
        (X_real, labels), _ = self.real(N_BATCH, seeds[0])
        d1 = self.train_d([X_real, labels], ones)
        noise, new_labels = self.noise(N_BATCH, seeds[1])
        d2 = self.train_d([self.predict(noise, labels), labels], zeros)
        g = self.train_g([noise, new_labels], ones)
        accuracy = (d1["accuracy"] + d2["accuracy"]) / 2
        return (d1["loss"] + d2["loss"]) / 2, accuracy, g["loss"]


class acgan_mnist(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        (X_real, labels), _ = self.real(half, seeds[0])
        dr = self.train_d(X_real, {"valid": ones[:half], "class": labels})
        noise, labels = self.noise(half, seeds[1])
        df = self.train_d(self.predict(noise, labels), {"valid": zeros[:half], "class": labels})
        noise, labels = self.noise(N_BATCH, seeds[2])
        g = self.train_g([noise, labels], {"valid": ones, "class": labels})
        return [losses[f"{out}_loss"] for losses in (dr, df, g) for out in ("valid", "class")]


class infogan_mnist(PlainLoop):
    category, sizes = "category", (62, 10, 2)  # Q's output; parts of the latent point

    def __init__(self, script, g_model, d_model, gan_model, dataset, settings):
        super().__init__(script, g_model, d_model, gan_model, dataset, settings)
        dq_model, weight, on_real = self.parts(d_model, gan_model, settings)
        losses = ("binary_crossentropy", "categorical_crossentropy", "mean_squared_error")
        codes = self.category.replace("category", "codes")
        self.outputs = "real", self.category, codes
        loss = dict(zip(self.outputs, losses, strict=True))
        weights = {"real": 1.0, self.category: weight, codes: 1.0}
        gan_model.compile(loss=loss, loss_weights=weights, optimizer=gan_model.optimizer)
        real, fake = (keras.Input(script.IMAGE_SHAPE) for _ in range(2))
        out = dq_model(fake)
        out["fake"] = out.pop("real")
        seen = dq_model(real)
        out |= {"real": seen["real"], "class": seen[self.category]}
        loss = loss | {"fake": losses[0], "class": losses[1]}
        weights = weights | {"fake": 1.0, "class": on_real}
        self.both = keras.Model([real, fake], out)
        self.both.compile(loss=loss, loss_weights=weights, optimizer=d_model.optimizer)

    def parts(self, d_model, gan_model, settings):
        """Return D and Q as one model, and the weights of the class loss on fakes and on reals."""
        return gan_model.get_layer("d_and_q"), 1.0, 0.0

    def draw(self, seed):
        """Return real images, and the category that the fakes of D's update have."""
        X_real, _ = self.real(N_BATCH, seed)
        return X_real, None

    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, labels = self.draw(seeds[0])
        noise, category, codes = tf.split(self.noise(N_BATCH, seeds[1]), self.sizes, 1)
        category = category if labels is None else labels
        X_fake = self.predict(np.hstack([noise, category, codes]))
        y = dict(zip(self.outputs, (ones, category, codes), strict=True))
        d = self.train_d([X_real, X_fake], y | {"fake": zeros, "class": category}, self.both)
        points = self.noise(N_BATCH, seeds[2])
        y = zip(self.outputs, (ones, *tf.split(points, self.sizes, 1)[1:]), strict=True)
        g = self.train_g(points, dict(y))
        return d["real_loss"], d["fake_loss"], *(g[f"{out}_loss"] for out in self.outputs)


class infogan_labelled(infogan_mnist):
    category, sizes = "q_category", (38, 10, 2)

    def parts(self, d_model, gan_model, settings):
        return d_model, 0.5 * (not settings.without_cf), 0.5 * (not settings.without_cr)

    def draw(self, seed):
        return self.real(N_BATCH, seed)[0]


class ebgan_mnist(PlainLoop):
    def __init__(self, script, g_model, d_model, gan_model, dataset, settings):
        super().__init__(script, g_model, d_model, gan_model, dataset, settings)
        margin, weight = settings.margin, settings.pt_weight

        def energy_loss(y, energy):  # twice the mean over both halves: the sum of their means
            fake = keras.ops.maximum(0.0, margin - energy)
            return 2 * keras.ops.mean(y * energy + (1 - y) * fake)

        def pulling_away(_, code):
            code = code / keras.ops.norm(code, axis=1, keepdims=True)
            pairs = [(i, j) for i in range(N_BATCH) for j in range(N_BATCH) if i != j]
            first, second = (keras.ops.take(code, ix, axis=0) for ix in np.transpose(pairs))
            return keras.ops.mean(keras.ops.sum(first * second, axis=1) ** 2)

        mean = {"energy": lambda _, energy: keras.ops.mean(energy), "code": pulling_away}
        d_optimizer, g_optimizer = d_model.optimizer, gan_model.optimizer
        d_model.compile(loss={"energy": energy_loss, "code": None}, optimizer=d_optimizer)
        weights = {"energy": 1.0, "code": weight}
        gan_model.compile(loss=mean, loss_weights=weights, optimizer=g_optimizer)
        self.energy = lambda X: d_model.predict(X, verbose=0)["energy"]

    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, _ = self.real(N_BATCH, seeds[0])
        X_fake = self.predict(self.noise(N_BATCH, seeds[1]))
        d_real = self.energy(X_real).mean()
        d_fake = np.maximum(0, self.settings.margin - self.energy(X_fake)).mean()
        y = {"energy": np.vstack([ones, zeros]), "code": zeros}
        self.train_d(np.vstack([X_real, X_fake]), {"energy": y["energy"]})
        g = self.train_g(self.noise(N_BATCH, seeds[2]), {"energy": ones, "code": ones})
        return d_real, d_fake, g["energy_loss"], g["code_loss"]


class mlp_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, _ = self.real(N_BATCH, seeds[0])
        X_fake = self.predict(self.noise(N_BATCH, seeds[1]))
        y_real = self.settings.real_target * ones
        d = self.train_d(np.vstack([X_real, X_fake]), np.vstack([y_real, zeros]))
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d["loss"], g["loss"]  # the mean of both is all that a stacked update reports


class colour_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, _ = self.real(N_BATCH, seeds[0])
        d_real = self.train_d(X_real, ones)
        d_fake = self.train_d(self.predict(self.noise(N_BATCH, seeds[1])), zeros)
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d_real["loss"], d_fake["loss"], g["loss"]


VARIANTS = [
    ("mnist_gan", "--real-target", 0.9),
    ("cifar10_gan", "--real-target", 0.9),
    ("infogan_labelled", "--without-cf"),
    ("infogan_labelled", "--without-cr"),
    ("ebgan_mnist", "--margin", 9.0, "--pt-weight", 100.0),
    ("colour_gan", "--optimizer", "rmsprop"),
    ("colour_gan", "--optimizer", "sgd"),
]


@pytest.mark.parametrize("name, flags", [(n, ()) for n in SCRIPTS] + [(n, f) for n, *f in VARIANTS])
def test_compiled_step_equals_the_plain_loop(name, flags, monkeypatch):
    growing = ("infogan_labelled", "acgan_mnist")  # where classes are learned rounding grows fast
    n_steps = 2 if name in growing else N_STEPS

    def prepared():
        script, *models, dataset, settings = prepare(name, "--batch-size", N_BATCH, *flags)
        soften(*models[1:])
        return script, *models, dataset, settings

    plain = globals()[name](*prepared())
    for model in vars(plain).values():
        if isinstance(model, keras.Model):
            model.run_eagerly = True
    start = values(plain.gan_model.weights)
    expected = [plain.batch(k) for k in range(n_steps)]
    weights = values(plain.gan_model.weights)

    script, *rest = prepared()
    monkeypatch.setattr(script, "BATCHES_PER_CALL", N_STEPS)
    gan_model = rest[2]
    np.testing.assert_equal(values(gan_model.weights), start)
    train = step(script, *rest)
    state = [v for part in (gan_model, *(m.optimizer for m in rest[1:3])) for v in part.variables]
    values_before = values(state)
    losses = reported = train(0, n_steps)
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
    again = np.concatenate([train(k, 1) for k in range(n_steps)])
    np.testing.assert_allclose(again, losses, rtol=2e-4)


# ---- on older CPUs, on a GPU, and in bfloat16 ----------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="TensorFlow has no choice there")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="TensorFlow has no choice there")
@pytest.mark.parametrize(
    "start, setting, said",
    [
        ("import mnist_gan", None, "True\n"),  # test_copies.py: the others begin as this one does
        ("import mnist_gan", "0", "False\n"),
        ("from generator_files import start_tensorflow as start; start()", None, "True\n"),
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
    script, *rest = prepare(name, "--batch-size", 4)
    gpu = {"GPUS": ["a GPU"], "XLA": True, "BATCHES_PER_CALL": 50}  # as the script sets them there
    for constant, value in gpu.items():
        monkeypatch.setattr(script, constant, value)
    train_step = script.make_train_step(*rest)
    assert train_step._jit_compile
    numbers = tf.constant(0), tf.constant(2)
    instructions = train_step.experimental_get_compiler_ir(*numbers)(stage="hlo")
    assert "while(" in instructions and f"f32[50,{len(script.LOSSES)}]" in instructions


def test_without_a_working_xla_it_is_left_out_and_that_is_said(monkeypatch, capsys):
    script, *rest = prepare("cgan_mnist", "--batch-size", 4)
    function = tf.function

    def no_libdevice(python_function=None, jit_compile=None, **options):
        if python_function is None:
            return lambda f: no_libdevice(f, jit_compile, **options)
        if jit_compile:
            return lambda *_: tf.debugging.assert_equal(1, 2)
        return function(python_function, **options)

    monkeypatch.setattr(tf, "function", no_libdevice)
    assert np.isfinite(step(script, *rest)(0, 1)).all()
    assert "without" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_bfloat16_trains_nearly_as_float32(name, eagerly):
    losses = []
    try:
        for precision in ("float32", "bfloat16"):
            script, *rest = prepare(name, "--batch-size", N_BATCH, "--precision", precision)
            g_model, d_model, gan_model, *_ = rest
            for layer in g_model.layers + d_model.layers:
                if layer.name.startswith("dropout"):  # it draws other masks in bfloat16
                    layer.rate = 0.0
            losses.append(step(script, *rest)(0, 1))
    finally:
        keras.config.set_dtype_policy("float32")
    assert g_model.layers[-1].compute_dtype == "bfloat16"
    assert {weight.dtype for weight in gan_model.weights} == {"float32"}
    assert losses[0].dtype == losses[1].dtype == np.float32
    assert not np.array_equal(*losses)
    np.testing.assert_allclose(*losses, rtol=0.07, atol=0.02)
