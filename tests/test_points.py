"""sampling/points.py: what seeds, walks and sums make of a latent space. Needs no TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from sampling import points

NOISE = [{"name": "noise", "size": 100, "distribution": "normal"}]
UNIFORM = [{"name": "noise", "size": 100, "distribution": "uniform"}]
PARTS = [
    {"name": "noise", "size": 62, "distribution": "normal"},
    {"name": "category", "size": 10, "distribution": "one-hot"},
    {"name": "codes", "size": 2, "distribution": "uniform"},
]
INFOGAN = {"kind": "infogan", "latent": PARTS, "classes": 10}


def test_no_tensorflow_is_needed():
    code = "import sys, sampling.points; print({'keras', 'tensorflow', 'h5py'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


# ---- the columns of the latent input -------------------------------------------------------------


def test_columns():
    """Codes are an InfoGAN's; the uniform numbers of another generator are noise."""
    assert points.part_columns(PARTS, "normal") == points.noise_columns(PARTS) == [*range(62)]
    assert points.part_columns(PARTS, "one-hot") == [*range(62, 72)]
    assert points.part_columns(PARTS, "uniform") == points.code_columns(INFOGAN) == [72, 73]
    assert points.noise_columns(UNIFORM) == points.part_columns(UNIFORM, "uniform")
    assert points.code_columns({"kind": "unconditional", "latent": UNIFORM}) == []
    labelled = [PARTS[1], PARTS[2], PARTS[0]]  # the order of infogan_labelled.py
    assert points.part_columns(labelled, "one-hot") == [*range(10)]
    assert points.code_columns(INFOGAN | {"latent": labelled}) == [10, 11]
    assert points.noise_columns(labelled) == [*range(12, 74)]


def test_parts_of_the_command_line():
    assert points.parse_parts("noise:62,category:10,codes:2") == PARTS
    assert points.parse_parts("noise:100") == NOISE
    assert [part["name"] for part in points.parse_parts("codes:1, noise:5")] == ["codes", "noise"]
    with pytest.raises(points.PointError, match="twice"):
        points.parse_parts("noise:5,noise:5")
    for text in ("", "noise", "noise:", "noise:-1", "noise:1.5", "style:5", "noise:5,", "noise=5"):
        with pytest.raises(points.PointError, match="is no list of parts such as"):
            points.parse_parts(text)


# ---- from seeds to points ------------------------------------------------------------------------


def test_a_seed_is_a_point():
    """That of NumPy's RandomState, as in StyleGAN's gen_images.py, whatever else is drawn."""
    drawn = points.generate_latent_points(NOISE, [7, 3, 7])
    assert drawn.shape == (3, 100) and drawn.dtype == np.float32
    expected = np.random.RandomState(7).standard_normal(100)
    np.testing.assert_array_equal(drawn[0], expected.astype(np.float32))
    np.testing.assert_array_equal(drawn[2], drawn[0])
    assert (drawn[1] != drawn[0]).all()


def test_distributions():
    drawn = points.generate_latent_points(PARTS, range(1, 601))
    noise, codes = drawn[:, :62], drawn[:, 72:]
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    assert -1 <= codes.min() < -0.99 and 0.99 < codes.max() <= 1 and abs(codes.mean()) < 0.05
    assert (drawn[:, 62:72] == 0).all()  # for set_classes
    assert len(np.unique(noise[:, 0])) == 600
    drawn = points.generate_latent_points(UNIFORM, range(600))
    assert -1 <= drawn.min() < -0.99 and 0.99 < drawn.max() <= 1


def test_classes_are_one_hot():
    drawn = np.zeros((3, 74), np.float32)
    points.set_classes(drawn, np.array([3, 0, 9]), INFOGAN)
    np.testing.assert_array_equal(drawn[:, 62:72], np.eye(10)[[3, 0, 9]])
    assert (drawn[:, :62] == 0).all() and (drawn[:, 72:] == 0).all()
    # category 0 draws nines, category 1 zeros, ...
    points.set_classes(drawn, np.array([9, 0, 8]), INFOGAN | {"map": [9, *range(9)]})
    np.testing.assert_array_equal(drawn[:, 62:72], np.eye(10)[[0, 1, 9]])
    noise = np.ones((2, 100), np.float32)
    points.set_classes(noise, np.array([1, 2]), {"latent": NOISE})
    assert (noise == 1).all()


def test_a_number_for_all_coordinates():
    """It fills the noise; classes are set later, and codes are in their middle."""
    vector, complete = points.vector_points(np.float32(-0.5), NOISE)
    assert not complete
    np.testing.assert_array_equal(vector, np.full((1, 100), -0.5, np.float32))
    vector, _ = points.vector_points(np.float32(0.75), UNIFORM)
    np.testing.assert_array_equal(vector, np.full((1, 100), 0.75, np.float32))
    vector, complete = points.vector_points(np.float32(2), PARTS)
    assert not complete
    np.testing.assert_array_equal(vector, np.r_[np.full(62, 2), np.zeros(12)][None])


def test_points_of_a_file():
    given = np.random.default_rng(0).uniform(-1, 1, (3, 74)).astype("float32")
    vector, complete = points.vector_points(given, PARTS)
    assert complete
    np.testing.assert_array_equal(vector, given)
    vector, complete = points.vector_points(given[:, :62], PARTS)
    assert not complete
    np.testing.assert_array_equal(vector, np.c_[given[:, :62], np.zeros((3, 12))])
    with pytest.raises(points.PointError, match="70 coordinates, the generator's 62 or 74"):
        points.vector_points(given[:, :70], PARTS)
    with pytest.raises(points.PointError, match="74 coordinates, the generator's 100"):
        points.vector_points(given, NOISE)


# ---- ways and sums -------------------------------------------------------------------------------


def test_a_walk_keeps_to_the_sphere():
    """Both ends are the seeds' points; half-way noise is as long, and codes go straight."""
    ends = points.generate_latent_points(PARTS, [3, 7, 12])
    way = points.interpolate(ends, 6, PARTS)
    assert way.shape == (13, 74) and way.dtype == np.float32
    np.testing.assert_allclose(way[[0, 6, 12]], ends, atol=1e-6)
    lengths = np.linalg.norm(way[:, :62], axis=1)
    assert lengths.min() > 0.95 * np.linalg.norm(ends[:, :62], axis=1).min()
    np.testing.assert_allclose(way[3, 72:], ends[:2, 72:].mean(0), atol=1e-6)
    steps = np.linalg.norm(np.diff(way[:7, :62], axis=0), axis=1)
    assert steps.max() < 1.1 * steps.min()
    loop = points.interpolate(ends, 6, PARTS, loop=True)  # to just before the first
    assert len(loop) == 18
    np.testing.assert_allclose(loop[12], ends[2], atol=1e-6)
    np.testing.assert_allclose(loop[15], points.between(ends[2], ends[0], 0.5, PARTS), atol=1e-6)


def test_a_walk_of_uniform_noise_goes_straight():
    ends = points.generate_latent_points(UNIFORM, [3, 7])
    way = points.interpolate(ends, 4, UNIFORM)
    np.testing.assert_allclose(way, np.linspace(ends[0], ends[1], 5), atol=1e-6)


def test_a_walk_from_a_point_to_itself():
    [end] = points.generate_latent_points(NOISE, [3])
    np.testing.assert_allclose(points.between(end, end, 0.3, NOISE), end, atol=1e-6)


def test_arithmetic():
    """The points of the seeds, then their sum; codes stay in [-1, 1]."""
    drawn = points.calculate("0+1-2", NOISE)
    np.testing.assert_array_equal(drawn[:3], points.generate_latent_points(NOISE, [0, 1, 2]))
    np.testing.assert_allclose(drawn[3], drawn[0] + drawn[1] - drawn[2], atol=1e-6)
    drawn = points.calculate("0+1+4", PARTS)
    total = drawn[:3].sum(0)
    assert np.abs(total[72:]).max() > 1
    np.testing.assert_allclose(drawn[3, 72:], total[72:].clip(-1, 1))
    np.testing.assert_allclose(drawn[3, :62], total[:62], atol=1e-6)


# ---- the grids of a run --------------------------------------------------------------------------


def test_layout_of_a_grid():
    """The attribute says it; of older files the script's name, an exercise's behind it included."""
    grid = {"size": [5, 6], "noise": "row", "sheet": [7, 8]}
    described = {"script": "pets_gan.py", "grid": grid}
    assert points.grid_layout(described) == grid
    assert points.sheet_layout(described) == [7, 8]
    described["script"] = "mnist_gan.py"  # of which the attribute need not be true
    assert points.grid_layout(described) == grid
    for script in ("cifar10_gan.py", "cifar10_gan_nearest.py"):
        assert points.grid_layout({"script": script})["size"] == [7, 7]
        assert tuple(points.sheet_layout({"script": script})) == (10, 10)
    for script in ("mnist_gan.py", "mnist_gan_batch_norm.py"):
        assert points.grid_layout({"script": script})["size"] == [10, 10]
        assert tuple(points.sheet_layout({"script": script})) == (5, 5)
    for about in ({}, {"script": "pets_gan.py"}, {"script": None}, {"script": "mnist_gan"}):
        assert points.grid_layout(about) is None
        assert tuple(points.sheet_layout(about)) == (5, 5)


@pytest.mark.parametrize("row,column", [(0, 1), (1, 0), (11, 1), (1, 11), (100, 100)])
def test_no_such_cell(row, column):
    grid = {"size": [10, 10], "noise": "cell"}
    about = {"kind": "unconditional", "latent": NOISE, "classes": 0, "seed": 1, "grid": grid}
    with pytest.raises(points.PointError, match="this run have 10 rows and 10 columns"):
        points.grid_cell(about, row, column)


def test_a_file_without_grids_has_no_cells():
    about = {"kind": "unconditional", "latent": NOISE, "classes": 0}
    grid = {"size": [10, 10], "noise": "cell"}
    for more in ({}, {"seed": 1}, {"grid": grid}, {"grid": grid, "seed": None}, {"seed": True}):
        with pytest.raises(points.PointError, match="of no run of these scripts"):
            points.grid_cell(about | more, 1, 1)
    codes = grid | {"codes": [0, 1]}  # which this generator has not: an exercise's, that has ten
    with pytest.raises(points.PointError, match="others than those of the script today"):
        points.grid_cell(about | {"grid": codes, "seed": 1}, 1, 1)
