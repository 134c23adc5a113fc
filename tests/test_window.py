"""sampling/window.py: the window of generate.py --explore, driven by Matplotlib's own events."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from generators import INFOGAN, error_of, glass, in_tmp_path  # noqa: F401
from matplotlib.backend_bases import KeyEvent, MouseEvent

import generate
from sampling import window
from sampling.points import generate_latent_points

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


class Driver:
    """Clicks and presses keys in the window that is open, as soon as it is shown."""

    def __init__(self, monkeypatch, drive):
        def show():
            self.figure = plt.gcf()
            *self.bars, self.main = self.figure.axes
            drive(self)
            plt.close(self.figure)

        monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
        monkeypatch.setattr(plt, "show", show)

    def image(self):
        return np.array(self.main.images[0].get_array())

    def title(self):
        return self.main.get_title()

    def names(self):
        """Return the names of the sliders."""
        return [axes.texts[0].get_text() for axes in self.bars]

    def click(self, name, share):
        """Click on a slider, at a share of its length."""
        axes = self.bars[self.names().index(name)]
        x, y = axes.transAxes.transform((share, 0.5))
        for event in ("button_press_event", "button_release_event"):
            MouseEvent(event, self.figure.canvas, x, y, button=1)._process()

    def press(self, key):
        KeyEvent("key_press_event", self.figure.canvas, key)._process()


def test_the_generator_draws_what_the_sliders_say(monkeypatch):
    glass(74, **INFOGAN, class_names=list("abcdefghij"))
    seen = {}

    def drive(driver):
        def point():
            return driver.image().reshape(-1)[:74] * 32 - 16

        assert driver.names() == ["seed", "to seed", "walk", "class", "code1", "code2"]
        seen["first"] = point()
        driver.press("right")
        seen["second"] = point()
        assert driver.title() == "seed 4, class a"
        driver.press("left")
        driver.press("up")
        seen["class"] = point()
        driver.click("code1", 0.75)
        seen["code"] = point()
        driver.click("walk", 1.0)
        seen["walked"] = point()

    Driver(monkeypatch, drive)
    generate.main(["g.h5", "--explore", "--seed", "3"])
    ends = generate_latent_points(INFOGAN["latent"], [3, 4])[:, :62]
    np.testing.assert_allclose(seen["first"][:62], ends[0], atol=1e-4)
    np.testing.assert_allclose(seen["second"][:62], ends[1], atol=1e-4)
    np.testing.assert_allclose(seen["walked"][:62], ends[1], atol=1e-4)
    assert seen["first"][62:72].argmax() == 0 and seen["class"][62:72].argmax() == 1
    np.testing.assert_allclose(seen["code"][72:], [1, 0], atol=0.05)


def test_sliders_are_those_of_the_generator(monkeypatch):
    """The arrows stop at the ends, and do nothing where there are no classes."""
    asked = []

    def draw(seed, other, t, label, codes):
        asked.append((seed, other, t, label, codes))
        return np.zeros((32, 32, 3))

    def drive(driver):
        assert driver.names() == ["seed", "to seed", "walk"]
        assert driver.title() == "seed 5"
        for key in ("up", "down", "left", "x"):
            driver.press(key)
        driver.click("walk", 0.5)

    Driver(monkeypatch, drive)
    window.open_window(draw, 5, classes=0, class_names=[], n_codes=0)
    assert {call[0] for call in asked} == {5} and {call[3] for call in asked} == {0}
    assert asked[0] == (5, 6, 0.0, 0, [])
    assert asked[-1][2] == pytest.approx(0.5, abs=0.02)


def test_no_window_can_be_opened(capsys):
    glass(4)
    assert "no window can be opened" in error_of(capsys, "g.h5", "--explore")
