"""The collapse alarm: what sets it off, what it does then, and that healthy runs do not."""

import importlib
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT

DIGITS = str(ROOT / "samples/digits.npz")
RUN = ["--data", DIGITS, "--batch-size", "16", "--steps-per-epoch", "60", "--snapshot-every", "1"]
HEALTHY = sorted((ROOT / "docs/losses").glob("*.csv"))


@pytest.fixture
def cgan(tmp_path, monkeypatch):
    script = importlib.import_module("cgan_mnist")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "STRETCH", 100)
    return script


def still(model):
    """Keep a model's optimizer from moving anything."""
    model.optimizer.learning_rate = 0.0
    return model


def let_d_win(script, monkeypatch):
    """G never learns, so that D soon tells all images."""
    define_gan = script.define_gan
    monkeypatch.setattr(script, "define_gan", lambda *models: still(define_gan(*models)))


def losses_of(out):
    return np.genfromtxt(f"{out}/losses.csv", delimiter=",", names=True)


def batches_of(out):
    rows = losses_of(out)
    return list(zip(rows["epoch"], rows["batch"], strict=True))


# ---- what sets it off ----------------------------------------------------------------------------


def test_d_winning_is_warned_of_once(cgan, monkeypatch, capsys):
    let_d_win(cgan, monkeypatch)
    cgan.main([*RUN, "--epochs", "5", "--out", "run"])
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("cgan_mnist.py: warning: epoch ") and "D's loss was 0.0" in warning
    assert "try" in warning and "--seed" in warning
    assert losses_of("run")["d"][-60:].mean() < 0.03
    assert batches_of("run") == [(e, b) for e in range(1, 6) for b in range(1, 61)]
    keras.models.load_model("run/generator_model_005.h5")  # a warning leaves the run as it is


def test_images_that_no_longer_differ_are_warned_of(cgan, monkeypatch, capsys):
    define_generator = cgan.define_generator

    def one_image(latent_dim):
        model = define_generator(latent_dim)
        kernel = next(w for w in reversed(model.trainable_weights) if w.path.endswith("kernel"))
        kernel.assign(tf.zeros_like(kernel))
        return model

    monkeypatch.setattr(cgan, "define_generator", one_image)
    let_d_win(cgan, monkeypatch)
    define_discriminator = cgan.define_discriminator
    monkeypatch.setattr(cgan, "define_discriminator", lambda: still(define_discriminator()))
    cgan.main([*RUN, "--epochs", "3", "--out", "run"])
    (warning,) = capsys.readouterr().err.splitlines()
    assert "have a twin that differs by 0.0%" in warning


def test_a_loss_that_is_no_number_stops_the_run(cgan, monkeypatch, capsys):
    """D's learning rate becomes infinite in the second epoch; the first epoch's files stay."""
    define_discriminator = cgan.define_discriminator

    def exploding():
        model = define_discriminator()
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([2 * 70], [0.0002, float("inf")])
        optimizer = keras.optimizers.Adam(learning_rate=rate, beta_1=0.5)
        model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return model

    monkeypatch.setattr(cgan, "define_discriminator", exploding)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "--epochs", "3", "--out", "run"])
    (error,) = capsys.readouterr().err.splitlines()
    assert caught.value.code == 1 and "epoch 2: a loss is no longer a finite number" in error
    good = keras.models.load_model("run/generator_model_001.h5")
    assert all(np.isfinite(weight).all() for weight in good.get_weights())
    saved = tf.train.load_checkpoint(tf.train.latest_checkpoint("run/checkpoint"))
    for name in saved.get_variable_to_shape_map():
        if name.startswith("state") and saved.get_tensor(name).dtype == np.float32:
            assert np.isfinite(saved.get_tensor(name)).all(), name


def test_repeated_images_are_found_and_others_are_not(monkeypatch):
    """Real digits are all different; a G that has only ten images draws each of them again."""
    script = importlib.import_module("mnist_gan")
    with np.load(DIGITS) as file:
        digits = file["x_train"][:100, ..., None] / np.float32(255)
    noise = np.random.default_rng(1).normal(0, 0.01, digits.shape)
    recent = np.full((script.STRETCH, 2), 0.7)
    settings = type("Settings", (), {})
    for images, found in ((digits, False), (np.repeat(digits[:10], 10, axis=0) + noise, True)):
        grid = tf.constant(images, tf.float32)
        monkeypatch.setattr(script, "generate_grid", lambda *_, grid=grid: (grid, None))
        assert bool(script.find_trouble(recent, None, settings)) == found


@pytest.mark.parametrize("path", HEALTHY, ids=[path.stem for path in HEALTHY])
def test_the_losses_of_healthy_runs_raise_no_alarm(path, monkeypatch):
    """At every 20th batch of the runs that the documentation shows."""
    script = importlib.import_module(path.stem)
    rng = np.random.default_rng(1)
    grid = tf.constant(rng.random((100, *script.IMAGE_SHAPE)))
    n_images = 49 if path.stem == "cifar10_gan" else 100
    monkeypatch.setattr(script, "generate_grid", lambda *_: (grid[:n_images], None))
    options = {flag[2:].replace("-", "_"): o.get("default") for flag, o in script.FLAGS.items()}
    settings = type("Settings", (), options)
    rows = np.genfromtxt(path, delimiter=",", names=True)
    losses = np.stack([rows[name] for name in script.LOSSES], axis=1)
    assert len(losses) > 1000
    assert script.STRETCH < 1000
    for end in range(script.STRETCH, len(losses) + 1, 20):
        recent = losses[end - script.STRETCH : end]
        assert script.find_trouble(recent, None, settings) is None, end


@pytest.mark.parametrize("smoothing", [1.0, 0.9])
def test_smoothed_labels_do_not_hide_that_d_wins(smoothing, monkeypatch):
    script = importlib.import_module("mnist_gan")
    images = np.random.default_rng(1).random((100, 28, 28, 1))
    monkeypatch.setattr(script, "generate_grid", lambda *_: (tf.constant(images), None))
    settings = type("Settings", (), {"label_smoothing": smoothing})
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) if smoothing < 1 else 0
    for above, wins in ((0.01, True), (0.1, False)):
        recent = np.full((script.STRETCH, 2), entropy / 2 + above)
        trouble = script.find_trouble(recent, None, settings)
        assert bool(trouble) == wins, trouble


# ---- what it does --------------------------------------------------------------------------------


def test_stop_keeps_the_last_healthy_state(cgan, monkeypatch, capsys):
    let_d_win(cgan, monkeypatch)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "--epochs", "9", "--out", "run", "--on-collapse", "stop"])
    (error,) = capsys.readouterr().err.splitlines()
    assert caught.value.code == 1 and "D's loss" in error and "stopped" in error
    stopped = int(batches_of("run")[-1][0])
    assert 2 <= stopped < 9
    saved = tf.train.latest_checkpoint("run/checkpoint")
    assert tf.train.load_variable(saved, "step/.ATTRIBUTES/VARIABLE_VALUE") == 60 * (stopped - 1)
    keras.models.load_model(f"run/generator_model_{stopped - 1:03d}.h5")


def force(script, monkeypatch, times):
    """Raise the alarm in epoch 2, so many times."""
    calls = []

    def find_trouble(recent, g_model, settings):
        calls.append(len(recent))
        if len(calls) >= 2 and len(calls) < 2 + times:
            return "forced"
        return None

    monkeypatch.setattr(script, "find_trouble", find_trouble)


def test_restart_goes_back_with_fresh_random_numbers(cgan, monkeypatch, capsys):
    cgan.main([*RUN, "--epochs", "3", "--out", "plain"])
    force(cgan, monkeypatch, times=1)
    cgan.main([*RUN, "--epochs", "3", "--out", "run", "--on-collapse", "restart"])
    (warning,) = capsys.readouterr().err.splitlines()
    assert "epoch 2: forced; going back to batch 60" in warning
    assert batches_of("run") == batches_of("plain")  # each batch once
    plain, run = losses_of("plain")["d"], losses_of("run")["d"]
    np.testing.assert_array_equal(run[:60], plain[:60])
    assert (np.abs(run[60:] - plain[60:]) > 1e-4).mean() > 0.9

    # a run that was stopped afterwards goes on with the numbers it had
    cgan.main(["--resume", "--epochs", "4", "--out", "run"])
    saved = tf.train.latest_checkpoint("run/checkpoint")
    assert tf.train.load_variable(saved, "offset/.ATTRIBUTES/VARIABLE_VALUE") == cgan.RESTART


def test_restarts_end(cgan, monkeypatch, capsys):
    force(cgan, monkeypatch, times=99)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "--epochs", "3", "--out", "run", "--on-collapse", "restart"])
    assert caught.value.code == 1
    *warnings, error = capsys.readouterr().err.splitlines()
    assert len(warnings) == 3 and all("going back to batch 60" in line for line in warnings)
    assert "stopped" in error
    keras.models.load_model("run/generator_model_001.h5")
    assert json.loads(open("run/settings.json").read())["on_collapse"] == "restart"
