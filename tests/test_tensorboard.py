"""tools/tensorboard.py: what TensorBoard reads of a run, and what is refused."""

import importlib.util
import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# by its path: the package tensorboard has its name
spec = importlib.util.spec_from_file_location("runs", ROOT / "tools/tensorboard.py")
tensorboard_of_runs = importlib.util.module_from_spec(spec)
with pytest.MonkeyPatch.context() as patch:
    patch.setattr("sys.path", [*sys.path])  # it puts the repository first
    spec.loader.exec_module(tensorboard_of_runs)

SCORES = """file,epoch,frechet,agreement
generator_model_002.h5,2,3.5,
a_stranger.h5,,7.5,
generator_model_004.h5,4,2.5,0.5
"""


@pytest.fixture
def run(tmp_path):
    """Return the folder of a run that is being trained: the last line of its losses is torn."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "losses.csv").write_text("epoch,batch,d,g\n1,1,0.5,0.75\n1,2,0.25,1.5\n2,1,0.1")
    (run / "scores.csv").write_text(SCORES)
    grid = np.full((9, 8, 1), 100.0)
    for epoch in (2, 3):
        keras.utils.save_img(run / f"generated_plot_e{epoch:03d}.png", grid, scale=False)
    os.utime(run / "generated_plot_e002.png", (0, 0))
    future = 2**32  # seconds since 1970: still being written, however slow this test is
    os.utime(run / "generated_plot_e003.png", (future, future))
    return run


def events_of(run):
    """Return what TensorBoard reads of a run: {tag: [(step, value), ...]}."""
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        pairs = [(event.step, tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        found[tag] = pairs
    return found


def test_tensorboard_reads_losses_scores_and_grids(run):
    for _ in range(2):  # the second time in the place of the first
        tensorboard_of_runs.main([str(run)])
    events = events_of(run)
    assert sorted(events) == [
        "grid",
        "losses/d",
        "losses/g",
        "scores/agreement",
        "scores/frechet",
    ]
    assert events["losses/d"] == [(1, 0.5), (2, 0.25)]
    assert events["losses/g"] == [(1, 0.75), (2, 1.5)]
    assert events["scores/frechet"] == [(2, 3.5), (4, 2.5)]  # none of the file without an epoch
    assert events["scores/agreement"] == [(4, 0.5)]
    ((step, value),) = events["grid"]
    picture = tf.io.decode_png(value[2])
    assert step == 2 and picture.shape == (9, 8, 3) and int(picture[0, 0, 0]) == 100


def test_follow_adds_what_the_run_writes_meanwhile(run, monkeypatch):
    class EndError(Exception):
        pass

    pauses = []

    def go_on(seconds):
        """Stand in for time.sleep: let the run write on, the second time end the program."""
        pauses.append(seconds)
        if len(pauses) == 2:
            raise EndError
        with open(run / "losses.csv", "a") as file:
            file.write("25,0.875\n")
        os.utime(run / "generated_plot_e003.png", (0, 0))

    monkeypatch.setattr(tensorboard_of_runs.time, "sleep", go_on)
    with pytest.raises(EndError):
        tensorboard_of_runs.main([str(run), "--follow"])
    events = events_of(run)
    assert events["losses/d"] == [(1, 0.5), (2, 0.25), (3, 0.125)]
    assert events["losses/g"] == [(1, 0.75), (2, 1.5), (3, 0.875)]
    assert [step for step, _ in events["grid"]] == [2, 3]


@pytest.mark.parametrize("arguments,reason", [(["."], "no losses.csv"), (["--watch"], "RUN")])
def test_mistakes_get_one_line(arguments, reason, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        tensorboard_of_runs.main(arguments)
    error = capsys.readouterr().err
    assert end.value.code == 2 and reason in error and error.count("\n") == 1
    assert not any(tmp_path.iterdir())
