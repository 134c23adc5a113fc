"""tools/page.py: the controls of its pages, and that texts of strangers run nothing there.

Chromium is started once.
"""

import time

import numpy as np
import pytest
from generators import INFOGAN, glass, in_tmp_path  # noqa: F401
from pages import drawn, expected, make, shown
from PIL import Image

from sampling import points
from sampling.program import plain

pytest.importorskip("fcntl", reason="browser.py hands pipes to Chromium as Unix does")
import browser as chromium

LARGE = "find('large').getContext('2d').getImageData(0, 0, width, height).data"
CODES = "[find('code0').value, find('code1').value].map(Number)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    yield from chromium.running(tmp_path_factory.mktemp("profile"))


def put(browser, name, value):
    """Put a value into a field or slider, and leave it, as a hand does."""
    browser.run(
        f"""find("{name}").value = {value};
        find("{name}").dispatchEvent(new Event("input"));
        find("{name}").dispatchEvent(new Event("change"))"""
    )


def type_into(browser, name, *keys):
    """Type over what stands in a field."""
    browser.run(f"find('{name}').focus(); find('{name}').select()")
    for key in keys:
        browser.press(key)


# ---- the controls --------------------------------------------------------------------------------


def test_controls_of_a_conditional_generator(browser):
    glass(30, 10, class_names=[*"abcdefghij"])
    browser.open(make("g.h5"))
    first = shown(browser)
    assert first[0] == "seed 1, class a"
    assert browser.run("cells.length") == 40
    browser.run("find('classes').children[3].click()")
    assert shown(browser)[0] == "seed 1, class d" and shown(browser)[1] != first[1]
    assert browser.run("document.querySelectorAll('[aria-pressed=true]').length") == 1
    browser.run("cells[27].click()")  # row 3, column 8
    clicked = shown(browser)
    assert clicked[0] == "seed 3, class h"
    assert browser.run("find('seed').value") == "3"
    assert browser.run("document.querySelector('#sheet [aria-current=true]') === cells[27]")
    small = "cells[27].firstChild.getContext('2d').getImageData(0, 0, width, height).data"
    assert browser.run(f"String({small}) === String({LARGE})")
    # a seed, with its image as generate.py draws it, dark on white
    put(browser, "seed", 42)
    assert shown(browser)[0] == "seed 42, class h"
    pixels = np.array(browser.run(f"[...{LARGE}]")).reshape(-1, 4)
    assert (pixels[:, 3] == 255).all() and (pixels[:, 0] == pixels[:, 2]).all()
    assert np.abs(255 - pixels[:, 0] - expected("g.h5", [42], [7])[0]).max() <= 1
    assert browser.run("cells[0].seed") == 42
    browser.run("find('again').click()")
    assert shown(browser)[0] != "seed 42, class h" and browser.run("cells[0].seed") != 42


def test_the_walk(browser):
    glass(30)
    browser.open(make("g.h5"))
    start = shown(browser)
    assert start[0] == "seed 1"
    put(browser, "other", 9)
    put(browser, "walk", 0.3)
    assert shown(browser)[0] == "seed 1, 30% of the way to seed 9"
    assert browser.run("find('walk').ariaValueText") == "30% of the way to seed 9"
    put(browser, "walk", 1)
    end = shown(browser)
    assert end[0] == "seed 1, 100% of the way to seed 9" and end[1] != start[1]
    put(browser, "seed", 9)
    assert shown(browser) == ["seed 9", end[1]]
    assert browser.run("find('walk').value") == "0"
    assert browser.run("find('walk').ariaValueText") == "0% of the way to seed 9"


def test_playing(browser):
    glass(30)
    browser.open(make("g.h5"))
    browser.run("find('play').click()")
    seen = browser.run(
        """new Promise(done => {
          const seen = new Set();
          const look = setInterval(() => {
            seen.add(find("walk").value);
            if (seen.size <= 8) return;
            clearInterval(look);
            done(find("play").textContent);
          }, 20);
        })"""
    )
    assert seen == "stop" and browser.run("state.playing")
    type_into(browser, "other", "2", "5")  # which the walk leaves alone
    time.sleep(0.2)
    assert browser.run("find('other').value") == "25"
    browser.run("find('play').click()")
    place = shown(browser)
    time.sleep(0.2)
    assert shown(browser) == place and browser.run("find('play').textContent") == "play"


def test_codes_of_an_infogan(browser):
    glass(74, **INFOGAN)
    browser.open(make("g.h5"))
    own = points.generate_latent_points(INFOGAN["latent"], [1])[0, -2:]
    assert shown(browser)[0] == "seed 1, category 0"
    np.testing.assert_allclose(browser.run(CODES), own, atol=0.006)
    put(browser, "code1", -1.5)
    assert shown(browser)[0] == "seed 1, category 0"
    images = drawn(browser, [1], [0], codes="codes")
    wanted = expected("g.h5", [1], [0], codes=[(73, -1.5)])
    np.testing.assert_allclose(images, wanted, atol=1)


@pytest.mark.parametrize("leave", ["Enter", "Tab"])
@pytest.mark.parametrize("typed", ["1", "2"])
def test_a_seed_begins_anew(browser, typed, leave):
    """With its own codes and before the walk, also where it is the seed that is shown."""
    glass(74, **INFOGAN)
    browser.open(make("g.h5"))
    shown(browser)
    put(browser, "code1", -1.5)
    put(browser, "walk", 0.5)
    assert "50% of the way" in shown(browser)[0]
    type_into(browser, "seed", typed, leave)
    assert shown(browser)[0] == f"seed {typed}, category 0"
    own = points.generate_latent_points(INFOGAN["latent"], [int(typed)])[0, -2:]
    np.testing.assert_allclose(browser.run(CODES), own, atol=0.006)
    assert browser.run("codes") == [None, None]
    assert browser.run("sheets") == 3  # begun thrice: at first, by the code, and by the seed


@pytest.mark.parametrize("field", ["seed", "other"])
def test_an_empty_field_keeps_its_seed(browser, field):
    glass(30)
    browser.open(make("g.h5"))
    put(browser, "seed", 7)
    put(browser, "other", 8)
    put(browser, "walk", 0.5)
    before = shown(browser)
    type_into(browser, field, "Backspace")
    assert browser.run(f"find('{field}').value") == ""
    browser.press("Tab")
    assert shown(browser) == before
    assert browser.run("[find('seed').value, find('other').value]") == ["7", "8"]


def test_seeds_stay_in_their_range(browser):
    glass(30)
    browser.open(make("g.h5"))
    for typed, seed in {"-3": 0, "2.7": 2, "1e12": 999_999_999}.items():
        put(browser, "seed", f"'{typed}'")
        assert shown(browser)[0] == f"seed {seed}"
        assert browser.run("find('seed').value") == str(seed)


def test_the_time_of_an_image(browser):
    """It is the median of the last ones."""
    glass(30)
    browser.open(make("g.h5"))
    shown(browser)
    assert float(browser.run("find('time').textContent")) > 0
    browser.run("times.length = 0; [900, 3, 2, 5, 4].forEach(noteTime)")
    assert browser.run("find('time').textContent") == "4.0"
    browser.run("for (let k = 0; k < 200; k++) noteTime(70)")
    assert browser.run("find('time').textContent") == "70.0"
    assert browser.run("times.length") < 200


# ---- the keyboard, and where things stand --------------------------------------------------------


def test_the_keyboard(browser):
    glass(30, 10)
    browser.open(make("g.h5"))
    shown(browser)
    assert browser.run("cells.map(cell => cell.tabIndex).join('')") == "0" + 39 * "-1"
    browser.run("cells[0].focus()")
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    assert browser.run("document.activeElement === cells[11]")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(outline) == "solid"
    browser.press("Enter")
    assert shown(browser)[0] == "seed 2, class 1"
    browser.run("find('play').focus()")
    for _ in range(2):
        browser.press("Tab")
    assert browser.run("document.activeElement.id") == "other"
    browser.press("Tab")
    assert browser.run("document.activeElement === cells[11]")  # the sheet is one stop
    unnamed = """[...document.querySelectorAll("button, input, [role]")].filter(x =>
      !(x.ariaLabel || x.labels?.length || x.textContent || x.getAttribute("aria-labelledby")))"""
    assert browser.run(f"{unnamed}.length") == 0


def test_arrow_keys_do_not_scroll(browser):
    glass(30, 10)
    browser.open(make("g.h5"))
    shown(browser)
    browser.resize(400, 300)
    # The window is scrolled somewhere, where the keys could move it both ways.
    browser.run("cells[0].focus(); window.scrollBy(0, -100)")
    before = browser.run("scrollY")
    assert 0 < before < browser.run("document.documentElement.scrollHeight") - 400
    for key in ("ArrowUp", "ArrowLeft"):  # past the sheet's corner
        browser.press(key)
    browser.run("new Promise(done => setTimeout(done, 300))")  # scrolling is smooth
    assert browser.run("scrollY") == before
    assert browser.run("document.activeElement === cells[0]")
    browser.ask("Emulation.clearDeviceMetricsOverride")


def test_nothing_moves_when_images_are_drawn(browser, tmp_path):
    glass(30, 10)
    page = make("g.h5")
    silent = tmp_path / "silent.html"
    silent.write_text(page.read_text().replace("postMessage(draw(data))", "null"))
    places = """[...document.querySelectorAll("canvas, button, input, dl")].map(x =>
      [x.offsetLeft, x.offsetTop, x.offsetWidth, x.offsetHeight])"""
    browser.open(silent)
    before = browser.run(places)
    assert browser.run("waiting.length") == 2
    browser.open(page)
    shown(browser)
    assert browser.run(places) == before
    assert browser.run("[find('large').width, cells[0].firstChild.height]") == [28, 28]


def test_save_png(browser, tmp_path):
    glass(30)
    browser.open(make("g.h5"))
    shown(browser)
    browser.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.run("find('save').click()")
    saved = tmp_path / "g.h5_seed_1.png"
    deadline = time.monotonic() + 60
    while not saved.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with Image.open(saved) as image:
        assert image.size == (560, 560)
        pixels = np.asarray(image)[..., 0]
    sharp = pixels[::20, ::20].repeat(20, 0).repeat(20, 1)
    np.testing.assert_array_equal(pixels, sharp)
    pixels = pixels[::20, ::20]
    assert np.abs(255 - pixels.ravel() - expected("g.h5", [1], [0])[0]).max() <= 1


# ---- whose texts run nothing ---------------------------------------------------------------------


def test_a_hostile_file(browser):
    """Texts out of a file stay texts, and the page asks for nothing but itself and its worker."""
    script = '</script><script>document.title="hacked"</script>'
    names = [script, "{{weights}}", "<img src=x onerror=alert(1)>", "\u2028", "e" * 300]
    names += ["</script", "{{engine}}{{content}}", "&lt;b>", "__proto__", "\\"]
    scores = {"frechet": float("nan"), "precision": script, "recall": 0.25, "__proto__": 1}
    glass(30, 10, class_names=names, script=script, epoch={"a": [script]}, scores=scores)
    path = make("g.h5")
    assert path.stat().st_size < 200_000
    browser.open(path)
    assert shown(browser)[0] == f"seed 1, class {script[:40]}"
    facts = browser.run("[...find('facts').children].map(x => x.textContent)")
    assert script[:40] in facts and facts[facts.index("recall") + 1] == "0.250"
    assert "precision" not in facts and "Fréchet distance" not in facts
    assert "hacked" not in browser.run("document.title").replace(script[:40], "")
    assert browser.run("document.scripts.length") == 4
    assert browser.run("document.querySelectorAll('img').length") == 0
    buttons = browser.run("[...find('classes').children].map(x => x.textContent)")
    assert buttons == [plain(name) for name in names]
    asked = browser.requests()
    assert asked[0] == path.as_uri() and all(url.startswith("blob:null/") for url in asked[1:])
    policy = browser.run("document.querySelector('meta[http-equiv]').content")
    assert policy.split(";")[0] == "default-src 'none'"
    assert browser.run("fetch('data:,x').then(() => 'loaded', () => 'refused')") == "refused"
    browser.resize(390, 800)  # on a telephone nothing sticks out
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.ask("Emulation.clearDeviceMetricsOverride")
