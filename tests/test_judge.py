"""evaluation/judge.py: how it looks at images, how long it is trained, and those that are kept."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from evaluation import data, judge

SHAPE = (28, 28, 1)
IMAGES = np.random.default_rng(1).integers(0, 256, (100, 28, 28), dtype=np.uint8)
LABELS = np.arange(100, dtype=np.uint8) % 4


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def load(shape=SHAPE, **arrays):
    """Return the RealImages of an .npz file that holds these arrays."""
    np.savez("x.npz", **arrays)
    return data.load_real_images("x.npz", shape)


# ---- what it sees, and how long it is trained ----------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_larger_images_are_averaged_to_32_pixels(dtype, monkeypatch):
    monkeypatch.setattr(judge, "AT_ONCE", 3)  # in several parts, the last one smaller
    images = np.random.default_rng(1).integers(0, 256, (4, 128, 20, 3)).astype(dtype)
    seen = judge.shrink(images)
    averages = images.reshape(4, 32, 4, 20, 3).mean(axis=2)
    assert seen.shape == averages.shape and seen.dtype == dtype
    np.testing.assert_allclose(seen, averages, atol=0.5 if dtype == np.uint8 else 1e-4)
    for shape in ((2, 256, 256, 3), (2, 40, 200, 1)):  # also where the sides are no multiples
        seen = judge.shrink(np.full(shape, 7, dtype))
        np.testing.assert_allclose(seen, np.full((2, 32, 32, shape[3]), 7))


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (2, 28, 28, 1), (2, 8, 16, 3)])
def test_other_images_are_seen_as_they_are(shape):
    images = np.ones(shape, np.float32)
    assert judge.shrink(images) is images


def test_few_images_are_shown_more_often_but_not_for_ever():
    as_before = {60_000: 4, 10_000: 4, 5_500: 8, 3_000: 12, 1_000: 40}
    assert {n: judge.count_epochs(n, 1) for n in as_before} == as_before
    as_before = {50_000: 8, 3_400: 24, 2_700: 32, 1_000: 80}
    assert {n: judge.count_epochs(n, 3) for n in as_before} == as_before
    for channels in (1, 3):
        for n in range(90, 1_000):
            epochs = judge.count_epochs(n, channels)
            batches = n // judge.BATCH_SIZE + 1
            assert 200 <= epochs * batches + batches  # enough to learn something
            assert epochs * n <= 80_000  # images: no more than of larger sets


def test_its_training_is_told_in_ten_lines(capsys, monkeypatch):
    monkeypatch.setattr(judge, "count_epochs", lambda n, channels: 25)
    monkeypatch.setattr(judge, "WIDTHS", {1: (4, 4, 4, 4)})
    judge.train_judge(load(x_train=IMAGES, y_train=LABELS))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and lines[-1].startswith("epoch 25 of 25, loss ")


# ---- the judges that are kept --------------------------------------------------------------------


def copy_of_judge(old, new):
    """Return evaluation/judge.py as a module in which a text was replaced."""
    text = (ROOT / "evaluation/judge.py").read_text()
    assert old in text
    path = Path("judge_copy.py")
    path.write_text(text.replace(old, new))
    spec = importlib.util.spec_from_file_location("copy_of_judge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SEED = "    keras.utils.set_random_seed(1)\n"


@pytest.mark.parametrize(
    "old,new,same",
    [
        (SEED, f"    # Why.\n\n{SEED}", True),
        ("def find_judge(data):\n", "def find_judge(data):\n    print()\n", True),
        (SEED, SEED.replace("1", "2"), False),
        ("EPOCHS = {1: 4", "EPOCHS = {1: 5", False),
        ("momentum=0.9", "momentum=0.8", False),
        ("np.rot90(x, k)", "np.rot90(x, -k)", False),
        ("LEAST_STEPS = 200", "LEAST_STEPS = 300", False),
        ("max(epochs, ", "max(1, ", False),
    ],
    ids=["comment", "elsewhere", "seed", "epochs", "layer", "turn", "steps", "count"],
)
def test_a_judge_is_named_by_the_code_that_makes_it(old, new, same):
    real = load(x_train=IMAGES, y_train=LABELS)
    assert (judge.judge_name(real) == copy_of_judge(old, new).judge_name(real)) == same


def test_a_judge_is_named_by_the_data():
    real = load(x_train=IMAGES, y_train=LABELS)
    names = {judge.judge_name(real)}
    for key in ("x_train", "y_train", "x_test", "y_test"):
        other = getattr(real, key).copy()
        other[0] ^= 1
        names.add(judge.judge_name(real._replace(**{key: other})))
    names.add(judge.judge_name(real._replace(y_train=None, y_test=None)))
    assert len(names) == 6
    assert judge.judge_name(real) == judge.judge_name(load(x_train=IMAGES, y_train=LABELS))


def untrained_judge(data):
    """Stand in for the training, which test_evaluate.py tests."""
    return judge.define_judge(SHAPE, 4, mirror=False), 0.25


def test_a_judge_is_trained_once_and_kept(monkeypatch, capsys):
    monkeypatch.setattr(judge, "train_judge", untrained_judge)
    real = load(x_train=IMAGES, y_train=LABELS)
    first, accuracy = judge.find_judge(real)
    again, same = judge.find_judge(real)
    assert accuracy == same == 0.25
    assert capsys.readouterr().out.count("Training a judge") == 1
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_judge_that_is_damaged_or_cannot_be_kept_gets_one_line(monkeypatch):
    monkeypatch.setattr(judge, "train_judge", untrained_judge)
    real = load(x_train=IMAGES, y_train=LABELS)
    judge.find_judge(real)
    (path,) = Path("keras/judges").glob("*.keras")
    path.write_bytes(path.read_bytes()[:999])
    with pytest.raises(ValueError, match=f"{path.stem}.keras is damaged .*{path.stem}.txt"):
        judge.find_judge(real)
    path.with_suffix(".txt").unlink()  # as it says
    judge.find_judge(real)
    Path("file").write_text("")
    monkeypatch.setenv("KERAS_HOME", "file")
    with pytest.raises(ValueError, match="file/judges.*KERAS_HOME"):
        judge.find_judge(real)
