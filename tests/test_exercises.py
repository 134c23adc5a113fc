"""What the tutorials suggest to try, as flags; averaged weights; the variants' own pictures."""

import importlib
import os
import re
import shutil

import keras
import matplotlib.image
import numpy as np
import pytest
from helpers import DIGITS, OBJECTS, cells, data_of, grid_point, losses_of, prepare
from keras import layers
from test_runs import description, refused, train  # noqa: F401 - a fixture

import generate

TRIAL = ["--batch-size", "8", "--steps-per-epoch", "1", "--snapshot-every", "1"]


@pytest.fixture
def trial(train, eagerly):  # noqa: F811
    """Return a function that trains a batch an epoch in the current folder."""

    def trial(name, *flags, out="run"):
        return train(name, *TRIAL, "--data", data_of(name), "--out", out, *flags)

    return trial


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize("name", ["mnist_gan", "cifar10_gan"])
def test_batch_norm_and_upsample_change_g_alone(name):
    _, plain, d_plain, *_ = prepare(name)
    _, model, d_model, gan_model, *_ = prepare(name, "--batch-norm", "--upsample", "nearest")
    assert kinds(d_model) == kinds(d_plain)
    n = kinds(plain).count("Conv2DTranspose")
    assert n and kinds(model).count("UpSampling2D") == n and "Conv2DTranspose" not in kinds(model)
    assert kinds(model).count("Conv2D") == kinds(plain).count("Conv2D") + n
    for k, kind in enumerate(kinds(model)):  # before each activation
        assert (kind == "BatchNormalization") == (kinds(model)[k + 1 : k + 2] == ["LeakyReLU"])
    # the same sizes: only BatchNormalization adds weights
    normed = [x for x in model.layers if isinstance(x, layers.BatchNormalization)]
    added = sum(layer.count_params() for layer in normed)
    assert model.count_params() == plain.count_params() + added > plain.count_params()
    assert gan_model.output_shape == (None, 1) and model.output_shape == plain.output_shape


def test_tanh_comes_with_pixels_from_minus_1_to_1(trial):
    script = trial("mnist_gan", "--output", "tanh", "--epochs", 1)
    dataset = script.load_real_samples(DIGITS)
    real, _ = script.generate_real_samples(dataset, 100, (1, 1), "tanh")
    assert (float(np.min(real)), float(np.max(real))) == (-1, 1)
    assert description("run/generator_model_001.h5")["pixel_range"] == [-1, 1]
    model = keras.models.load_model("run/generator_model_001.h5")
    assert model.layers[-1].activation is keras.activations.tanh
    generate.main(["run/generator_model_001.h5", "--npz", "images.npz"])
    with np.load("images.npz") as file:  # an untrained tanh is about 0: the middle
        assert abs(file["images"].mean() - 0.5) < 0.1
    assert abs(cells("run/generated_plot_e001.png", 28, 28).mean() - 0.5) < 0.1


# ---- averaged weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp_gan", "infogan_mnist"])
def test_ema_snapshots_hold_the_average_of_the_weights(name, eagerly, trial, train, capsys):  # noqa: F811
    """A batch an epoch, so that the plain snapshots show every state that was averaged."""
    trial(name, "--epochs", 3, out="plain")
    trial(name, "--ema", 0.6, "--epochs", 2)
    train(name, "--resume", "--out", "run", "--epochs", 3)  # the averages go on, too
    assert open("plain/losses.csv").read() == open("run/losses.csv").read()  # training is the same

    def weights(folder, k):
        return keras.models.load_model(f"{folder}/generator_model_{k:03d}.h5").get_weights()

    states, averaged = [weights("plain", k) for k in (1, 2, 3)], weights("run", 3)
    model = keras.models.load_model("run/generator_model_003.h5")
    learned = [weight.trainable for weight in model.weights]
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(states[2], averaged, strict=True))
    for first, second, third, average, by_gradient in zip(*states, averaged, learned, strict=True):
        mean = 0.6 * (0.6 * first + 0.4 * second) + 0.4 * third
        if by_gradient:
            np.testing.assert_allclose(average, mean, rtol=1e-4, atol=1e-6)
    assert description("run/generator_model_003.h5")["averaged"]
    assert not description("plain/generator_model_003.h5")["averaged"]
    assert "--ema" in refused(name, capsys, "--data", DIGITS, "--out", "new", "--ema", "1.5")


def test_statistics_of_averaged_weights_are_those_of_their_own_images(trial):
    """In training mode and in inference G then draws alike, as it would not with the old ones."""
    points = importlib.import_module("cgan_mnist").generate_latent_points(100, 1000, (5, 5))
    differences = {}
    for out, flags in {"plain": [], "averaged": ["--ema", 0.999]}.items():
        trial("cgan_mnist", "--epochs", 1, *flags, out=out)
        model = keras.models.load_model(f"{out}/generator_model_001.h5")
        differences[out] = np.abs(model(points, training=True) - model(points)).mean()
    assert differences["averaged"] < 0.1 * differences["plain"], differences


# ---- the variants --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "SGD"])
def test_both_networks_learn_with_the_optimizer_asked_for(name):
    _, _, d_model, gan_model, *_ = prepare("colour_gan", "--optimizer", name.lower())
    assert type(d_model.optimizer).__name__ == type(gan_model.optimizer).__name__ == name
    assert d_model.optimizer is not gan_model.optimizer


def test_mlp_gan_shows_the_first_epoch_and_every_twentieth(train):  # noqa: F811
    flags = ["--data", DIGITS, "--batch-size", 8, "--steps-per-epoch", 1, "--epochs", 21]
    train("mlp_gan", *flags, "--out", "run")
    grids = sorted(name for name in os.listdir("run") if name.startswith("generated"))
    assert grids == [f"generated_plot_e{epoch:03d}.png" for epoch in (1, 20, 21)]


def test_comparison_of_optimizers(train, capsys, eagerly):  # noqa: F811
    compare = ["--data", OBJECTS, "--batch-size", 8, "--steps-per-epoch", 2, "--epochs", 1]
    compare += ["--compare-optimizers", "--out", "run"]
    train("colour_gan", *compare)
    runs = {name: losses_of(f"run/{name}") for name in ("adam", "rmsprop", "sgd")}
    for rows in runs.values():
        assert len(rows) == 2
        # the same weights, images and noise to begin with; then each its own way
        assert rows["d_real"][0] == runs["adam"]["d_real"][0]
    assert len({rows["d_real"][1] for rows in runs.values()}) == 3
    picture = matplotlib.image.imread("run/optimizers.png")
    assert all(third.std() > 0.05 for third in np.array_split(picture[..., :3], 3, axis=1))

    assert "not allowed" in refused("colour_gan", capsys, *compare, "--optimizer", "sgd")
    shutil.rmtree("run/sgd")  # as if it had been stopped there
    before = open("run/adam/losses.csv").read()
    train("colour_gan", *compare)
    assert open("run/adam/losses.csv").read() == before
    np.testing.assert_array_equal(losses_of("run/sgd"), runs["sgd"])


def test_labelled_infogan_draws_its_two_pictures(trial, capsys):
    trial("infogan_labelled", "--without-cr", "--epochs", 1)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r">Class accuracy test: [\d.]+%, fake: \d+%", lines[-1]), lines
    sheet = cells("run/generated_plot_e001.png", 28, 28)
    assert sheet.shape[:2] == (10, 10)
    model = keras.models.load_model("run/generator_model_001.h5")
    assert [p["size"] for p in description("run/generator_model_001.h5")["latent"]] == [38, 10, 2]
    for row, column in ((0, 3), (9, 7)):
        image = 1 - model.predict(grid_point("infogan_labelled", row, column), verbose=0)[0]
        np.testing.assert_allclose(sheet[row, column], np.repeat(image, 3, axis=-1), atol=0.01)
    assert matplotlib.image.imread("run/generated_plot_e001_labels.png")[..., :3].std() > 0.05


def test_unsupervised_infogan_never_reads_labels(tmp_path):
    with np.load(DIGITS) as file:
        np.savez(tmp_path / "unlabelled.npz", x_train=file["x_train"][:50])
    script = importlib.import_module("infogan_mnist")
    assert len(script.load_real_samples(tmp_path / "unlabelled.npz")) == 50
