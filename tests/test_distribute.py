"""Training on several devices and on several machines, against the same training on one device."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_runs import DIGITS, OBJECTS, SCRIPTS

TWO_DEVICES = """
import functools, importlib, json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
drawn, make = {}, functools.cache(tf.distribute.MirroredStrategy)
# two strategies in one process would mix up their messages
tf.distribute.MirroredStrategy = lambda devices: make(tuple(devices))
for distribute in ("none", "auto"):  # a strategy, once set, is for the whole process
    for name, data in json.loads(sys.argv[1]).items():
        script = importlib.import_module(name)
        script.XLA_ON_CPU = False  # XLA, which one device alone can use, draws other numbers
        script.layers.Dropout = lambda rate: script.layers.Activation("linear")
        sizes, share = [], getattr(script, "original_share", script.share)
        script.original_share = share
        script.share = lambda batch: (sizes.append(share(batch).shape[0]), share(batch))[1]
        out = f"{name}_{distribute}"
        script.main(
            ["--data", data, "--out", out, "--distribute", distribute, "--batch-size", "16"]
            + ["--epochs", "1", "--steps-per-epoch", "2", "--snapshot-every", "1"]
        )
        drawn[out] = sorted(set(sizes))
print(json.dumps(drawn))
"""
# BatchNormalization works out its variance in another way for several devices, and Adam makes the
# rounding of gradients that are nearly 0 into whole steps
ROUNDING = {"acgan_mnist": 2e-3, "infogan_mnist": 1e-2}


def losses_of(folder):
    """Return the losses of a run, (batches, losses)."""
    return np.loadtxt(folder / "losses.csv", delimiter=",", skiprows=1, ndmin=2)[:, 2:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train each script for two batches on one, then on two devices; return the folder of all."""
    folder = tmp_path_factory.mktemp("runs")
    data = {name: str(OBJECTS if name == "cifar10_gan" else DIGITS) for name in SCRIPTS}
    command = [sys.executable, "-c", TWO_DEVICES, json.dumps(data)]
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "drawn.json").write_text(done.stdout.splitlines()[-1])
    return folder


@pytest.mark.parametrize("name", SCRIPTS)
def test_two_devices_train_as_one(name, runs):
    one, two = losses_of(runs / f"{name}_none"), losses_of(runs / f"{name}_auto")
    np.testing.assert_allclose(two, one, rtol=ROUNDING.get(name, 2e-5), atol=1e-6)
    # and it is not that each of them trained the whole batch
    drawn = json.loads((runs / "drawn.json").read_text())
    alone = [n for n in drawn[f"{name}_none"] if n in (8, 16)]
    assert alone and [n // 2 for n in alone] == [n for n in drawn[f"{name}_auto"] if n in (4, 8)]


@contextlib.contextmanager
def two_workers(folder, *command):
    """Start a script as two workers, each in a folder of its own; yield the two processes."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = []
    for i in range(2):
        task = {"cluster": cluster, "task": {"type": "worker", "index": i}}
        env = dict(os.environ, TF_CONFIG=json.dumps(task))
        (folder / f"worker_{i}").mkdir(exist_ok=True)
        workers.append(
            subprocess.Popen(
                [sys.executable, *command],
                cwd=folder / f"worker_{i}",
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def test_two_workers_train_as_one_and_the_first_alone_writes(tmp_path, runs):
    command = f"{ROOT}/cgan_mnist.py --data {DIGITS} --out run --batch-size 16 --epochs 1"
    command = [*command.split(), "--steps-per-epoch", "2", "--print-batches"]
    with two_workers(tmp_path, *command) as workers:
        outs = [worker.communicate(timeout=100) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outs
    assert [err for _, err in outs] == ["", ""]
    assert outs[0][0].startswith(">1, 1/2, d=") and outs[1][0] == ""
    run = tmp_path / "worker_0/run"
    np.testing.assert_allclose(losses_of(run), losses_of(runs / "cgan_mnist_none"), rtol=2e-5)
    assert (run / "generator_model_001.h5").exists() and (run / "settings.json").exists()
    assert not list((tmp_path / "worker_1").iterdir())


def test_ctrl_c_at_one_worker_stops_both_and_resume_goes_on(tmp_path):
    command = f"{ROOT}/cgan_mnist.py --data {DIGITS} --batch-size 16 --print-batches"
    command = [*command.split(), "--out", str(tmp_path / "run"), "--epochs"]
    with two_workers(tmp_path, *command, "50") as workers:
        first, second = workers
        assert first.stdout.readline().startswith(">1, 1/")
        second.send_signal(signal.SIGINT)
        outs = [worker.communicate(timeout=100) for worker in workers]
    assert [worker.returncode for worker in workers] == [130, 130], outs
    assert "everything is saved" in outs[0][0]
    before = losses_of(tmp_path / "run")
    more = ["1", "--resume"]
    with two_workers(tmp_path, *command, *more) as workers:
        assert int(workers[0].stdout.readline().split()[1].split("/")[0]) == len(before) + 1
        workers[0].send_signal(signal.SIGINT)
        outs = [worker.communicate(timeout=100) for worker in workers]
    assert [worker.returncode for worker in workers] == [130, 130], outs
    np.testing.assert_array_equal(losses_of(tmp_path / "run")[: len(before)], before)


def test_mistakes_end_in_one_line(tmp_path):
    command = [sys.executable, f"{ROOT}/cgan_mnist.py", "--data", str(DIGITS), "--epochs", "1"]
    env = dict(os.environ, TF_CONFIG='{"cluster": ')
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("cgan_mnist.py: error: TF_CONFIG")
    assert done.stderr.count("\n") == 1
