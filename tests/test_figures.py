"""The figures of an evaluation, each against its definition; no judge, no generator."""

import itertools

import numpy as np
import pytest
from helpers import DIGITS

from evaluation import figures


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def small_blocks(monkeypatch):
    """Let the tables of distances be made in several blocks, the last one smaller."""
    monkeypatch.setattr(figures, "BLOCK", 7)


def all_distances(x, y):
    """Return the Euclidean distances (n, m) between rows, by their definition."""
    return np.sqrt(((x[:, None] - y[None]) ** 2).sum(axis=2))


def test_frechet_distance_of_normal_distributions(rng):
    """Their covariances commute, so that the distance has a formula without a matrix's root."""
    x = rng.normal(size=(5000, 3))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    y = x * [1, 2, 3] + [0, 0, 4]
    assert figures.frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert figures.frechet(x, y) == pytest.approx(16 + (2 - 1) ** 2 + (3 - 1) ** 2)
    assert figures.frechet(y, x) == pytest.approx(figures.frechet(x, y))


def test_frechet_error_is_the_spread_over_samples(rng):
    real = rng.normal(size=(5000, 3))
    found = [rng.normal(0.5, 1, (1000, 3)) for _ in range(200)]
    spread = np.std([figures.frechet(real, samples) for samples in found])
    guessed = np.mean([figures.frechet_error(real, samples) for samples in found[:20]])
    assert guessed == pytest.approx(spread, rel=0.25)


def test_kernel_distance_is_the_mean_over_pairs(rng):
    """Over pairs of different samples, in blocks of half of them each."""
    x = rng.normal(size=(12, 4))
    y = rng.normal(0.5, 1, (12, 4))

    def kernel(a, b):
        return (a @ b / 4 + 1) ** 3

    blocks = []
    for part in (range(0, 6), range(6, 12)):
        pairs = [*itertools.permutations(part, 2)]
        within = [kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs]
        across = [kernel(x[i], y[j]) for i, j in itertools.product(part, part)]
        blocks.append(np.mean(within) - 2 * np.mean(across))
    value, error = figures.kernel_distance(x, y)
    assert value == pytest.approx(np.mean(blocks))
    assert error == pytest.approx(abs(blocks[0] - blocks[1]) / 2)


def test_manifold_figures_are_those_of_their_papers(rng, small_blocks):
    k = 3
    real = rng.normal(size=(40, 2))
    fake = rng.normal(1.2, 1, (30, 2))
    distances = all_distances(real, fake)
    real_radii = np.sort(all_distances(real, real), axis=1)[:, k]
    fake_radii = np.sort(all_distances(fake, fake), axis=1)[:, k]
    within = distances <= real_radii[:, None]
    found = figures.manifold_figures(real, fake, figures.radii(real, k), k)
    assert found == pytest.approx(
        {
            "precision": np.mean(within.any(axis=0)),
            "recall": np.mean((distances <= fake_radii).any(axis=1)),
            "density": within.sum() / k / 30,
            "coverage": np.mean(within.any(axis=1)),
        }
    )
    assert all(0.05 < share < 0.95 for share in found.values())


def test_nearest_and_repetition_are_root_mean_squares(rng, small_blocks):
    images = rng.random((20, 4, 5, 3))
    others = rng.random((30, 4, 5, 3))
    distances = all_distances(images.reshape(20, 60), others.reshape(30, 60)) / np.sqrt(60)
    which, near = figures.nearest(images, others)
    np.testing.assert_array_equal(which, distances.argmin(axis=1))
    np.testing.assert_allclose(near, distances.min(axis=1))
    own = all_distances(images.reshape(20, 60), images.reshape(20, 60)) / np.sqrt(60)
    np.fill_diagonal(own, np.inf)
    assert figures.repetition(images) == pytest.approx(np.median(own.min(axis=1)))


def test_best_map_is_the_best_of_all(rng):
    table = rng.integers(0, 9, (6, 6))
    best = max(table[range(6), order].sum() for order in itertools.permutations(range(6)))
    found = figures.best_map(table)
    assert sorted(found) == [*range(6)]
    assert table[range(6), found].sum() == best
    assert figures.best_map(np.ones((3, 3), int)) == [2, 1, 0]  # the same whenever it is asked


def test_rank_correlation_goes_by_order_alone(rng):
    x = rng.normal(size=100)
    assert figures.rank_correlation(x, np.exp(3 * x)) == pytest.approx(1)
    assert figures.rank_correlation(x, -(x**3)) == pytest.approx(-1)
    assert abs(figures.rank_correlation(x, rng.normal(size=100))) < 0.3


def test_slant_and_stroke_are_what_the_digits_were_drawn_with():
    with np.load(DIGITS) as file:
        measured = figures.slant_and_stroke(file["x_test"][..., None] / np.float32(255))
        for name, found in zip(("slant_test", "stroke_test"), measured, strict=True):
            assert figures.rank_correlation(found, file[name]) > 0.9, name


def test_slant_is_in_degrees_and_stroke_in_pixels():
    y, x = np.mgrid[:60, :60]
    middle = 30 + (30 - y) * np.tan(np.radians(20))  # leans to the right
    leaning = (abs(x - middle) <= 2.5).astype(np.float32)
    upright = (abs(x - 30) <= 2.5).astype(np.float32)
    nothing = np.zeros((60, 60), np.float32)
    images = np.stack([leaning, upright, nothing])[..., None]
    slant, stroke = figures.slant_and_stroke(images)
    np.testing.assert_allclose(slant, [20, 0, 0], atol=1)
    # The edge of a leaning stroke is a stair, as long as its steps across and down.
    assert stroke[0] == pytest.approx(5 / (1 + np.tan(np.radians(20))), rel=0.02)
    assert stroke[1] == pytest.approx(5)
    assert np.isfinite(stroke[2])
