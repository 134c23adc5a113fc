"""What the benchmarks compare with: the tutorials' loops train, and the work is counted rightly."""

import subprocess
import sys

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
def test_tutorials_loop_trains_d_and_g(name):
    """On Keras 3 the loops as published leave D as it was, in less time."""
    script, g_model, d_model, gan_model, *rest = common.build(name, "--batch-size", "8")
    batch = tutorial_loops.make_loop(script, g_model, d_model, gan_model, *rest)
    before = values(learned(gan_model))
    for _ in range(2):
        batch()
    assert all(moved(before, learned(gan_model)))


@pytest.mark.parametrize("name", common.SCRIPTS)
def test_peers_in_pytorch_have_as_many_weights(name):
    """PyTorch is not in the tests' requirements; speed.py makes the same check before it times."""
    pytest.importorskip("torch")
    speed.pytorch(name, "float32", "eager")
    import pytorch_peers

    images, labels = np.zeros((8, 28, 28, 1), "u1"), np.zeros(8, "i4")
    with pytest.raises(AssertionError, match="not the script's 7"):
        pytorch_peers.make_peer(name, images, labels, 8, n_weights=7)


@pytest.mark.parametrize("size, calls", [(20, [(0, 20), (20, 20), (40, 5)]), (None, [(0, 45)])])
def test_batches_are_trained_as_the_script_does(monkeypatch, size, calls):
    """20 a call; in a checkout without BATCHES_PER_CALL all of them in one."""
    script, given = common.load("mlp_gan"), []
    monkeypatch.setattr(script, "BATCHES_PER_CALL", size)
    if size is None:
        monkeypatch.delattr(script, "BATCHES_PER_CALL")

    def train_step(step, n):
        given.append((step, n))
        return tf.zeros(n)

    monkeypatch.setattr(script, "make_train_step", lambda *_: train_step)
    common.make_run("mlp_gan")(45)
    assert given == calls


def test_two_checkouts_are_compared(tmp_path):
    """The other one here is this one, with its script where older checkouts have it."""
    (tmp_path / "mlp_gan.py").symlink_to(common.find("mlp_gan"))
    command = [sys.executable, speed.__file__, "--against", tmp_path]
    command += ["--scripts", "mlp_gan", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, old, new = done.stdout.splitlines()
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
