"""The networks and the compiled step of each script, at the tutorials' real shapes."""

import argparse
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

SCRIPTS = ["mnist_gan", "cifar10_gan", "cgan_mnist", "acgan_mnist", "infogan_mnist"]
N_BATCH, SEED, N_STEPS = 32, 3, 3
LATENT_DIM = {"infogan_mnist": 62}


def build(name):
    """Return the script as a module and its models, the same ones at every call."""
    script = importlib.import_module(name)
    keras.utils.set_random_seed(SEED)
    d_model, *q_model = np.atleast_1d(script.define_discriminator())
    g_model = script.define_generator()
    return script, g_model, d_model, script.define_gan(g_model, d_model, *q_model)


def make_dataset(script):
    """Return 100 images of random pixels, with labels where the script reads them, as tensors."""
    rng = np.random.default_rng(SEED)
    images = tf.constant(rng.integers(0, 256, (100, *script.IMAGE_SHAPE), dtype=np.uint8))
    labels = tf.constant(rng.integers(0, 10, 100, dtype=np.int32))
    return (images, labels) if script.__name__ in ("cgan_mnist", "acgan_mnist") else images


def make_step(script, g_model, d_model, gan_model, dataset):
    settings = argparse.Namespace(
        batch_size=N_BATCH, latent_dim=LATENT_DIM.get(script.__name__, 100), seed=SEED
    )
    return script.make_train_step(
        g_model, d_model, gan_model, dataset, settings, script.XLA_ON_CPU
    )


def values(weights):
    return [weight.numpy() for weight in weights]


def moved(before, weights):
    """Return for each weight whether it changed."""
    return [not np.array_equal(a, b) for a, b in zip(before, values(weights), strict=True)]


# ---- parameter counts ------------------------------------------------------------------------

# discriminator, generator; the first two scripts' are the tutorials' figures, the others follow
# from their layer tables
COUNTS = {
    "mnist_gan": (40_705, 1_164_289),
    "cifar10_gan": (522_497, 1_466_115),
    "cgan_mnist": (541_345, 1_496_768 - 1_000 + 1_000),
    "acgan_mnist": (0, 0),
    "infogan_mnist": (0, 0),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_parameter_counts(name, capsys):
    _, g_model, d_model, gan_model = build(name)
    print(name, d_model.count_params(), g_model.count_params())
    gan_model.summary()
