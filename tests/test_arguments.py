"""sampling/arguments.py: what the texts of a command line mean. Needs no TensorFlow."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from sampling import arguments

READ = [
    (arguments.seeds, "7", [7]),
    (arguments.seeds, "0-3,42,1-1", [0, 1, 2, 3, 42, 1]),
    (arguments.number(0, 10), "10", 10),
    (arguments.number(0, 1, float), "0.5", 0.5),
    (arguments.grid, "5x10", (5, 10)),
    (arguments.cell, "3,7", (3, 7)),
    (arguments.formula, "0 + 1 - 2", "0+1-2"),
    (arguments.code, "-0.5", [-0.5]),
    (arguments.code, "-2:2:5", [-2, -1, 0, 1, 2]),
    (arguments.pixel_range, "-1,1", (-1, 1)),
    (arguments.pixel_range, "0, 255", (0, 255)),
]
REFUSED = [
    (arguments.seeds, "", "no list of seeds"),
    (arguments.seeds, "1,x", "no list of seeds"),
    (arguments.seeds, "-1", "no list of seeds"),
    (arguments.seeds, "1,", "no list of seeds"),
    (arguments.seeds, "3-1", "names 0 seeds"),
    (arguments.seeds, "0-10000", "names 10001 seeds, not 1 to 10,000"),
    (arguments.number(0, 10), "11", "'11' is no number from 0 to 10"),
    (arguments.number(0, 10), "1.5", "no number"),
    (arguments.number(0, 1, float), "nan", "no number"),
    (arguments.grid, "0x5", "not ROWSxCOLUMNS"),
    (arguments.grid, "5x101", "not ROWSxCOLUMNS"),
    (arguments.grid, "axb", "not ROWSxCOLUMNS"),
    (arguments.cell, "3x7", "not ROW,COLUMN"),
    (arguments.formula, "0", "adds and takes away no seeds"),
    (arguments.formula, "0+", "adds and takes away no seeds"),
    (arguments.formula, "0*2", "adds and takes away no seeds"),
    (arguments.code, "x", "neither a number nor FROM:TO:COUNT"),
    (arguments.code, "nan", "neither a number nor FROM:TO:COUNT"),
    (arguments.code, "0:1", "neither a number nor FROM:TO:COUNT"),
    (arguments.code, "0:1:0", "neither a number nor FROM:TO:COUNT"),
    (arguments.code, "0:1:101", "neither a number nor FROM:TO:COUNT"),
    (arguments.code, "0:1:-1", "neither a number nor FROM:TO:COUNT"),
    (arguments.pixel_range, "1", "not LOW,HIGH"),
    (arguments.pixel_range, "1,0", "not LOW,HIGH"),
    (arguments.pixel_range, "0,0", "not LOW,HIGH"),
    (arguments.pixel_range, "0,inf", "not LOW,HIGH"),
    (arguments.pixel_range, "nan,1", "not LOW,HIGH"),
    (arguments.pixel_range, "0,1,2", "not LOW,HIGH"),
    (arguments.latent, "noise", "no list of parts such as noise:62,category:10,codes:2"),
    (arguments.latent, "noise:62,noise:2", "names a part twice"),
    (arguments.vector, "nan", "holds no finite points"),
    (arguments.vector, "none.npy", "neither a number nor a .npy file"),
]


@pytest.mark.parametrize("read,text,value", READ)
def test_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize("read,text,part", REFUSED)
def test_refused(read, text, part):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        read(text)
    assert part in str(error.value) and "\n" not in str(error.value)


def test_parts_of_the_latent_input():
    parts = arguments.latent("noise:62,category:10,codes:2")
    distributions = {part["name"]: (part["size"], part["distribution"]) for part in parts}
    expected = {"noise": (62, "normal"), "category": (10, "one-hot"), "codes": (2, "uniform")}
    assert distributions == expected


class Touch:
    """Makes a file when it is read back."""

    def __reduce__(self):
        return Path("touched").touch, ()


def test_vectors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    number = arguments.vector("-0.5")
    assert number.shape == () and number.dtype == np.float32 and number == -0.5
    points = np.arange(12).reshape(3, 4)
    np.save("three.npy", points)
    np.save("one.npy", points[0])
    np.save("cube.npy", points[None])
    np.save("none.npy", points[:0])
    np.save("infinite.npy", np.full((3, 4), np.inf))
    np.save("text.npy", np.array(["a"]))
    np.save("code.npy", np.array([Touch()]), allow_pickle=True)
    np.testing.assert_array_equal(arguments.vector("three.npy"), points)
    np.testing.assert_array_equal(arguments.vector("one.npy"), points[:1])
    assert arguments.vector("three.npy").dtype == np.float32
    for name in ("cube", "none", "infinite"):
        with pytest.raises(argparse.ArgumentTypeError, match="holds no finite points"):
            arguments.vector(f"{name}.npy")
    for name in ("text", "code"):
        with pytest.raises(argparse.ArgumentTypeError, match="nor a .npy file of numbers"):
            arguments.vector(f"{name}.npy")
    assert not Path("touched").exists()
