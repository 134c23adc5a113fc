"""evaluate.py: the files it is given, where it writes, and what it refuses in one line.

The judge knows nothing here: it was never trained, and lies in the cache as one that was.
"""

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers import DIGITS, ROOT, refused, without_start
from keras import layers

import evaluate
import generate
from evaluation import data, judge
from sampling.files import read_description

SMALL = ["--data", str(DIGITS), "--samples", "100"]
PARTS = [
    {"name": "noise", "size": 2, "distribution": "normal"},
    {"name": "category", "size": 10, "distribution": "one-hot"},
    {"name": "codes", "size": 1, "distribution": "uniform"},
]
ABOUT = {
    "format": 1,
    "kind": "infogan",
    "latent": PARTS,
    "classes": 10,
    "class_names": [],
    "pixel_range": [-1, 1],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder for KERAS_HOME with a judge of the digits that was never trained."""
    home = tmp_path_factory.mktemp("keras")
    digits = data.load_real_images(DIGITS, (28, 28, 1))
    keras.utils.set_random_seed(1)
    network = judge.define_judge((28, 28, 1), 10, mirror=False)
    (home / "judges").mkdir()
    name = judge.judge_name(digits)
    network.save(home / f"judges/{name}.keras")
    (home / f"judges/{name}.txt").write_text("0.125")
    return home


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(home))


def save_generator(path, **about):
    """Write a generator of 13 numbers whose category k draws a bar in row 2 k + 2.

    The file describes itself by `about`, or not at all without it.
    """
    weights = np.zeros((13, 28, 28), np.float32)
    weights[:2] = np.random.default_rng(1).normal(0, 0.1, (2, 28, 28))
    for k in range(10):
        weights[2 + k, 2 * k + 2, 4:24] = 9
    model = keras.Sequential([keras.Input((13,)), layers.Dense(784, activation="tanh")])
    model.add(layers.Reshape((28, 28, 1)))
    model.layers[0].set_weights([weights.reshape(13, 784), np.full(784, -2)])
    Path(path).parent.mkdir(exist_ok=True)
    model.save(path)
    if about:
        with h5py.File(path, "a") as file:
            file.attrs["gan"] = json.dumps(about)


def score(capsys, *command):
    """Run evaluate.py; return the rows of scores.csv in `out`, what it prints, and its warnings."""
    capsys.readouterr()
    evaluate.main([*map(str, command), *SMALL, "--out", "out"])
    printed, warned = capsys.readouterr()
    with open("out/scores.csv", newline="") as file:
        return list(csv.DictReader(file)), printed, warned


# ---- epochs --------------------------------------------------------------------------------------


def test_files_with_and_without_an_epoch(capsys):
    save_generator("generator_a.h5", **ABOUT, epoch=3)
    save_generator("generator_b.h5", **ABOUT)
    rows, _, _ = score(capsys, "generator_b.h5", "generator_a.h5")
    assert [(row["file"], row["epoch"]) for row in rows] == [
        ("generator_a.h5", "3"),
        ("generator_b.h5", ""),
    ]
    assert rows[0]["frechet"] == rows[1]["frechet"] != ""
    best = json.loads(Path("out/best.json").read_text())
    assert best["epoch"] == best["scores"]["epoch"]
    assert best["epoch"] == {"generator_a.h5": 3, "generator_b.h5": None}[best["file"]]


def test_snapshots_of_a_run_go_by_epoch(capsys):
    for epoch in (1010, 505):
        save_generator(f"run/generator_model_{epoch}.h5", **ABOUT)
    paths = evaluate.find_files([Path("run"), Path("run/generator_model_505.h5")])
    assert [path.name for path in paths] == ["generator_model_505.h5", "generator_model_1010.h5"]
    rows, printed, _ = score(capsys, "run")
    assert [row["epoch"] for row in rows] == ["505", "1010"]
    assert printed.splitlines()[-1].startswith("python generate.py run/generator_model_")


# ---- files that do not describe themselves -------------------------------------------------------


def test_a_strangers_infogan_is_scored_as_the_flags_say(capsys):
    save_generator("stranger.h5")
    save_generator("own.h5", **ABOUT)
    flags = ["--latent", "noise:2,category:10,codes:1", "--range", "-1,1"]
    rows, printed, warned = score(capsys, "stranger.h5", "own.h5", *flags)
    own, stranger = rows
    assert warned == ""
    assert own["file"] == "own.h5" and own.pop("file") != stranger.pop("file")
    assert own == stranger and own["code1_slant"] and own["agreement"]


def test_a_strangers_run_is_sampled_as_it_was_scored(capsys):
    save_generator("run/generator_model_001.h5")
    flags = ["--latent", "noise:2,category:10,codes:1", "--range", "-1,1"]
    evaluate.main(["run", *SMALL, *flags])
    command = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert command[:3] == ["python", "generate.py", "run"]
    found = json.loads(Path("run/best.json").read_text())["map"]
    assert sorted(found) == [*range(10)]
    images = images_of(command[2:])  # in the order of the classes
    bars = images.mean(axis=(2, 3)).argmax(axis=1)
    assert bars.tolist() == [2 * found.index(k) + 2 for k in range(10)]

    # the exported file says it all itself
    evaluate.main(["run", *SMALL, *flags, "--export", "best.h5"])
    assert capsys.readouterr().out.splitlines()[-1] == "python generate.py best.h5"
    about = read_description("best.h5")
    assert (about["latent"], about["pixel_range"]) == (PARTS, [-1, 1])
    assert about["map"] == found and "frechet" in about["scores"]
    np.testing.assert_array_equal(images_of(["best.h5"]), images)
    assert capsys.readouterr().err == ""


def images_of(arguments):
    """Return the images that generate.py draws: one of each class."""
    generate.main([*arguments, "--seeds", "1", "--out", "a.png", "--npz", "a.npz"])
    with np.load("a.npz") as arrays:
        return arrays["images"]


def test_a_strangers_range_is_said_once_and_its_noise_is_all_there_is(capsys):
    save_generator("stranger.h5")
    rows, printed, warned = score(capsys, "stranger.h5")
    assert warned.startswith("evaluate.py: warning: stranger.h5: ") and warned.count("\n") == 1
    assert "-1 to 1" in warned and "--range" in warned
    assert "code1_slant" not in rows[0] and "agreement" not in rows[0]
    assert printed.splitlines()[-1] == "python generate.py stranger.h5"
    rows_of_range = {}
    for flags in ((), ("--range", "-1,1"), ("--range", "-2,2")):
        [rows_of_range[flags]], _, warned = score(capsys, "stranger.h5", *flags)
        assert ("range" in warned) == (flags == ())
    assert rows_of_range[()] == rows_of_range["--range", "-1,1"] != rows_of_range["--range", "-2,2"]


def test_flags_that_do_not_fit_are_refused(capsys):
    save_generator("own.h5", **ABOUT)
    save_generator("stranger.h5")
    parts = "noise:2,category:10,codes:1"
    assert "--latent" in refused("evaluate", capsys, "own.h5", *SMALL, "--latent", parts)
    assert "--range" in refused("evaluate", capsys, "own.h5", *SMALL, "--range", "0,1")
    assert "noise:" in refused("evaluate", capsys, "stranger.h5", *SMALL, "--latent", "moise:2")
    assert "LOW,HIGH" in refused("evaluate", capsys, "stranger.h5", *SMALL, "--range", "1,0")
    with pytest.raises(SystemExit) as end:  # left out, and then there is none
        evaluate.main(["stranger.h5", *SMALL, "--latent", "noise:2"])
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 2 and "stranger.h5" in lines[0]


# ---- where it writes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", evaluate.WRITTEN)
def test_an_older_report_in_the_current_folder_stays(name, capsys, monkeypatch):
    Path(name).write_text("older")
    monkeypatch.setattr(evaluate.files, "open_generator", None)  # refused before any work
    for paths in (["a.h5", "b.h5"], ["a.h5"]):
        error = refused("evaluate", capsys, *paths, *SMALL)
        assert name in error and "--out" in error
    assert os.listdir() == [name] and Path(name).read_text() == "older"


def test_a_report_is_replaced_where_that_is_asked_for(capsys):
    save_generator("run/generator_model_001.h5", **ABOUT)
    evaluate.main(["run/generator_model_001.h5", *SMALL])  # here, where nothing is yet
    assert {path.name for path in Path().iterdir()} == {"run", *evaluate.WRITTEN}
    first = Path("report.html").read_text()
    file = "run/generator_model_001.h5"
    for command, folder, named in ((["run"], "run", "run"), ([file, "--out", "."], ".", file)):
        page = Path(folder, "report.html")
        page.write_text("older")
        evaluate.main([*command, *SMALL])
        assert page.read_text() == first.replace(f"generate.py {file}", f"generate.py {named}")


def test_what_nobody_reads_is_written_all_the_same(monkeypatch):
    """Standard output is a pipe without a reader: one line, status 1, and the whole report."""
    save_generator("run/generator_model_001.h5", **ABOUT)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # each line is refused
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, ROOT / "evaluate.py", "run", *SMALL]
    with open(writer, "w") as unread:
        done = subprocess.run(command, stdout=unread, stderr=subprocess.PIPE, text=True)
    error = without_start(done.stderr)
    assert done.returncode == 1 and error.count("\n") == 1, error
    assert error.startswith("evaluate.py: error: cannot print: ")
    assert {*evaluate.WRITTEN} < {path.name for path in Path("run").iterdir()}


def test_where_nothing_can_be_printed_all_is_written(monkeypatch, capsys):
    """Standard output is full, which shows when many letters are to be printed, or was closed."""
    save_generator("run/generator_model_001.h5", **ABOUT)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "run", *SMALL])
    capsys.readouterr()
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as end:
            evaluate.program.run("evaluate.py", evaluate.main)
    error = capsys.readouterr().err
    assert end.value.code == 1 and error.startswith("evaluate.py: error: cannot print: ")
    assert {*evaluate.WRITTEN} < {path.name for path in Path("run").iterdir()}

    Path("run/report.html").unlink()
    monkeypatch.setattr(sys, "stdout", None)  # what Python makes of >&-
    evaluate.program.run("evaluate.py", evaluate.main)
    assert Path("run/report.html").exists()


# ---- what is refused -----------------------------------------------------------------------------


def test_what_cannot_be_scored_gets_one_line(tmp_path, capsys):
    save_generator("run/generator_model_001.h5", **ABOUT)
    (tmp_path / "empty").mkdir()
    assert "no snapshot " in refused("evaluate", capsys, "empty", *SMALL)
    Path("exported").mkdir()
    Path("exported/saved_model.pb").touch()
    assert "is a SavedModel" in refused("evaluate", capsys, "exported", *SMALL)
    assert "missing.npz" in refused("evaluate", capsys, "run", "--data", "missing.npz")
    assert "empty" in refused("evaluate", capsys, "run", "--data", "empty")
    assert "--samples" in refused("evaluate", capsys, "run", "--samples", 1)
    assert "--export" in refused("evaluate", capsys, "run", "--export", "best.png")
    (tmp_path / "taken").write_text("a file")
    assert "taken" in refused("evaluate", capsys, "run", *SMALL, "--out", "taken")
    with h5py.File("run/generator_model_001.h5", "a") as file:
        file.attrs["gan"] = json.dumps(ABOUT | {"data": {"name": "digits.npz"}})
    assert "trained on digits.npz" in refused("evaluate", capsys, "run")
    (tmp_path / "text.h5").write_text("nothing")
    with pytest.raises(SystemExit):
        evaluate.main(["text.h5", *SMALL])
    error = capsys.readouterr().err.splitlines()
    assert "text.h5" in error[0] and "one size" in error[1]
    assert not (tmp_path / "scores.csv").exists()
