"""evaluate.py on one's own pictures: large ones, of classes, and few.

The judge is not trained: what it sees, and how long it is trained, is tested elsewhere.
"""

import base64
import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import PIL.Image
import pytest
from helpers import ROOT, refused, without_start
from keras import layers

import evaluate
from evaluation import data, judge
from sampling.sheets import tile

ABOUT = {"format": 1, "kind": "conditional", "pixel_range": [0, 1], "classes": 3}
ABOUT |= {"latent": [{"name": "noise", "size": 4, "distribution": "normal"}]}
NAMES = ["bee", "cat", "ant"]
SIZE = 96


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(judge, "train_judge", untrained)


def untrained(real):
    """Stand in for judge.train_judge."""
    keras.utils.set_random_seed(1)
    n_classes = len(real.names) or 4
    return judge.define_judge(real.x_train.shape[1:], n_classes, mirror=False), 0.5


def save_generator(path, **about):
    """Write a generator of SIZE x SIZE images in three classes, each of a brightness of its own."""
    noise = keras.Input((4,))
    label = keras.Input((1,), dtype="int32")
    light = layers.Embedding(3, 108, name="light")
    x = layers.Add()([layers.Dense(108)(noise), layers.Flatten()(light(label))])
    x = layers.Reshape((6, 6, 3))(layers.Activation("sigmoid")(x))
    model = keras.Model([noise, label], layers.UpSampling2D(SIZE // 6)(x))
    light.set_weights([np.array([[-2], [0], [2]]).repeat(108, axis=1)])
    model.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["gan"] = json.dumps(ABOUT | {"class_names": NAMES} | about)


def save_pictures(n=120, only=("ant",)):
    """Write n wide pictures into folders of their classes: of those in `only` one each."""
    rng = np.random.default_rng(1)
    many = [name for name in NAMES if name not in only]
    for k in range(n):
        name = many[k % len(many)]
        if k < len(only):
            name = only[k]
        Path("own", name).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 12, 3), dtype=np.uint8).repeat(16, axis=0)
        PIL.Image.fromarray(pixels.repeat(16, axis=1)).save(f"own/{name}/{k:03d}.png")


def evaluated(capsys, *command):
    """Run evaluate.py; return its rows, what best.json holds, what it prints, and its warnings."""
    evaluate.main([*map(str, command), "--samples", "100", "--out", "out"])
    printed, warned = capsys.readouterr()
    with open("out/scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads(Path("out/best.json").read_text()), printed, warned


def pictures_of_page():
    """Return the pictures in the page of a single file, by name."""
    page = Path("out/report.html").read_text()
    content = json.loads(re.search(r'application/json">(.*?)</script>', page, re.S)[1])
    [details] = content["details"]
    pictures = {}
    for name in ("grid", "neighbours"):
        png = base64.b64decode(details[name].partition(",")[2])
        pictures[name] = np.asarray(PIL.Image.open(io.BytesIO(png)))
    return pictures


def test_large_pictures_one_class_with_a_single_one(capsys):
    """The class of one picture is kept, so that there is an agreement; the sheets are not small."""
    save_generator("g.h5")
    save_pictures()
    [row], best, printed, warned = evaluated(capsys, "g.h5", "--data", "own")
    said = "120 pictures, 192 pixels wide: cropped to squares, resized to 96x96\n"
    assert printed.startswith(said) and warned == ""
    assert best["class_names"] == ["ant", "bee", "cat"] and 0 <= float(row["agreement"]) <= 1
    pictures = pictures_of_page()
    cell = SIZE + 2
    assert pictures["grid"].shape == (10 * cell + 2, 3 * cell + 2, 3)
    assert pictures["neighbours"].shape == (2 * cell + 2, 10 * cell + 2, 3)
    # as drawn, pixel by pixel: dark, middle, and light from left to right
    rows = pictures["grid"][2:-2].reshape(-1, 2 + 3 * cell, 3)[:, 2:]
    levels = [rows[:, k * cell : k * cell + SIZE].mean() for k in range(3)]
    assert levels == sorted(levels) and levels[2] > levels[0] + 20
    # below: real pictures, as they are
    below = pictures["neighbours"][2 + cell : -2, 2 : 2 + SIZE]
    images = data.load_real_images("own", (SIZE, SIZE, 3)).pictures
    assert any(np.array_equal(below, image) for image in images)


def test_of_still_larger_pictures_fewer_are_shown(capsys, monkeypatch):
    save_generator("g.h5")
    save_pictures()
    for widest, rows in ((2 * SIZE, 2), (1, 1)):  # one at least
        monkeypatch.setattr("evaluation.scores.WIDEST", widest)
        evaluated(capsys, "g.h5", "--data", "own")
        few = np.zeros((4, SIZE, SIZE, 3))
        pictures = pictures_of_page()
        assert pictures["grid"].shape == tile(few, rows, rows).shape
        assert pictures["neighbours"].shape == tile(few, 2, rows).shape


def test_what_is_left_out_is_said_once(capsys):
    save_generator("a.h5", class_names=["bee", "cat", "dog"])
    save_generator("b.h5", class_names=["bee", "cat", "dog"])
    save_pictures()
    rows, _, _, warned = evaluated(capsys, "a.h5", "b.h5", "--data", "own")
    assert "agreement" not in rows[0] and warned.count("\n") == 1
    assert "warning: a.h5: there is no agreement" in warned
    images = np.zeros((100, SIZE, SIZE, 3), np.uint8)
    np.savez("x.npz", x_train=images, y_train=np.arange(99))
    _, _, printed, warned = evaluated(capsys, "a.h5", "b.h5", "--data", "x.npz")
    assert (
        warned.count("\n") == 1 and "the labels are left out: x.npz: 100 images have 99" in warned
    )
    assert "quarter turns" in printed


def test_what_cannot_be_judged_by_gets_one_line(capsys):
    save_generator("g.h5")
    assert "no images of 96x96x3: give --data" in refused("evaluate", capsys, "g.h5")
    save_pictures(99)
    few = refused("evaluate", capsys, "g.h5", "--data", "own")
    assert "own: 99 images" in few and "are too few to judge by: give --data at least 100" in few
    Path("own/bee/broken.png").write_bytes(b"no picture")
    assert "own/bee/broken.png" in refused("evaluate", capsys, "g.h5", "--data", "own")
    # trained on a folder, whose name has no ending
    save_generator("g.h5", data={"name": "own"})
    assert "--data is needed: this generator was trained on own" in refused(
        "evaluate", capsys, "g.h5"
    )


def test_what_nobody_reads_ends_neither_reading_nor_training(monkeypatch):
    """Standard output is a pipe without a reader, and its lines come while pictures are read."""
    save_generator("g.h5")
    save_pictures()
    program = "from evaluation import judge\nfrom test_evaluate_pictures import untrained\n"
    program += "judge.train_judge = untrained\nimport evaluate\n"
    program += "evaluate.program.run('evaluate.py', evaluate.main)"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # each line is refused
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", program, "g.h5", "--data", "own", "--samples", "100"]
    with open(writer, "w") as unread:
        done = subprocess.run(command, stdout=unread, stderr=subprocess.PIPE, text=True)
    error = without_start(done.stderr)
    assert done.returncode == 1 and error.count("\n") == 1, error
    assert error.startswith("evaluate.py: error: cannot print: ")
    assert {*evaluate.WRITTEN} <= {path.name for path in Path().iterdir()}
