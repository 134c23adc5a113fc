"""What the benchmarks compare with: the tutorials' loops train, and the work is counted rightly."""

import signal
import sys
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from helpers import learned, moved, values

pytest.importorskip("resource", reason="speed.py measures memory as Unix counts it")
sys.path.append(str(ROOT / "benchmarks"))
import common
import speed
import tutorial_loops


@pytest.mark.parametrize("name", common.SCRIPTS)
def test_tutorials_loop_trains_d_and_g(name, monkeypatch, eagerly):
    """And the composite by itself moves nothing of D but BatchNormalization's averages.

    So it does where a tutorial freezes all other layers of D.
    """
    script, given = common.build(name, "--batch-size", "8")
    d_model = given["d_model"]
    gan_model = given["gan_model"]
    averages = [weight for weight in d_model.weights if "moving_" in weight.path]
    train_on_batch = keras.Model.train_on_batch
    n_updates_of_g = 0

    def update(model, X, y):
        nonlocal n_updates_of_g
        before = values(learned(d_model))
        averages_before = values(averages)
        train_on_batch(model, X, y)
        if model is gan_model:
            n_updates_of_g += 1
            assert not any(moved(before, learned(d_model)))
            assert all(moved(averages_before, averages))

    monkeypatch.setattr(keras.Model, "train_on_batch", update)
    batch = tutorial_loops.make_loop(script, given)
    before = values(learned(gan_model))
    for _ in range(2):
        batch()
    assert all(moved(before, learned(gan_model)))
    assert n_updates_of_g == 2


@pytest.mark.parametrize("name", common.SCRIPTS)
def test_peers_in_pytorch_have_as_many_weights(name):
    """PyTorch is not in the tests' requirements; speed.py makes the same check before it times."""
    pytest.importorskip("torch")
    speed.pytorch(name, "float32", "eager")
    import pytorch_peers

    images, labels = np.zeros((8, 28, 28, 1), "u1"), np.zeros(8, "i4")
    with pytest.raises(AssertionError, match="not the script's 7"):
        pytorch_peers.make_peer(name, images, labels, 8, n_weights=7)


def test_batches_are_trained_as_the_script_does(tmp_path, monkeypatch):
    """In calls of 20, by the loop that `train` compiles over its own batch.

    No file is left, and Ctrl-C does what it did.
    """
    script = common.load("mlp_gan")
    handler = signal.getsignal(signal.SIGINT)
    called = []

    def compile_batches(train_batch):
        def train_batches(step, n):
            called.append((step, n))
            return tf.repeat(train_batch(step)[None], 20, axis=0)

        return train_batches

    monkeypatch.setattr(script, "BATCHES_PER_CALL", 20)
    monkeypatch.setattr(script, "compile_batches", compile_batches)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    common.make_run("mlp_gan", "--batch-size", "2")(45)
    assert called == [(0, 20), (20, 20), (40, 5)]
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is handler


OLD_SCRIPT = """
import argparse
import numpy as np
import tensorflow as tf

IMAGE_SHAPE = (28, 28, 1)
called = []


def make_train_step(g_model, d_model, gan_model, dataset, settings):
    def train_step(step, n):
        called.append((step, n))
        return tf.repeat(dataset[0][None, :settings.batch_size], n, axis=0)

    assert [g_model, d_model, gan_model] == ["G", "D", "G and D"]
    assert all(tf.is_tensor(array) for array in dataset)
    return train_step


def train(g_model, d_model, gan_model, dataset, settings):
    raise AssertionError("a run has been started")


def main(argv):
    while train("G", "D", "G and D", [np.zeros(9), np.ones(9)], argparse.Namespace(batch_size=8)):
        pass
"""


@pytest.mark.parametrize("size, calls", [(20, [(0, 20), (20, 20), (40, 5)]), (None, [(0, 45)])])
def test_batches_of_an_older_checkout(tmp_path, monkeypatch, size, calls):
    """One with a `settings` object, and perhaps without BATCHES_PER_CALL: all are one call then."""
    name = f"old_gan_{size}"
    (tmp_path / f"{name}.py").write_text(OLD_SCRIPT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    old = common.load(name, tmp_path)
    if size is not None:
        old.BATCHES_PER_CALL = size
    common.make_run(name, root=tmp_path)(45)
    assert old.called == calls


def test_two_checkouts_are_compared(tmp_path, capfd):
    """The other one here is this one, with its script where older checkouts have it."""
    (tmp_path / "mlp_gan.py").symlink_to(common.find("mlp_gan"))
    speed.main(["--against", str(tmp_path), "--scripts", "mlp_gan", "--rounds", "1"])
    first, old, new = capfd.readouterr().out.splitlines()
    assert first.startswith("mlp_gan: new/old ") and float(first.split()[2]) > 0
    assert old.startswith("  old: ") and new.startswith("  new: ")


def test_work_of_a_batch_is_counted_rightly():
    # mnist_gan: multiplications and additions of each layer's products, for one image
    g_dense = 2 * 100 * 6272
    g = g_dense + 2 * (7 * 7 + 14 * 14) * 4 * 4 * 128 * 128 + 2 * 28 * 28 * 7 * 7 * 128
    d_first = 2 * 14 * 14 * 3 * 3 * 64
    d = d_first + 2 * 7 * 7 * 3 * 3 * 64 * 64 + 2 * 3136
    forwards = 128 * g + 256 * d + 256 * (g + d)
    of_weights, of_inputs = 256 * (d + g), 256 * (d - d_first) + 256 * (d + g - g_dense)
    flop = speed.batch_flop(*common.build("mnist_gan"))
    assert np.isclose(flop, forwards + of_weights + of_inputs)
