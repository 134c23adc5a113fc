"""--on-collapse: what sets it off, what it does then, and that healthy runs do not."""

import argparse
import importlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import DIGITS, PATHS, ROOT, losses_of

RUN = ["--data", str(DIGITS), "--batch-size", "16", "--steps-per-epoch", "60"]


@pytest.fixture
def cgan(tmp_path, monkeypatch):
    """Return cgan_mnist as a module, with a shorter stretch, in an empty folder."""
    script = importlib.import_module("cgan_mnist")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "XLA", False)  # it takes longer to compile than to train
    monkeypatch.setattr(script, "STRETCH", 100)
    return script


def let_d_win(script, monkeypatch, in_runs):
    """Keep G from learning in the first runs, so that D soon tells all images."""
    define_gan, calls = script.define_gan, []

    def still(*arguments):
        calls.append(1)
        gan_model = define_gan(*arguments)
        if len(calls) <= in_runs:
            gan_model.optimizer.learning_rate = 0.0
        return gan_model

    monkeypatch.setattr(script, "define_gan", still)


def batches_of(out):
    rows = losses_of(out)
    return list(zip(rows["epoch"], rows["batch"], strict=True))


def check(script, losses, target=1.0, mode="stop"):
    """Return whether the script finds that the last batches' losses have failed."""
    settings = argparse.Namespace(real_target=target, on_collapse=mode, out="run")
    try:
        script.collapsed(list(losses), 1, settings)
    except SystemExit:
        return True
    return False


@pytest.mark.parametrize("name", PATHS)
def test_the_losses_of_healthy_runs_raise_no_alarm(name):
    """At every 20th batch of the run that the documentation shows."""
    script = importlib.import_module(name)
    path = ROOT / f"docs/results/losses/{name}.csv.gz"
    rows = np.genfromtxt(path, delimiter=",", names=True)
    losses = np.stack([rows[name] for name in script.LOSSES], axis=1)
    assert len(losses) > 1000 > script.STRETCH
    target = 0.9 if name == "mlp_gan" else 1.0
    for end in range(script.STRETCH, len(losses) + 1, 20):
        assert not check(script, losses[end - script.STRETCH : end], target), end


@pytest.mark.parametrize("target", [1.0, 0.9])
def test_a_smoothed_target_does_not_hide_that_d_wins(target):
    script = importlib.import_module("mnist_gan")
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) if target < 1 else 0
    for above, wins in ((0.01, True), (0.1, False)):
        losses = np.full((script.STRETCH, 2), entropy / 2 + above)
        assert check(script, losses, target) == wins
        assert not check(script, losses[1:], target)  # only over the whole stretch


def test_d_winning_is_warned_of_once(cgan, monkeypatch, capsys):
    let_d_win(cgan, monkeypatch, in_runs=1)
    cgan.main([*RUN, "--epochs", "5", "--out", "run"])
    (warning,) = capsys.readouterr().err.strip().splitlines()
    assert warning.startswith("epoch ") and "D has won" in warning and "--seed" in warning
    assert losses_of("run")["d"][-60:].mean() < 0.03
    assert batches_of("run") == [(e, b) for e in range(1, 6) for b in range(1, 61)]
    keras.models.load_model("run/generator_model_005.h5")  # a warning leaves the run as it is


def test_stop_ends_with_status_1_and_keeps_the_snapshots(cgan, monkeypatch, capsys):
    let_d_win(cgan, monkeypatch, in_runs=1)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "--epochs", "9", "--out", "run", "--on-collapse", "stop"])
    assert "stopped" in caught.value.code  # a text: it goes to stderr, with status 1
    assert "D has won" in capsys.readouterr().err
    assert 2 <= batches_of("run")[-1][0] < 9
    keras.models.load_model("run/generator_model_001.h5")


def test_a_loss_that_is_no_number_stops_the_run(cgan, monkeypatch, capsys):
    """D's learning rate becomes infinite in the second epoch; the first epoch's files stay."""
    define_discriminator = cgan.define_discriminator

    class Exploding(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return tf.where(step < 2 * 70, 0.0002, np.inf)

    def exploding(**options):
        model = define_discriminator(**options)
        optimizer = keras.optimizers.Adam(learning_rate=Exploding(), beta_1=0.5)
        model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return model

    monkeypatch.setattr(cgan, "define_discriminator", exploding)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "--epochs", "3", "--out", "run"])
    assert "stopped" in caught.value.code
    assert "epoch 2: a loss is no longer finite" in capsys.readouterr().err
    good = keras.models.load_model("run/generator_model_001.h5")
    assert all(np.isfinite(weight).all() for weight in good.get_weights())
    saved = tf.train.load_checkpoint(tf.train.latest_checkpoint("run/checkpoint"))
    for name in saved.get_variable_to_shape_map():
        if name.startswith("state") and saved.get_tensor(name).dtype == np.float32:
            assert np.isfinite(saved.get_tensor(name)).all(), name


def test_restart_is_the_run_that_the_next_seed_gives(cgan, monkeypatch, capsys):
    monkeypatch.setattr(cgan, "STRETCH", 30)
    cgan.main([*RUN, "--epochs", "3", "--out", "plain", "--seed", "2"])
    let_d_win(cgan, monkeypatch, in_runs=1)
    cgan.main([*RUN, "--epochs", "3", "--out", "run", "--on-collapse", "restart"])
    warning = capsys.readouterr().err.strip()
    assert "D has won" in warning and "try another --seed: restart" in warning
    for file in ("losses.csv", "generated_plot_e001.png", "generated_plot_e003.png"):
        assert open(f"run/{file}", "rb").read() == open(f"plain/{file}", "rb").read(), file
    with (
        h5py.File("run/generator_model_003.h5") as a,
        h5py.File("plain/generator_model_003.h5") as b,
    ):
        assert a.attrs["gan"] == b.attrs["gan"]
    # the failed run is kept whole, and what goes on is the second one
    assert len(batches_of("run/failed_seed_1")) >= 100
    keras.models.load_model("run/failed_seed_1/generator_model_001.h5")
    cgan.main(["--resume", "--epochs", "4", "--out", "run"])
    assert len(batches_of("run")) == 240


def test_restarts_end(cgan, monkeypatch, capsys):
    let_d_win(cgan, monkeypatch, in_runs=9)
    monkeypatch.setattr(cgan, "STRETCH", 50)
    monkeypatch.setattr(keras.losses, "binary_crossentropy", lambda *_: tf.constant([9.0]))
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "--epochs", "9", "--out", "run", "--on-collapse", "restart"])
    assert "stopped" in caught.value.code
    assert len(capsys.readouterr().err.strip().split("\n\n")) == 4
