"""What the benchmarks compare with: the tutorials' loops train, and the work is counted rightly."""

import sys

import numpy as np
import pytest
from conftest import ROOT
from test_models import learned, moved, values

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


def test_work_of_a_batch_is_counted_rightly():
    # mnist_gan: multiplications and additions of each layer's products, for one image
    g_dense = 2 * 100 * 6272
    g = g_dense + 2 * (7 * 7 + 14 * 14) * 4 * 4 * 128 * 128 + 2 * 28 * 28 * 7 * 7 * 128
    d_first = 2 * 14 * 14 * 3 * 3 * 64
    d = d_first + 2 * 7 * 7 * 3 * 3 * 64 * 64 + 2 * 3136
    forwards = 128 * g + 256 * d + 256 * (g + d)
    of_weights, of_inputs = 256 * (d + g), 256 * (d - d_first) + 256 * (d + g - g_dense)
    assert np.isclose(speed.batch_flop("mnist_gan"), forwards + of_weights + of_inputs)
