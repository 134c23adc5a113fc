"""evaluation/report.py and ranking.py: tables, pictures and page of scores that are made up."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evaluation import ranking, report

pytest.importorskip("fcntl", reason="browser.py hands pipes to Chromium as Unix does")
from browser import running

FLOOR = {"frechet": 0.5, "precision": 0.9, "recall": 0.9, "coverage": 0.9}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from running(tmp_path_factory.mktemp("profile"))


def made_up(file, epoch, frechet, shade):
    """Return the Result of a file whose images are all of one shade."""
    row = {"file": file, "epoch": epoch, "frechet": frechet, "frechet_se": 0.1}
    row |= {"precision": 0.5, "recall": 0.4, "coverage": 0.3}
    sheet = np.full((30, 30, 1), shade, np.float32)
    details = {"grid": sheet, "neighbours": sheet, "confusion": [[3, 1], [0, 4]], "map": None}
    return ranking.Result(file, row, details)


def save(folder, results, losses="none.csv"):
    """Write the report of results into a folder, ranked; return them, best first."""
    ranked = ranking.rank(results)
    facts = {"file": ranked[0].row["file"], "epoch": ranked[0].row["epoch"], "floor": FLOOR}
    facts |= {"class_names": ["a", "b"], "samples": 8, "seed": 1, "data": "x", "script": ""}
    facts |= {"judge_accuracy": 0.99}
    report.save_report(folder, ranked, facts, folder / losses, "python generate.py <run>")
    return ranked


def shades(path):
    """Return the shade, 0 to 1, in the lower half of each frame of a film of grey sheets."""
    found = []
    with Image.open(path) as film:
        for k in range(film.n_frames):
            film.seek(k)
            pixels = np.asarray(film.convert("L"))
            found.append(1 - np.median(pixels[-15:]) / 255)  # drawn dark on white
    return found


@pytest.fixture
def mixed(tmp_path):
    """Return the results of files with and without an epoch, and the folder of their report."""
    results = [
        made_up("run/generator_model_1010.h5", 1010, 3.0, 0.9),
        made_up("run/generator_model_505.h5", 505, 4.0, 0.7),
        made_up("strange$1$ é.h5", None, 2.0, 0.5),
        made_up("a_10.h5", None, 5.0, 0.3),
        made_up("a_9.h5", None, 6.0, 0.1),
    ]
    return save(tmp_path, results), tmp_path


def test_the_table_goes_by_name_its_numbers_counted(mixed):
    results, folder = mixed
    with open(folder / "scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["epoch"]) for row in rows] == [
        ("a_9.h5", ""),
        ("a_10.h5", ""),
        ("run/generator_model_505.h5", "505"),
        ("run/generator_model_1010.h5", "1010"),
        ("strange$1$ é.h5", ""),
    ]
    best = json.loads((folder / "best.json").read_text())
    assert (best["file"], best["epoch"]) == ("strange$1$ é.h5", None)


def test_the_film_goes_by_epoch_files_without_one_first(mixed):
    _, folder = mixed
    np.testing.assert_allclose(
        shades(folder / "timeline.gif"), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.02
    )


def test_the_film_names_each_frame(mixed, monkeypatch):
    results, folder = mixed
    written = []
    monkeypatch.setattr(report, "save_animation", lambda path, frames, ms: written.extend(frames))
    save(folder, results)
    titles = [title for _, title in written]
    assert titles == ["a_9", "a_10", "strange?1? ?", "epoch 505", "epoch 1010"]


def test_the_curves_go_by_epoch_and_name_files_without_one(mixed, monkeypatch, tmp_path):
    results, folder = mixed
    drawn = []

    def figure(**options):
        drawn.append(Figure(**options))
        return drawn[-1]

    monkeypatch.setattr(report, "Figure", figure)
    rows = [result.row for result in sorted(results, key=lambda x: report.epoch_order(x.row))]
    report.save_curves(tmp_path / "again.png", rows, FLOOR)
    assert (tmp_path / "again.png").read_bytes() == (folder / "scores.png").read_bytes()
    left, right = drawn[0].axes
    for part in (left, right):
        named = [text.get_text() for text in part.get_xticklabels()]
        assert named == ["a_9", "a_10", "strange?1? ?", "505", "1010"]
    np.testing.assert_allclose(left.lines[0].get_ydata(orig=False), [6, 5, 2, 4, 3])
    shown = [line.get_label() for line in right.lines]
    assert shown == ["precision", "recall", "coverage"]  # there is no agreement


def test_the_page_goes_by_epoch_and_leaves_what_is_unknown_empty(mixed, browser):
    _, folder = mixed
    browser.open(folder / "report.html")
    titles = browser.run(
        """(() => {
          const seen = [], slider = document.getElementById("epoch");
          for (let k = 0; k <= Number(slider.max); k++) {
            slider.value = k; slider.dispatchEvent(new Event("input"));
            seen.push(document.getElementById("title").textContent.split(":")[0]);
          }
          return seen;
        })()"""
    )
    assert titles == [
        "a_9.h5",
        "a_10.h5",
        "strange$1$ é.h5",
        "epoch 505, run/generator_model_505.h5",
        "epoch 1010, run/generator_model_1010.h5",
    ]
    cells = browser.run(
        "[...document.querySelectorAll('#ranking tr')].map(row => row.cells[2].textContent)"
    )
    assert cells == ["epoch", "", "1010", "505", "", "", ""]  # the last: test images
    shares = browser.run(
        "[...document.querySelectorAll('#confusion tbody td')].map(cell => cell.textContent)"
    )
    assert shares == ["75", "25", "", "100"]
    assert [url[:5] for url in browser.requests() if url[:5] != "data:"] == ["file:"]  # itself


CHARTS = "[...document.querySelectorAll('#charts svg[role=img]')].map(x => x.ariaLabel)"


def test_the_charts_say_what_they_show(mixed, browser):
    """By name where a file has no epoch; the losses where there are some."""
    results, folder = mixed
    browser.open(folder / "report.html")
    distances, shares = browser.run(CHARTS)
    assert "from 6 at a_9 to 3 at 1010, least 2 at strange?1? ?" in distances
    assert "precision (samples that lie among real images) from 0.5 at a_9" in shares
    (folder / "losses.csv").write_text("epoch,batch,d,g\n1,1,0.7,0.8\n1,2,0.6,nan\n2,1,0.5,1\n")
    save(folder, results, "losses.csv")
    browser.open(folder / "report.html")
    losses = browser.run(CHARTS)[2]
    assert "d from 0.7 at 0.5 to 0.5 at 1.5, least 0.5 at 1.5; g from 0.8 at 0.5" in losses


@pytest.mark.parametrize("width,height", [(1200, 800), (390, 844)])
def test_the_grid_stays_in_view_while_the_rows_are_tried(width, height, tmp_path, browser):
    """Rows are buttons: Tab reaches them, Enter shows the snapshot."""
    save(tmp_path, [made_up(f"model_{k}.h5", k, 1.0 + k, k / 40) for k in range(1, 41)])
    browser.resize(width, height)
    browser.open(tmp_path / "report.html")
    browser.run("[...document.querySelectorAll('#ranking button')].at(-2).focus()")
    browser.press("Tab")
    browser.press("Enter")
    pressed = "document.querySelector('#ranking [aria-pressed=true]')"
    assert browser.run(f"{pressed}.textContent") == "epoch 40"
    assert browser.run("document.getElementById('grid').alt") == "samples of epoch 40, model_40.h5"
    assert browser.run("document.getElementById('epoch').value") == "39"
    box = "document.getElementById('grid').getBoundingClientRect()"
    assert 0 <= browser.run(f"{box}.top") < browser.run(f"{box}.bottom") <= height
    assert browser.run("scrollX") == 0 and browser.run("document.body.scrollWidth") <= width


GOOD = {"file": "a.h5", "epoch": 7, "frechet": 0.2, "rank": 1, "recall": 0.8, "precision": 0.8}


@pytest.mark.parametrize(
    "changes,said",
    [
        ({}, "Use a.h5 (epoch 7): its Fréchet distance is 0.2, that of real images 0.5."),
        ({"epoch": None}, "Use a.h5: its"),
        ({}, "lie among real ones (precision 0.80). It draws most of what is real (recall 0.80)."),
        ({"precision": 0.6}, "Many of its images are like no real one (precision 0.60)."),
        ({"precision": 0.3}, "Most of its images are far from real ones (precision 0.30)."),
        ({"recall": 0.5}, "It leaves out much of what is real (recall 0.50)."),
        ({"recall": 0.02}, "It repeats itself: little of what is real is drawn (recall 0.02)."),
        ({"missing": 3}, "Of the classes 3 are hardly drawn."),
        ({"agreement": 0.75}, "Of 100 images 25 are of another class than asked."),
        ({"near_copies": 0.2}, "Of 100 images 20 are near copies of training images."),
    ],
)
def test_the_answer_says_what_is_good_and_what_is_not(changes, said):
    assert said in " ".join(ranking.answer([GOOD | changes], FLOOR))
    only = len(ranking.answer([GOOD], FLOOR))
    assert len(ranking.answer([GOOD | changes], FLOOR)) - only == (
        not changes.keys().isdisjoint({"missing", "agreement", "near_copies"})
    )


def test_the_answer_names_those_that_are_as_good():
    rows = [GOOD, GOOD | {"file": "b.h5", "epoch": 8}, GOOD | {"file": "c.h5", "rank": 3}]
    assert ranking.answer(rows, FLOOR)[-1] == "As good within the error: b.h5 (epoch 8)."


def test_the_page_answers_first_with_the_command(mixed, browser):
    _, folder = mixed
    browser.open(folder / "report.html")
    text = browser.run("document.body.innerText")
    assert text.index("Use strange$1$ é.h5: its") < text.index("python generate.py <run>")
    assert text.index("python generate.py <run>") < text.index("Ranking")


def test_a_wide_sheet_is_shown_as_wide_as_the_page(tmp_path, browser):
    width_of = "document.getElementById('grid').width"
    width_of_page = "document.getElementById('charts').offsetWidth"
    shown = {}
    for width in (30, 2000):
        result = made_up("a.h5", 1, 1.0, 0.5)
        result.details["grid"] = np.zeros((30, width, 1), np.float32)
        save(tmp_path, [result])
        browser.open(tmp_path / "report.html")
        shown[width] = browser.run(width_of) / browser.run(width_of_page)
    assert shown[30] < 0.8 and shown[2000] > 0.95


@pytest.mark.parametrize(
    "name,said,epoch",
    [
        ("cgan_mnist.h5", 150, 150),
        ("generator_model_010.h5", 150, 150),
        ("generator_model_010.h5", None, 10),
        ("generator_model_010.h5", 0, 0),
        ("model_93700.h5", "7", 93700),
        ("model_5.h5", True, 5),
        ("model_5.h5", -1, 5),
        ("model_5.h5", 10**300, 5),
        ("model_5.h5", [7], 5),
        ("cgan_mnist.h5", 7.0, None),
        ("cgan_mnist.h5", None, None),
        ("model_1234567890123.h5", None, None),
        ("model_5_best.h5", None, None),
    ],
)
def test_an_epoch_is_what_the_file_says_or_else_its_name(name, said, epoch):
    assert ranking.find_epoch(Path(name), {"epoch": said}) == epoch
    if said is None:
        assert ranking.find_epoch(Path(name), {}) == epoch


def test_ranks_within_one_standard_error_of_the_best_are_equal():
    distances = [3.0, 1.0, 1.1, 1.2]
    results = [made_up("x", 1, distance, 0.5) for distance in distances]
    ranked = ranking.rank(results)
    assert [(result.row["frechet"], result.row["rank"]) for result in ranked] == [
        (1.0, 1),
        (1.1, 1),
        (1.2, 3),
        (3.0, 4),
    ]
