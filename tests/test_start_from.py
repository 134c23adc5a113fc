"""--start-from: a new run that begins with the weights of another one."""

import importlib

import numpy as np
import pytest
from helpers import prepare, random_data, values


def begin(script, handed):
    """Begin the run that `prepare` hands over; return the composite, which holds G and D."""
    gan_model = handed["gan_model"]
    data = random_data(script)
    arrays = data[:2] if isinstance(data, list) else [data]
    handed["run"].begin(arrays, handed["d_model"], gan_model, 10)
    return gan_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a run of mnist_gan.py, and the weights that it has come to."""
    script, handed = prepare("mnist_gan", "--out", tmp_path_factory.mktemp("trained") / "run")
    gan_model = begin(script, handed)
    for weight in gan_model.weights:
        weight.assign_add(np.full(weight.shape, 0.5))
    run = handed["run"]
    run.step = 7
    run.save_checkpoint()
    return run.out, values(gan_model.weights)


def test_a_new_run_begins_with_the_weights_of_another(trained):
    out, weights = trained
    script, handed = prepare("mnist_gan", "--start-from", out)
    gan_model = begin(script, handed)
    for weight, expected in zip(values(gan_model.weights), weights, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert handed["run"].step == 0 and handed["run"].out != out
    assert int(gan_model.optimizer.iterations) == 0


@pytest.mark.parametrize("name, flags", [("mnist_gan", ["--latent-dim", "50"]), ("cgan_mnist", [])])
def test_other_networks_are_refused(name, flags, trained):
    script, handed = prepare(name, "--start-from", trained[0], *flags)
    with pytest.raises(script.Refusal, match="--start-from"):
        begin(script, handed)
    assert not (handed["run"].out / "losses.csv").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    script, handed = prepare("mnist_gan", "--start-from", tmp_path)
    with pytest.raises(script.Refusal, match="no checkpoint"):
        begin(script, handed)


def test_either_start_or_go_on(trained, capsys):
    script = importlib.import_module("mnist_gan")
    with pytest.raises(SystemExit) as error:
        script.main(["--resume", "--start-from", str(trained[0])])
    assert error.value.code == 2 and "leave one out" in capsys.readouterr().err
