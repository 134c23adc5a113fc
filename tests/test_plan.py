"""sampling/plan.py: which points, classes and codes a command line draws, and where in the picture.

Needs no TensorFlow. That generators are fed what is planned, test_command.py tests.
"""

from pathlib import Path

import numpy as np
import pytest
from descriptions import INFOGAN, LABELLED, NOISE, PLAIN

import generate
from sampling import classes, plan, points

CIFAR10 = PLAIN | {"script": "cifar10_gan.py", "latent": [NOISE | {"size": 100}]}
EYE = np.eye(10, dtype=np.float32)


def make(about, *flags):
    """Return the Plan of a command line for the generator that `about` describes."""
    args = generate.make_parser().parse_args(["g.h5", *map(str, flags)])
    classes.read_classes(args, about["class_names"])
    classes.fit_flags(args, about, foreign=False)
    return plan.plan_images(args, about)


def layout(plan):
    """Return rows and columns of a Plan's picture."""
    return plan.rows, plan.cols


# ---- what is drawn by default --------------------------------------------------------------------


def test_unconditional():
    drawn = make(PLAIN)
    assert drawn.seeds.tolist() == [*range(1, 26)] and layout(drawn) == (5, 5)
    expected = points.generate_latent_points([NOISE], range(1, 26))
    np.testing.assert_array_equal(drawn.points, expected)
    assert drawn.labels.tolist() == [0] * 25 and drawn.frames == 1
    assert make(PLAIN, "--seed", 7, "--grid", "2x3").seeds.tolist() == [*range(7, 13)]
    assert layout(make(PLAIN, "--seed", 7, "--grid", "2x3")) == (2, 3)


def test_the_tutorials_picture():
    """CIFAR-10's is 10x10; the file says so, or is of an older run of that script."""
    for about in (CIFAR10, PLAIN | {"grid": {"size": [7, 7], "noise": "cell", "sheet": [10, 10]}}):
        drawn = make(about)
        assert drawn.seeds.tolist() == [*range(1, 101)] and layout(drawn) == (10, 10)
        assert layout(make(about, "--seeds", "0-24")) == (5, 5)
    assert layout(make(PLAIN, "--seeds", "0-99")) == (10, 10)
    assert layout(make(PLAIN | {"grid": {"size": [9, 9], "noise": "cell"}})) == (5, 5)


def test_conditional():
    """Ten rows of one latent point each, a column for each class, in order."""
    drawn = make(LABELLED)
    assert layout(drawn) == (10, 10)
    assert drawn.labels.tolist() == [*range(10)] * 10
    assert drawn.seeds.tolist() == np.repeat(range(1, 11), 10).tolist()
    expected = points.generate_latent_points([NOISE], range(1, 11))
    np.testing.assert_array_equal(drawn.points, expected.repeat(10, axis=0))


def test_infogan():
    """As for labels; the category is one-hot, the codes are the row's."""
    drawn = make(INFOGAN)
    assert layout(drawn) == (10, 10)
    assert drawn.labels.tolist() == [*range(10)] * 10
    np.testing.assert_array_equal(drawn.points[:, 62:72], np.tile(EYE, (10, 1)))
    rows = drawn.points.reshape(10, 10, 74)
    others = [*range(62), 72, 73]
    np.testing.assert_array_equal(rows[:, :, others], rows[:, :1, others].repeat(10, axis=1))
    codes = drawn.points[:, 72:]
    assert -1 <= codes.min() < -0.7 and 0.7 < codes.max() <= 1


def test_twenty_columns():
    """More classes than that are drawn when they are asked for, and by --count."""
    about = LABELLED | {"classes": 26}
    drawn = make(about)
    assert drawn.labels.tolist() == [*range(20)] * 10 and layout(drawn) == (10, 20)
    drawn = make(about, "--labels", "0-25")
    assert drawn.labels.tolist() == [*range(26)] * 10 and layout(drawn) == (10, 26)
    drawn = make(about, "--grid", "2x26")
    assert drawn.labels.tolist() == [*range(26)] * 2 and layout(drawn) == (2, 26)
    drawn = make(about, "--count", 30, "--npz", "a.npz")
    assert drawn.labels.tolist() == [*range(26), 0, 1, 2, 3]


# ---- seeds and classes that are asked for --------------------------------------------------------


@pytest.mark.parametrize("about", [PLAIN, INFOGAN])
def test_a_smaller_run_is_the_beginning_of_a_larger_one(about):
    few = make(about, "--count", 20, "--npz", "a.npz")
    many = make(about, "--count", 600, "--npz", "a.npz")
    assert many.seeds.tolist() == [*range(1, 601)]
    np.testing.assert_array_equal(few.points, many.points[:20])
    assert many.labels.tolist() == np.resize(range(about["classes"] or 1), 600).tolist()
    assert len(np.unique(many.points[:, 0])) == 600  # each has a point of its own


def test_seeds():
    """A seed's point is the same alone and in a sheet, whose cells are in the order asked for."""
    drawn = make(PLAIN, "--seeds", "40-44,7,3", "--grid", "2x4")
    assert drawn.seeds.tolist() == [40, 41, 42, 43, 44, 7, 3] and layout(drawn) == (2, 4)
    alone = make(PLAIN, "--seeds", 7)
    assert layout(alone) == (1, 1)
    np.testing.assert_array_equal(alone.points[0], drawn.points[5])
    drawn = make(LABELLED, "--seeds", "3-5")  # a row a seed
    assert drawn.seeds.tolist() == np.repeat([3, 4, 5], 10).tolist() and layout(drawn) == (3, 10)


def test_labels():
    """A column is a class; with --grid the columns go through them, with --count the images."""
    drawn = make(LABELLED, "--labels", "2,5-6")
    assert drawn.labels.tolist() == [2, 5, 6] * 10 and layout(drawn) == (10, 3)
    drawn = make(LABELLED, "--labels", "2,5-6", "--grid", "2x4")
    assert drawn.labels.tolist() == [2, 5, 6, 2] * 2 and layout(drawn) == (2, 4)
    drawn = make(LABELLED, "--labels", 3, "--count", 300, "--npz", "a.npz")
    assert drawn.labels.tolist() == [3] * 300 and len(np.unique(drawn.points[:, 0])) == 300
    named = LABELLED | {"classes": 3, "class_names": ["cat", "dog", "7"]}
    assert make(named, "--labels", "7,cat").labels.tolist() == [2, 0] * 10


def test_text():
    """A number in one style: one latent point, a class a letter."""
    drawn = make(LABELLED, "--text", "31415")
    assert drawn.labels.tolist() == [3, 1, 4, 1, 5] and layout(drawn) == (1, 5)
    assert drawn.seeds.tolist() == [1] * 5
    drawn = make(LABELLED, "--text", "31415", "--seeds", "0-2")
    assert layout(drawn) == (3, 5) and drawn.seeds.tolist() == np.repeat([0, 1, 2], 5).tolist()
    named = LABELLED | {"classes": 3, "class_names": ["c", "a", "b"]}
    assert make(named, "--text", "bac2").labels.tolist() == [2, 1, 0, 2]


def test_the_count_of_a_picture():
    """The picture shows the first images: ten rows of all classes, or 100 rows of five."""
    for about, flags, expected in [
        (LABELLED, [], (10, 10)),
        (LABELLED, ["--labels", "0-2"], (10, 3)),
        (PLAIN, [], (100, 5)),
        (PLAIN, ["--grid", "3x3"], (3, 3)),
    ]:
        assert layout(make(about, "--count", 510, "--npz", "a.npz", *flags)) == expected
    assert layout(make(PLAIN, "--count", 3, "--npz", "a.npz")) == (1, 5)


def test_truncate():
    """The noise shrinks, classes and codes stay."""
    full = make(INFOGAN, "--seeds", "3-5").points
    half = make(INFOGAN, "--seeds", "3-5", "--truncate", "0.5").points
    np.testing.assert_allclose(half[:, :62], full[:, :62] / 2)
    np.testing.assert_array_equal(half[:, 62:], full[:, 62:])


# ---- points, walks, codes ------------------------------------------------------------------------


def test_vectors(tmp_path):
    """A point has the first class, or those asked for; complete ones of a file have their own."""
    drawn = make(LABELLED, "--vector", "0.75")
    np.testing.assert_array_equal(drawn.points, np.full((1, 62), 0.75, np.float32))
    assert drawn.labels.tolist() == [0] and drawn.seeds is None and layout(drawn) == (1, 1)
    drawn = make(LABELLED, "--vector", "-0.5", "--labels", "0-9")
    assert drawn.labels.tolist() == [*range(10)] and (drawn.points == -0.5).all()
    drawn = make(INFOGAN, "--vector", "2", "--labels", "3")
    np.testing.assert_array_equal(drawn.points, np.r_[np.full(62, 2), EYE[3], 0, 0][None])
    given = np.random.default_rng(0).uniform(-1, 1, (3, 74)).astype("float32")
    given[:, 62:72] = EYE[[4, 0, 9]]
    np.save(tmp_path / "all.npy", given)
    np.save(tmp_path / "noise.npy", given[:, :62])
    drawn = make(INFOGAN, "--vector", tmp_path / "all.npy")
    np.testing.assert_array_equal(drawn.points, given)
    assert drawn.labels.tolist() == [4, 0, 9]
    drawn = make(INFOGAN | {"map": [9, *range(9)]}, "--vector", tmp_path / "all.npy")
    np.testing.assert_array_equal(drawn.points, given)  # whatever the categories mean
    assert drawn.labels.tolist() == [3, 9, 8]
    drawn = make(INFOGAN, "--vector", tmp_path / "noise.npy", "--labels", "1,8")
    assert drawn.labels.tolist() == [1, 8] * 3
    expected = np.c_[given[:, :62].repeat(2, axis=0), EYE[[1, 8] * 3], np.zeros((6, 2))]
    np.testing.assert_array_equal(drawn.points, expected)


def test_a_walk_goes_across():
    """Without a film; a row is a class then."""
    ends = make(INFOGAN, "--seeds", "3,7,12", "--labels", 4).points
    drawn = make(INFOGAN, "--interpolate", "3,7,12", "--steps", 6, "--labels", 4)
    assert drawn.seeds is None and drawn.frames == 1 and layout(drawn) == (1, 13)
    np.testing.assert_allclose(drawn.points[[0, 6, 12]], ends, atol=1e-6)
    np.testing.assert_array_equal(drawn.points[:, 62:72], EYE[[4] * 13])
    drawn = make(LABELLED, "--interpolate", "3,7")  # eight steps
    assert layout(drawn) == (10, 9) and drawn.labels.tolist() == np.repeat(range(10), 9).tolist()
    np.testing.assert_array_equal(drawn.points[:9], drawn.points[9:18])
    drawn = make(PLAIN, "--arithmetic", "0+1-2")
    assert drawn.seeds is None and layout(drawn) == (1, 4)
    np.testing.assert_array_equal(drawn.points, points.calculate("0+1-2", [NOISE]))


def test_a_film():
    """All classes on each frame, there and back."""
    drawn = make(LABELLED, "--interpolate", "3,7", "--steps", 5, "--out", "walk.gif")
    assert drawn.frames == 10 and layout(drawn) == (1, 10)
    assert drawn.labels.tolist() == [*range(10)] * 10
    way = drawn.points[::10]
    np.testing.assert_array_equal(drawn.points, way.repeat(10, axis=0))
    np.testing.assert_allclose(way[6], way[4], atol=1e-6)
    drawn = make(PLAIN, "--interpolate", "3,7", "--out", "walk.GIF")
    assert drawn.frames == 16 and layout(drawn) == (1, 1)


def test_codes():
    """One noise; a row a category or a value of the first code, the last code across."""
    evaluated = INFOGAN | {"map": [9, *range(9)]}
    drawn = make(evaluated, "--category", 3, "--code1", "-2:2:10", "--code2", 0)
    ramp = np.linspace(-2, 2, 10)
    np.testing.assert_allclose(drawn.points[:, 72:], np.c_[ramp, np.zeros(10)], atol=1e-6)
    np.testing.assert_array_equal(drawn.points[:, 62:72], EYE[[3] * 10])
    assert (drawn.points[:, :62] == drawn.points[0, :62]).all()
    assert drawn.labels.tolist() == [2] * 10  # what category 3 means
    assert layout(drawn) == (1, 10)
    drawn = make(evaluated, "--labels", 9, "--code1=-1:1:3", "--code2", "0:1:2")
    expected = [[a, b] for a in (-1, 0, 1) for b in (0, 1)]
    np.testing.assert_allclose(drawn.points[:, 72:], expected, atol=1e-6)
    np.testing.assert_array_equal(drawn.points[:, 62:72], EYE[[0] * 6])  # category 0 means 9
    assert layout(drawn) == (3, 2)
    drawn = make(evaluated, "--code1", "-1:1:3")  # a row a class
    assert drawn.labels.tolist() == np.repeat(range(10), 3).tolist() and layout(drawn) == (10, 3)
    assert len(np.unique(drawn.points[:, 73])) == 1  # the other code as the seed drew it
    drawn = make(INFOGAN, "--code2", 1)  # one value: a sheet as ever
    assert layout(drawn) == (10, 10) and (drawn.points[:, 73] == 1).all()


# ---- the name of the picture ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags,name",
    [
        ("", "seed1"),
        ("--seed 7 --text 31415", "seed7_31415"),
        ("--seeds 7", "seeds7"),
        ("--seeds 40-44,7,3", "seeds40-44,7,3"),
        ("--cell 3,7", "cell3,7"),
        ("--interpolate 3,7,12 --labels 4", "walk3,7,12_4"),
        ("--arithmetic 0+1-2", "0+1-2"),
        ("--vector 0.5 --truncate 0.5", "vector_truncate0.5"),
        (
            "--category 3 --code1 -2:2:10 --code2 0.5",
            "seed1_category3_code1_-2to2_code2_0.5",
        ),
        ("--labels ../x", "seed1_..-x"),
        ("--labels " + "x" * 99, "seed1_" + "x" * 54),
    ],
)
def test_names(flags, name):
    args = generate.make_parser().parse_args(["g.h5", *flags.split()])
    assert plan.name_picture(args) == name


def test_film():
    for out, film in ((None, False), (Path("a.png"), False), (Path("gif/a.gif"), True)):
        args = generate.make_parser().parse_args(["g.h5"])
        args.out = out
        assert plan.is_film(args) is film
