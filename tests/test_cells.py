"""generate.py --cell: the points of a run's own grids are those that its script draws for them.

sampling/points.py works them out of what the file says of the grids; here they are compared with
the points of each script's own functions. test_runs.py compares the pictures.
"""

import importlib
import json

import numpy as np
import pytest
from generators import INFOGAN, draw, error_of, glass, in_tmp_path, inputs_of  # noqa: F401
from helpers import LABELLED, PATHS, grid_point

from sampling import points

NOISE = [{"name": "noise", "size": 100, "distribution": "normal"}]
LATENT = {  # of the scripts whose latent input has other parts
    "infogan_mnist": INFOGAN["latent"],
    "infogan_labelled": [
        {"name": "category", "size": 10, "distribution": "one-hot"},
        {"name": "codes", "size": 2, "distribution": "normal"},
        {"name": "noise", "size": 38, "distribution": "normal"},
    ],
}


OLDER = [name for name in PATHS if name != "faces_gan"]  # scripts of before files told their grid


def grid_of(script):
    """Return what a script's files say of the grids of its runs."""
    return json.loads(json.dumps(script.GRID))


def describe(name):
    """Return what the files of a script say of themselves, without their grids."""
    script = importlib.import_module(name)
    kind = "unconditional"
    if name in LABELLED:
        kind = "conditional"
    if name in LATENT:
        kind = "infogan"
    return {
        "kind": kind,
        "latent": LATENT.get(name, NOISE),
        "classes": 0 if kind == "unconditional" else 10,
        "seed": script.DEFAULTS.get("seed", 1),
    }


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("row,column", [(1, 1), (4, 7), (7, 3)])
def test_cells_are_those_of_the_script(name, row, column):
    """Under another name, too, for the file says what they are; and in files that do not."""
    script = importlib.import_module(name)
    files = [{"script": "pets_gan.py", "grid": grid_of(script)}]
    if name in OLDER:
        files += [{"script": f"{name}.py"}, {"script": f"{name}_nearest.py"}]
    for more in files:
        about = describe(name) | more
        point, label = points.grid_cell(about, row, column)
        expected = grid_point(name, row - 1, column - 1)
        if about["kind"] == "conditional":
            expected, expected_label = expected
            assert label == expected_label
        elif about["kind"] == "infogan":
            category = points.part_columns(about["latent"], "one-hot")
            assert label == expected[0, category].argmax()
            points.set_classes(point, np.array([label]), about)
        np.testing.assert_allclose(point, expected, atol=1e-6)


@pytest.mark.parametrize("name", OLDER)
def test_grids_of_older_files(name):
    """They have the layout of their script today."""
    script = importlib.import_module(name)
    older = {"script": f"{name}.py"}
    today = older | {"grid": grid_of(script)}
    assert tuple(points.sheet_layout(older)) == tuple(points.sheet_layout(today))
    layouts = [dict(points.grid_layout(about)) for about in (older, today)]
    for layout in layouts:
        layout.pop("sheet", None)
    assert layouts[0] == layouts[1]


def test_the_generator_draws_a_cell(capsys):
    """Of a script that somebody renamed; the seed is the run's."""
    grid = {"size": [5, 6], "noise": "row"}
    run = {"script": "pets_gan.py", "seed": 7, "grid": grid}
    glass(100, 10, **run)
    about = describe("cgan_mnist") | run
    for cell in ((1, 1), (5, 6)):
        arrays = draw("g.h5", "--cell", "{},{}".format(*cell))
        point, label = points.grid_cell(about, *cell)
        shown = inputs_of(arrays["images"])
        np.testing.assert_allclose(shown[:, :100], point, atol=1e-5)
        assert shown[0, 100] == pytest.approx(label, abs=1e-4) and label == cell[1] - 1
    assert "this run have 5 rows and 6 columns" in error_of(capsys, "g.h5", "--cell", "6,1")
    glass(100)
    assert "of no run of these scripts" in error_of(capsys, "g.h5", "--cell", "3,7")


def test_the_category_of_a_cell():
    """A column is a category; what it means stands in an evaluated file."""
    meaning = [9, *range(9)]
    run = {"script": "infogan_mnist.py", "seed": 1, "map": meaning}
    glass(74, **INFOGAN, **run)
    arrays = draw("g.h5", "--cell", "4,7")
    expected = grid_point("infogan_mnist", 3, 6)
    np.testing.assert_allclose(inputs_of(arrays["images"])[:, :74], expected, atol=1e-5)
    assert arrays["labels"].tolist() == [meaning[6]]
