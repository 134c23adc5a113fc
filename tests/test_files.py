"""sampling/files.py: folders that are no runs, and copies of generators; the layout of pictures."""

import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from generators import draw, error_of, glass, in_tmp_path, stranger  # noqa: F401
from honest_files import ABOUT, pack

from sampling import files
from sampling.checks import GeneratorFileError, check_description

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


def test_saved_model(capsys):
    Path("folder").mkdir()
    Path("folder/saved_model.pb").write_bytes(b"\x08\x01\x12")
    line = error_of(capsys, "folder")
    assert "folder is a SavedModel" in line and "model.save('NAME.h5')" in line
    assert "saved_model.pb is a part of" in error_of(capsys, "folder/saved_model.pb")
    Path("folder/generator_model_005.h5").touch()
    chosen = files.choose_snapshot(Path("folder"))
    assert chosen == (Path("folder/generator_model_005.h5"), {}, "last")


@pytest.mark.parametrize(
    "content,part",
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html>", "web page"),
        (b"<html><body>404", "web page"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "no HDF5 file and no .keras file"),
    ],
)
def test_what_a_file_is(capsys, content, part):
    for name in ("g.h5", "g.keras"):
        Path(name).write_bytes(content)
        line = error_of(capsys, name)
        assert f" {name} " in line and part in line


def test_what_a_zip_file_is(capsys):
    pack("g.h5", {"archive/data.pkl": "x"})
    assert "g.h5 is a file of PyTorch" in error_of(capsys, "g.h5")
    pack("g.h5", {"run/saved_model.pb": "x"})
    assert "a SavedModel" in error_of(capsys, "g.h5")
    bomb = {"config.json": "{}", "metadata.json": "{}", "model.weights.h5": bytes(10**7)}
    pack("g.keras", bomb, method=zipfile.ZIP_DEFLATED)
    assert "g.keras holds more in model.weights.h5" in error_of(capsys, "g.keras")


# ---- export --------------------------------------------------------------------------------------


def compressions(path):
    """Return how the matrices in an .h5 file are compressed, a set."""
    found = set()

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.ndim == 2:
            found.add(item.compression)

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def test_export():
    """All that is in an .h5 file is in the copy, too."""
    glass(4, 2, more=[1])
    files.export(Path("g.h5"), Path("copy.h5"), {"scores": {"frechet": 1.5}})
    about = files.read_description("g.h5")
    assert files.read_description("copy.h5") == about | {"scores": {"frechet": 1.5}}
    with h5py.File("g.h5") as file, h5py.File("copy.h5") as copy:
        assert dict(copy.attrs) | {"gan": 0} == dict(file.attrs) | {"gan": 0}
    assert compressions("copy.h5") == {"gzip"} and compressions("g.h5") == {None}
    np.testing.assert_array_equal(draw("copy.h5")["images"], draw("g.h5")["images"])


@pytest.mark.parametrize("name", ["g.keras", "g.json", "g.weights.h5", "h.json"])
def test_export_of_other_formats(name, capfd, monkeypatch):
    """The copy is an .h5 file, whatever it is a copy of, and says what was found of it."""
    save = keras.Model.save

    def save_with_advice(model, path):
        os.write(2, b"This file format is considered legacy\n")
        save(model, path)

    native = stranger(4, 2)
    native.save("g.keras")
    Path("g.h5").rename("h.h5")  # a whole model of its own
    Path("h.json").write_text(native.to_json())
    Path("g.json").write_text(native.to_json())
    native.save_weights("g.weights.h5")
    known = {"pixel_range": [-16, 16], "map": [1, 0]}
    monkeypatch.setattr(keras.Model, "save", save_with_advice)
    files.export(Path(name), Path("copy.h5"), known)
    assert capfd.readouterr().err == ""
    about = files.read_description("copy.h5")
    assert about["classes"] == 2 and about | known == about
    assert compressions("copy.h5") == {"gzip"}
    expected = draw(name, "--range", "-16,16", "--seeds", "3")["images"]
    np.testing.assert_array_equal(draw("copy.h5", "--seeds", "3")["images"], expected)
    assert keras.models.load_model("copy.h5").count_params() == native.count_params()


# ---- the layout of a run's pictures --------------------------------------------------------------

GRID = {"size": [10, 20], "noise": "row", "codes": [0.0001, 0.99999], "sheet": [1, 100]}


@pytest.mark.parametrize(
    "change",
    [{"size": x} for x in ([0, 10], [10, 101], [10], [1, 2, 3], [10, 2.0], [True, 10], "ab", 7)]
    + [{"sheet": x} for x in ([0, 10], [10, 101], ["5", "5"], None)]
    + [{"noise": x} for x in ("column", None, 1)]
    + [{"codes": x} for x in ([1, 0], [0], ["a", "b"], [0, float("inf")], None)],
)
def test_layouts_that_are_none(change):
    with pytest.raises(GeneratorFileError, match="^g.h5: .* does not fit its model$"):
        check_description("g.h5", ABOUT | {"grid": GRID | change})


@pytest.mark.parametrize("grid", [None, [], 7, {}, {"size": [10, 10]}, {"noise": "row"}])
def test_layouts_that_lack_something(grid):
    with pytest.raises(GeneratorFileError, match="does not fit its model$"):
        check_description("g.h5", ABOUT | {"grid": grid})


def test_layouts():
    for grid in (GRID, {"size": [7, 7], "noise": "cell"}, GRID | {"later": 1}):
        assert check_description("g.h5", ABOUT | {"grid": grid})["grid"] == grid
