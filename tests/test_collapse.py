"""What sets off the alarm that D has won, what a run does then, and that healthy runs do not."""

import importlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import DIGITS, PATHS, ROOT, losses_of

RUN = ["--data", str(DIGITS), "--batch-size", "16", "--steps-per-epoch"]


@pytest.fixture
def cgan(tmp_path, monkeypatch):
    """Return cgan_mnist as a module, with a shorter stretch, in an empty folder."""
    script = importlib.import_module("cgan_mnist")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "XLA", False)  # it takes longer to compile than to train
    monkeypatch.setattr(script, "STRETCH", 100)
    return script


def let_d_win(script, monkeypatch):
    """Keep G from learning, so that D soon tells all images."""
    define_gan = script.define_gan

    def still(*arguments):
        gan_model = define_gan(*arguments)
        gan_model.optimizer.learning_rate = 0.0
        return gan_model

    monkeypatch.setattr(script, "define_gan", still)


def batches_of(out):
    rows = losses_of(out)
    return list(zip(rows["epoch"], rows["batch"], strict=True))


def new_run(script):
    """Return a run that stops where D has won."""
    settings = types.SimpleNamespace(out="run", seed=1, on_collapse="stop")
    return script.Run(settings)


def alarms(run, losses):
    """Return whether the run ends at these losses."""
    try:
        run.warn_or_stop(0, losses)
    except SystemExit as end:
        assert end.code == 3
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
    run = new_run(script)
    for start in range(0, len(losses), 20):
        assert not alarms(run, losses[start : start + 20]), start


@pytest.mark.parametrize("name, least", [("mnist_gan", 0.0), ("mlp_gan", 0.1625)])
def test_d_has_won_where_its_losses_stay_near_their_least(name, least):
    """Over the whole stretch. With the target 0.9 the least is half the entropy of 0.9."""
    script = importlib.import_module(name)
    for above, wins in ((0.01, True), (0.1, False)):
        losses = np.full((script.STRETCH, len(script.LOSSES)), least + above)
        assert not alarms(new_run(script), losses[1:])
        assert alarms(new_run(script), losses) == wins


def test_d_winning_is_warned_of_once(cgan, monkeypatch, capsys):
    """The losses are given here; below D wins."""
    losses = tf.constant([[0.01, 1.0, 9.0]] * cgan.BATCHES_PER_CALL)
    monkeypatch.setattr(cgan, "compile_batches", lambda train_batch: lambda step, n: losses)
    cgan.main([*RUN, "60", "--epochs", "5", "--out", "run"])
    (warning,) = capsys.readouterr().err.strip().splitlines()
    assert warning.startswith("epoch 2: ") and "D has won" in warning and "--seed" in warning
    assert batches_of("run") == [(e, b) for e in range(1, 6) for b in range(1, 61)]
    keras.models.load_model("run/generator_model_005.h5")  # a warning leaves the run as it is


def test_stop_ends_with_status_3_and_keeps_the_snapshots(cgan, monkeypatch, capsys):
    let_d_win(cgan, monkeypatch)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "60", "--epochs", "9", "--out", "run", "--on-collapse", "stop"])
    assert caught.value.code == 3
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "D has won" in line and "run" in line
    assert 2 <= batches_of("run")[-1][0] < 9
    keras.models.load_model("run/generator_model_001.h5")


def test_a_loss_that_is_no_number_stops_the_run(cgan, monkeypatch, capsys):
    """D's learning rate becomes infinite in the second epoch; the first epoch's files stay."""
    define_discriminator = cgan.define_discriminator

    class Exploding(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return tf.where(step < 2 * 13, 0.0002, np.inf)

    def exploding(**options):
        model = define_discriminator(**options)
        optimizer = keras.optimizers.Adam(learning_rate=Exploding(), beta_1=0.5)
        model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return model

    monkeypatch.setattr(cgan, "define_discriminator", exploding)
    with pytest.raises(SystemExit) as caught:
        cgan.main([*RUN, "10", "--epochs", "3", "--out", "run"])
    assert caught.value.code == 3
    assert "epoch 2: a loss is no longer finite" in capsys.readouterr().err
    good = keras.models.load_model("run/generator_model_001.h5")
    assert all(np.isfinite(weight).all() for weight in good.get_weights())
    saved = tf.train.load_checkpoint(tf.train.latest_checkpoint("run/checkpoint"))
    for name in saved.get_variable_to_shape_map():
        if name.startswith("state") and saved.get_tensor(name).dtype == np.float32:
            assert np.isfinite(saved.get_tensor(name)).all(), name
