"""The networks and the compiled step of each script, at the tutorials' real shapes."""

import argparse
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

SCRIPTS = ["mnist_gan", "cifar10_gan", "cgan_mnist", "acgan_mnist", "infogan_mnist"]
SCRIPTS += ["ebgan_mnist", "mlp_gan"]
N_BATCH, SEED, N_STEPS = 32, 3, 3
LATENT_DIM = {"infogan_mnist": 62}


def build(name, **variant):
    """Return the script as a module and its models, the same ones at every call."""
    script = importlib.import_module(name)
    keras.utils.set_random_seed(SEED)
    d_model, *q_model = np.atleast_1d(script.define_discriminator())
    g_model = script.define_generator(**variant)
    gan_model = script.define_gan(g_model, d_model, *q_model)
    return script, g_model, d_model, gan_model


def colour_variant(monkeypatch):
    """Make mlp_gan what its main makes it with --batch-norm."""
    script = importlib.import_module("mlp_gan")
    monkeypatch.setattr(script, "IMAGE_SHAPE", (32, 32, 3))
    monkeypatch.setattr(script, "XLA_ON_CPU", True)


def build_mlp(**changed):
    """Return mlp_gan as a module and the models of its settings."""
    script = importlib.import_module("mlp_gan")
    return script, *script.define_models(make_settings(script, **changed))


def soften(*models):
    """Raise Adam's epsilon, so that rounding in gradients that are 0 is not blown up to a move."""
    for model in models:
        model.optimizer.epsilon = 0.01


def make_dataset(script):
    """Return 100 images of random pixels, with labels where the script reads them, as tensors."""
    rng = np.random.default_rng(SEED)
    images = tf.constant(rng.integers(0, 256, (100, *script.IMAGE_SHAPE), dtype=np.uint8))
    labels = tf.constant(rng.integers(0, 10, 100, dtype=np.int32))
    labelled = script.__name__ in ("cgan_mnist", "acgan_mnist", "infogan_mnist")
    return (images, labels) if labelled else images


def make_settings(script, **changed):
    """Return the settings of a small run, the script's own flags at their defaults."""
    own = {flag[2:].replace("-", "_"): o.get("default", False) for flag, o in script.FLAGS.items()}
    latent_dim = LATENT_DIM.get(script.__name__, 100)
    common = {"batch_size": N_BATCH, "latent_dim": latent_dim, "seed": SEED}
    return argparse.Namespace(**own | common | changed)


def make_step(script, g_model, d_model, gan_model, dataset, **changed):
    settings = make_settings(script, **changed)
    return script.make_train_step(g_model, d_model, gan_model, dataset, settings)


def values(weights):
    return [weight.numpy() for weight in weights]


# ---- parameter counts: the tutorials' figures, or the sums of their layer tables ---------------

COUNTS = {  # discriminator, generator, composite, of which trainable in the composite
    "mnist_gan": (40_705, 1_164_289, 1_204_994, 1_164_289),
    "cifar10_gan": (522_497, 1_466_115, 1_988_612, 1_466_115),
    "cgan_mnist": (541_345, 1_494_520, 2_035_865, 1_490_936),
    "acgan_mnist": (527_627, 3_757_176, 4_284_803, 3_756_792),
    "infogan_mnist": (6_561_473, 6_667_201, 13_361_934, 6_785_485),  # 133,260 more are Q's own
    "ebgan_mnist": (804_112, 1_493_520, 2_297_632, 1_489_936),
    "mlp_gan": (1_460_225, 1_486_352, 2_946_577, 1_486_352),
    "mlp_gan --batch-norm": (1_704_961, 3_838_720, 5_543_681, 3_835_136),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name, monkeypatch):
    if name == "mlp_gan --batch-norm":
        colour_variant(monkeypatch)
        _, g_model, d_model, gan_model = build_mlp(batch_norm=True)
    else:
        _, g_model, d_model, gan_model = build(name)
    trainable = sum(int(np.prod(weight.shape)) for weight in gan_model.trainable_weights)
    counts = [model.count_params() for model in (d_model, g_model, gan_model)]
    assert (*counts, trainable) == COUNTS[name]


# ---- update isolation --------------------------------------------------------------------------


def learned(model):
    """Return the weights of a model but for the running averages of BatchNormalization."""
    return [weight for weight in model.weights if "moving_" not in weight.path]


def moved(before, weights):
    """Return for each weight whether it changed."""
    return [not np.array_equal(a, b) for a, b in zip(before, values(weights), strict=True)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_d_update_moves_all_of_d_and_g_update_all_of_g(name):
    script, g_model, d_model, gan_model = build(name)
    train_step = make_step(script, g_model, d_model, gan_model, make_dataset(script))
    d_weights, g_weights, both = map(learned, (d_model, g_model, gan_model))
    ids = {id(weight) for weight in d_weights + g_weights}
    q_weights = [weight for weight in both if id(weight) not in ids]
    assert d_weights and g_weights and bool(q_weights) == (name == "infogan_mnist")

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
        train_step(0, N_STEPS)
        assert all(moved(own_before, own))
        assert not any(moved(other_before, other))


# ---- the compiled step equals the tutorial's loop ------------------------------------------------


def set_trainable(weights, trainable):
    """Freeze or thaw weights one by one, so that BatchNormalization stays in training mode."""
    for weight in weights:
        weight.trainable = trainable


class PlainLoop:
    """The tutorials' batch, written with train_on_batch and predict."""

    def __init__(self, script, g_model, d_model, gan_model, dataset, settings):
        self.g_model, self.d_model, self.gan_model = g_model, d_model, gan_model
        self.settings = settings
        d_model.trainable = True  # define_gan froze it
        self.d_weights, self.g_weights = d_model.trainable_weights, g_model.trainable_weights
        # compiled as the step is: the same seed draws other numbers in XLA
        compiled = tf.function(jit_compile=script.XLA_ON_CPU)
        self.real = compiled(lambda n, seed: script.generate_real_samples(dataset, n, seed))
        latent_dim = settings.latent_dim
        self.noise = compiled(lambda n, seed: script.generate_latent_points(latent_dim, n, seed))

    def train_d(self, X, y, model=None):
        set_trainable(self.d_weights, True)
        set_trainable(self.g_weights, False)
        return (model or self.d_model).train_on_batch(X, y, return_dict=True)

    def train_g(self, X, y):
        averages = values(self.d_model.non_trainable_weights)
        set_trainable(self.g_weights, True)
        set_trainable(self.d_weights, False)
        losses = self.gan_model.train_on_batch(X, y, return_dict=True)
        set_trainable(self.d_weights, True)
        for weight, average in zip(self.d_model.non_trainable_weights, averages, strict=True):
            weight.assign(average)
        return losses

    def seeds(self, step, n):
        return tf.random.split(tf.stack([SEED, step]), n)

    def predict(self, *inputs):
        return self.g_model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)


ones, zeros = np.ones((N_BATCH, 1)), np.zeros((N_BATCH, 1))
half = N_BATCH // 2


class mnist_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, _ = self.real(half, seeds[0])
        X_fake = self.predict(self.noise(half, seeds[1]))
        y_real = self.settings.label_smoothing * ones[:half]
        d = self.train_d(np.vstack([X_real, X_fake]), np.vstack([y_real, zeros[:half]]))
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return d["loss"], g["loss"]


class cifar10_gan(PlainLoop):
    def batch(self, step):
        seeds = self.seeds(step, 3)
        X_real, _ = self.real(half, seeds[0])
        d1 = self.train_d(X_real, self.settings.label_smoothing * ones[:half])
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
    def __init__(self, script, g_model, d_model, gan_model, dataset, settings):
        super().__init__(script, g_model, d_model, gan_model, dataset, settings)
        cf, cr = (0.5, 0.5) if settings.labelled else (1.0, 0.0)
        cf, cr = cf * (not settings.without_cf), cr * (not settings.without_cr)
        dq_model = gan_model.get_layer("d_and_q")
        real, fake = (keras.Input(script.IMAGE_SHAPE) for _ in range(2))
        out = dq_model(fake)
        out["fake"] = out.pop("real")
        on_real = dq_model(real)
        out |= {"real": on_real["real"], "class": on_real["category"]}
        loss = {"fake": "binary_crossentropy", "class": "categorical_crossentropy"}
        loss |= script.LOSS_OF_OUTPUT
        weights = {"real": 1.0, "fake": 1.0, "category": cf, "codes": 1.0, "class": cr}
        self.both = keras.Model([real, fake], out)
        self.both.compile(loss=loss, loss_weights=weights, optimizer=d_model.optimizer)
        weights = {"real": 1.0, "category": cf, "codes": 1.0}
        optimizer = gan_model.optimizer
        gan_model.compile(loss=script.LOSS_OF_OUTPUT, loss_weights=weights, optimizer=optimizer)

    def batch(self, step):
        seeds = self.seeds(step, 3)
        (X_real, labels), _ = self.real(N_BATCH, seeds[0])
        noise, category, codes = self.noise(N_BATCH, seeds[1])
        if self.settings.labelled:
            category = labels
        X_fake = self.predict(np.hstack([noise, category, codes]))
        y = {"real": ones, "fake": zeros, "category": category, "codes": codes, "class": category}
        d = self.train_d([X_real, X_fake], y, self.both)
        noise, category, codes = self.noise(N_BATCH, seeds[2])
        y = {"real": ones, "category": category, "codes": codes}
        g = self.train_g(np.hstack([noise, category, codes]), y)
        g = [g[f"{out}_loss"] for out in ("real", "category", "codes")]
        return d["real_loss"], d["fake_loss"], *g


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
        y_real = self.settings.label_smoothing * ones
        if self.settings.batch_norm:
            d = [self.train_d(X, y)["loss"] for X, y in ((X_real, y_real), (X_fake, zeros))]
        else:  # the mean of both is all that a stacked update reports
            d = self.train_d(np.vstack([X_real, X_fake]), np.vstack([y_real, zeros]))["loss"]
        g = self.train_g(self.noise(N_BATCH, seeds[2]), ones)
        return (*np.atleast_1d(d), g["loss"])


LOOPS = mnist_gan, cifar10_gan, cgan_mnist, acgan_mnist, infogan_mnist, ebgan_mnist, mlp_gan
PLAIN = {loop.__name__: loop for loop in LOOPS}
VARIANTS = [
    ("mnist_gan", {"label_smoothing": 0.9}),
    ("cifar10_gan", {"label_smoothing": 0.9}),
    ("infogan_mnist", {"labelled": True, "latent_dim": 38}),
    ("infogan_mnist", {"labelled": True, "latent_dim": 38, "without_cf": True}),
    ("infogan_mnist", {"labelled": True, "latent_dim": 38, "without_cr": True}),
    ("ebgan_mnist", {"margin": 9.0, "pt_weight": 100.0}),
    ("mlp_gan", {"batch_norm": True, "label_smoothing": 1.0, "optimizer": "rmsprop"}),
    ("mlp_gan", {"batch_norm": True, "label_smoothing": 1.0, "optimizer": "sgd"}),
]


@pytest.mark.parametrize("name, changed", [(name, {}) for name in SCRIPTS] + VARIANTS)
def test_compiled_step_equals_the_plain_loop(name, changed, monkeypatch):
    if changed.get("batch_norm"):
        colour_variant(monkeypatch)
        monkeypatch.setitem(globals(), "build", lambda name: build_mlp(**changed))
    variant = {"latent_dim": 38 + 12} if changed.get("labelled") else {}
    n_steps = 2 if changed.get("labelled") else N_STEPS  # rounding grows fast where Q learns fast

    def models_and_dataset():
        script, *models = build(name, **variant)
        if changed.get("optimizer") != "sgd":
            soften(*models[1:])
        return script, *models, make_dataset(script)

    script, *models, dataset = models_and_dataset()
    plain = PLAIN[name](script, *models, dataset, make_settings(script, **changed))
    start = values(plain.gan_model.weights)
    expected = [plain.batch(step) for step in range(n_steps)]
    weights = values(plain.gan_model.weights)

    script, *models, dataset = models_and_dataset()
    np.testing.assert_equal(values(models[-1].weights), start)
    losses = make_step(script, *models, dataset, **changed)(0, n_steps).numpy()
    if (name, changed) == ("mlp_gan", {}):
        losses = np.stack([losses[:, :2].mean(axis=1), losses[:, 2]], axis=1)
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    for before, a, b in zip(start, weights, values(models[-1].weights), strict=True):
        # the same move; a bias before a BatchNormalization has none, but for rounding
        rounding = 3e-7 * np.sqrt(a.size)
        assert np.linalg.norm(a - b) <= 0.02 * np.linalg.norm(a - before) + rounding

    # and it does not matter how many batches a call trains
    if not changed:
        script, *models, dataset = models_and_dataset()
        train_step = make_step(script, *models, dataset)
        one_by_one = [train_step(k, 1)[0] for k in range(n_steps)]
        if name == "mlp_gan":
            one_by_one = [[(d_real + d_fake) / 2, g] for d_real, d_fake, g in one_by_one]
        np.testing.assert_allclose(one_by_one, losses, rtol=2e-4)


# ---- on a GPU, and in bfloat16 -------------------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_step_of_a_gpu_compiles_with_xla(name, monkeypatch):
    """With a GPU the step is compiled by XLA, which the CPU can do, too, if slowly."""
    script, g_model, d_model, gan_model = build(name)
    devices, function, compiled = tf.config.list_physical_devices, tf.function, {}

    def note(python_function=None, **options):
        def decorate(python_function):
            compiled[python_function.__name__] = options
            return function(python_function, **options)

        return decorate(python_function) if python_function else decorate

    gpu = {"GPU": ["a GPU"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda k: gpu.get(k) or devices(k))
    monkeypatch.setattr(tf, "function", note)
    dataset = make_dataset(script)
    train_step = make_step(script, g_model, d_model, gan_model, dataset, batch_size=4)
    before = values(learned(gan_model))
    losses = train_step(0, 2).numpy()
    assert compiled["train_batches"] == {"jit_compile": True}
    assert losses.shape == (2, len(script.LOSSES)) and np.isfinite(losses).all()
    assert all(moved(before, learned(gan_model)))


@pytest.mark.parametrize("name", SCRIPTS)
def test_bfloat16_trains_nearly_as_float32(name, monkeypatch):
    monkeypatch.setattr(importlib.import_module(name), "XLA_ON_CPU", False)  # slow to compile
    losses = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            script, g_model, d_model, gan_model = build(name)
        finally:
            keras.config.set_dtype_policy("float32")
        for layer in g_model.layers + d_model.layers:
            if layer.name.startswith("dropout"):  # it draws other masks in bfloat16
                layer.rate = 0.0
        train_step = make_step(script, g_model, d_model, gan_model, make_dataset(script))
        losses.append(train_step(0, 1).numpy())
    assert g_model.layers[-1].compute_dtype == "bfloat16"
    assert {weight.dtype for weight in gan_model.weights} == {"float32"}
    assert losses[0].dtype == losses[1].dtype == np.float32
    assert not np.array_equal(*losses)
    np.testing.assert_allclose(*losses, rtol=0.05, atol=0.02)
