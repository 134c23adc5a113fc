"""The exercises at the tutorials' end, as flags; and averaged weights."""

import importlib
import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from test_models import build, values
from test_runs import DIGITS, OBJECTS, refused

import generate

TRIAL = ["--batch-size", "8", "--steps-per-epoch", "1", "--snapshot-every", "1"]


def trial(name, *arguments, out="run"):
    """Train a batch or so in the current folder and return the script."""
    script = importlib.import_module(name)
    data = OBJECTS if name == "cifar10_gan" else DIGITS
    script.main([*TRIAL, "--data", str(data), "--out", out, *map(str, arguments)])
    return script


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize("name", ["mnist_gan", "cifar10_gan"])
def test_batch_norm_and_upsample_change_g_alone(name):
    _, plain, d_plain, _ = build(name)
    _, model, d_model, gan_model = build(name, batch_norm=True, upsample="nearest")
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


def test_without_the_flags_g_is_the_tutorials():
    _, plain, _, _ = build("mnist_gan")
    _, flagged, _, _ = build("mnist_gan", batch_norm=False, upsample="transpose", output="sigmoid")
    for a, b in zip(values(plain.weights), values(flagged.weights), strict=True):
        np.testing.assert_array_equal(a, b)


def test_tanh_comes_with_pixels_from_minus_1_to_1(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = trial("mnist_gan", "--output", "tanh", "--epochs", 1)
    real, _ = script.generate_real_samples(script.load_real_samples(DIGITS), 100, (1, 1))
    assert (float(np.min(real)), float(np.max(real))) == (-1, 1)
    with h5py.File("run/generator_model_001.h5") as file:
        assert json.loads(file.attrs["gan"])["pixel_range"] == [-1, 1]
    model = keras.models.load_model("run/generator_model_001.h5")
    assert model.layers[-1].activation is keras.activations.tanh
    generate.main(["run/generator_model_001.h5", "--npz", "images.npz"])
    with np.load("images.npz") as file:  # an untrained tanh is about 0: the middle
        assert abs(file["images"].mean() - 0.5) < 0.1

    script = trial("mnist_gan", "--epochs", 1, out="plain")  # and not for ever
    assert script.PIXEL_RANGE == (0, 1)


@pytest.mark.parametrize("name", ["mnist_gan", "cifar10_gan"])
def test_a_run_with_all_exercises_can_be_resumed_and_sampled(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--batch-norm", "--upsample", "nearest", "--label-smoothing", 0.9]
    script = trial(name, *flags, "--latent-dim", 20, "--epochs", 1)
    error = refused(script, capsys, "--resume", "--out", "run", "--label-smoothing", 0.8)
    assert "--label-smoothing 0.9" in error
    script.main(["--resume", "--out", "run", "--epochs", "2"])
    assert "UpSampling2D" in kinds(keras.models.load_model("run/generator_model_002.h5"))
    generate.main(["run/generator_model_002.h5", "--npz", "images.npz"])
    with np.load("images.npz") as file:
        assert file["images"].shape == (25, *script.IMAGE_SHAPE) and file["images"].std() > 0


@pytest.mark.parametrize("name", ["mnist_gan", "cgan_mnist", "infogan_mnist"])
def test_ema_snapshots_hold_the_average_of_the_weights(name, tmp_path, monkeypatch, capsys):
    """A batch an epoch, so that the plain snapshots show every state that was averaged."""
    monkeypatch.chdir(tmp_path)
    script = trial(name, "--ema", 0.6, "--epochs", 2)
    script.main(["--resume", "--out", "run", "--epochs", "3"])  # the averages go on, too

    def weights(path):
        return keras.models.load_model(path).get_weights()

    states = [weights(f"run/generator_model_{k:03d}.h5") for k in (1, 2, 3)]
    averaged = weights("run/ema/generator_model_003.h5")
    model = keras.models.load_model("run/generator_model_003.h5")
    learned = [weight.trainable for weight in model.weights]
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(states[2], averaged, strict=True))
    for first, second, third, average, by_gradient in zip(*states, averaged, learned, strict=True):
        mean = 0.6 * (0.6 * first + 0.4 * second) + 0.4 * third if by_gradient else third
        np.testing.assert_allclose(average, mean, rtol=1e-4, atol=1e-6)
    for path, averaged in (("run/ema", True), ("run", False)):
        with h5py.File(f"{path}/generator_model_003.h5") as file:
            about = json.loads(file.attrs["gan"])
        assert about["settings"].get("averaged", False) == averaged
    generate.main(["run/ema/generator_model_003.h5"])
    assert capsys.readouterr().err == ""
    assert "--ema" in refused(script, capsys, "--resume", "--out", "run", "--ema", "0.5")
    assert "--ema" in refused(script, capsys, "--data", DIGITS, "--out", "new", "--ema", "1.5")


def test_ema_changes_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trial("mnist_gan", "--epochs", 2, out="plain")
    trial("mnist_gan", "--epochs", 2, "--ema", 0.9, out="averaged")
    for file in ("losses.csv", "generated_plot_e002.png"):
        assert (tmp_path / "plain" / file).read_bytes() == (
            tmp_path / "averaged" / file
        ).read_bytes()
