"""tools/page.py: the controls of its pages, and that texts of strangers run nothing there.

Chromium is started once, and so is Firefox, where there is one, for the tests of `either`.
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
def running(tmp_path_factory):
    yield from chromium.running(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def browser(running):
    """Chromium, which afterwards has its own window and colours again."""
    yield running
    running.ask("Emulation.clearDeviceMetricsOverride")
    running.ask("Emulation.setEmulatedMedia", features=[])


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    if not chromium.FIREFOX:
        pytest.skip("there is no Firefox here")
    browser = chromium.Firefox(tmp_path_factory.mktemp("firefox"))
    yield browser
    browser.close()


@pytest.fixture(params=["browser", "firefox"])
def either(request):
    return request.getfixturevalue(request.param)


def put(browser, name, value):
    """Put a value into a field or slider, and leave it, as a hand does."""
    browser.run(
        f"""(() => {{
          find("{name}").value = {value};
          find("{name}").dispatchEvent(new Event("input"));
          find("{name}").dispatchEvent(new Event("change"));
        }})()"""
    )


def slow(path, milliseconds):
    """Let the worker of a page take so long for each image; return the page's path."""
    draw = "postMessage(draw(data))"
    text = path.read_text()
    assert text.count(draw) == 1
    wait = f"const end = performance.now() + {milliseconds}; while (performance.now() < end);"
    path.write_text(text.replace(draw, f"{{ {wait} {draw} }}"))
    return path


def middle(browser, element):
    """Return where the middle of an element lies in the window, and its width and height."""
    return browser.run(
        f"""(() => {{
          {element}.scrollIntoView({{ block: "center" }});
          const box = {element}.getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2, box.width, box.height];
        }})()"""
    )


def click(browser, element):
    x, y, _, _ = middle(browser, element)
    browser.mouse("mousePressed", x, y)
    browser.mouse("mouseReleased", x, y)


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


def test_the_walk(either):
    browser = either
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


def test_a_walk_writes_only_what_changes(either):
    """A click and what is being typed would be lost, and a screen reader would never be silent."""
    browser = either
    glass(74, **INFOGAN)
    browser.open(make("g.h5"))
    shown(browser)
    browser.run(
        """(() => {
          window.written = [];
          const record = { childList: true, characterData: true, attributes: true, subtree: true };
          new MutationObserver(list => {
            for (const { target } of list) written.push(target.closest("[id]")?.id);
          }).observe(document.body, record);
          find("play").click();
        })()"""
    )
    browser.run("new Promise(done => setTimeout(done, 600))")
    count = "written.filter(id => id === '{}').length"
    assert browser.run(count.format("caption")) > 5
    assert browser.run(count.format("play")) == 1
    for still in ("seed", "other", "classes", "sheet", "again", "said"):
        assert browser.run(count.format(still)) == 0
    live = browser.run(
        "[...document.querySelectorAll('[aria-live], output, [role=status]')].map(x => x.id)"
    )
    assert live == ["said"]
    click(browser, "find('play')")
    place = shown(browser)
    browser.run("new Promise(done => setTimeout(done, 700))")
    assert shown(browser) == place and browser.run("state.playing") is False
    assert browser.run("find('said').textContent") == place[0]
    # nor is it said while a walk plays slowly
    assert browser.run("[pause = 0, state.playing = true, say(), pause].pop()") == 0


def test_a_small_image_ends_the_walk(browser):
    glass(30)
    browser.open(make("g.h5"))
    browser.run("find('play').click()")
    browser.run("new Promise(done => setTimeout(done, 200))")
    browser.run("cells[5].click()")
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert shown(browser)[0] == "seed 6"
    assert browser.run("find('play').textContent") == "play"


# ---- the surface ---------------------------------------------------------------------------------

TILE = """[...find("grid").getContext("2d")
  .getImageData({0} * width, {1} * height, width, height).data].join()"""


def test_the_surface(either):
    """Dragged and by the keys it shows what lies between the first four seeds."""
    browser = either
    glass(30, 10)
    browser.open(make("g.h5"))
    browser.run("find('classes').children[7].click()")
    put(browser, "seed", 20)
    shown(browser)
    x, y, width, height = middle(browser, "find('surface')")

    def drag_to(across, down):  # in small images, of which the first has its middle at 0
        left = x + width * ((across + 0.5) / 5 - 0.5)
        browser.mouse("mouseMoved", left, y + height * ((down + 0.5) / 5 - 0.5))

    def check(across, down):
        place = (across / 100, down / 100)
        caption = f"between seeds 20 to 23, class 7, {across}% across, {down}% down"
        assert shown(browser)[0] == caption
        pixels = np.array(browser.run(f"[...{LARGE}]")).reshape(-1, 4)
        wanted = expected("g.h5", [20, 21, 22, 23], [7], place=place)
        assert np.abs(255 - pixels[:, 0] - wanted[0]).max() <= 1

    browser.mouse("mousePressed", x, y)
    check(50, 50)
    drag_to(3, 1)
    check(75, 25)
    assert browser.run(TILE.format(3, 1)) == browser.run(f"String({LARGE})")
    drag_to(0.4, 3.6)
    check(10, 90)
    drag_to(9, 4.2)  # beyond the edge
    check(100, 100)
    drag_to(2, 4)
    browser.mouse("mouseReleased", x, y + 0.4 * height)
    drag_to(1, 1)  # not held any more
    check(50, 100)
    before = browser.run("scrollY")
    for key in ("ArrowDown", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowRight", "ArrowRight"):
        browser.press(key)
    check(55, 90)
    assert browser.run("scrollY") == before
    assert browser.run("find('surface').ariaValueText") == "55% across, 90% down"
    assert browser.run("document.querySelectorAll('#sheet [aria-current=true]').length") == 0
    put(browser, "walk", 0.5)  # which leaves it
    assert shown(browser)[0] == "seed 20, class 7, 50% of the way to seed 100"


def test_the_surface_of_codes(browser):
    scores = {"code1_slant": 0.4, "code1_stroke": -0.7, "code2_slant": 0.2}
    glass(74, scores=scores, **INFOGAN)
    browser.open(make("g.h5"))
    browser.run("find('classes').children[3].click()")
    shown(browser)
    labels = browser.run("[...document.querySelectorAll('#codes label')].map(x => x.textContent)")
    assert labels == ["code 1: stroke width", "code 2"]
    x, y, width, height = middle(browser, "find('surface')")
    browser.mouse("mousePressed", x - 0.4 * width, y + 0.2 * height)
    browser.mouse("mouseReleased", x, y)
    assert shown(browser)[0] == "seed 1, category 3"
    assert browser.run(CODES) == [-2, 1]
    assert browser.run("find('surface').ariaValueText") == "code 1 -2.00, code 2 1.00"
    wanted = expected("g.h5", [1], [3], codes=[(72, -2), (73, 1)])
    np.testing.assert_allclose(drawn(browser, [1], [3], codes="codes"), wanted, atol=1)
    assert browser.run(TILE.format(0, 3)) == browser.run(f"String({LARGE})")
    put(browser, "code0", 2)  # the pointer follows
    shown(browser)
    assert browser.run("[find('pointer').style.left, find('pointer').style.top]") == ["90%", "70%"]


def test_slow_images(browser):
    """No slider is put back by an image that comes late, and no small images hold up the large."""
    glass(74, **INFOGAN)
    browser.open(slow(make("g.h5"), 15))
    browser.run(
        """let most = 0; // in flight
        const early = []; // small ones that were asked for where a large one was wanted
        const askOnce = ask;
        ask = request => {
          if (stale && request.seeds[1] !== state.other) early.push(request);
          const answer = askOnce(request);
          most = Math.max(most, waiting.length);
          return answer;
        };
        find("code0").focus();
        find("code0").value = -1;
        find("code0").oninput()"""
    )
    for k in range(1, 21):
        browser.press("ArrowRight")
        assert browser.run("find('code0').valueAsNumber.toFixed(2)") == f"{-1 + k / 100:.2f}"
    shown(browser)
    assert browser.run("find('code0').valueAsNumber") == -0.8
    assert browser.run("[most, early.length]") == [1, 0]


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
    browser.run(
        """const starts = [];
        const startOnce = start;
        start = seed => { starts.push(seed); startOnce(seed); }; 0"""
    )
    type_into(browser, "seed", typed, leave)
    assert shown(browser)[0] == f"seed {typed}, category 0"
    own = points.generate_latent_points(INFOGAN["latent"], [int(typed)])[0, -2:]
    np.testing.assert_allclose(browser.run(CODES), own, atol=0.006)
    assert browser.run("codes") == [None, None]
    assert browser.run("starts") == [int(typed)]  # once


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
    looks = browser.run(
        """[cells[0], cells[11], cells[12]].map(cell => {
          const { outlineStyle, boxShadow } = getComputedStyle(cell);
          return [outlineStyle, boxShadow];
        })"""
    )
    current, focused, neither = looks
    assert current[0] == neither[0] == "none" and focused[0] == "solid"
    assert focused[1] == neither[1] != current[1]
    browser.press("Enter")
    assert shown(browser)[0] == "seed 2, class 1"
    browser.run("find('play').focus()")
    for _ in range(2):
        browser.press("Tab")
    assert browser.run("document.activeElement.id") == "other"
    browser.press("Tab")
    assert browser.run("document.activeElement.id") == "surface"
    browser.press("Tab")
    assert browser.run("document.activeElement === cells[11]")  # the sheet is one stop
    unnamed = """[...document.querySelectorAll("button, input, main [role]")].filter(x =>
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


PLACES = """[...document.querySelectorAll("canvas, button, input, dl")].map(x =>
  [x.offsetLeft, x.offsetTop, x.offsetWidth, x.offsetHeight])"""


def test_nothing_moves_when_images_are_drawn(browser, tmp_path):
    glass(30, 10)
    page = make("g.h5")
    silent = tmp_path / "silent.html"
    silent.write_text(page.read_text().replace("postMessage(draw(data))", "null"))
    browser.open(silent)
    before = browser.run(PLACES)
    assert browser.run("waiting.length") == 1
    browser.open(page)
    shown(browser)
    assert browser.run(PLACES) == before
    assert browser.run("[find('large').width, cells[0].firstChild.height]") == [28, 28]


@pytest.mark.parametrize("size", [(1200, 800), (390, 800)])
def test_nothing_moves_when_the_caption_gets_long(browser, size):
    glass(30, 10, class_names=[*"abcdefghi", 40 * "j"])
    browser.open(make("g.h5"))
    browser.resize(*size)
    shown(browser)
    before = browser.run(PLACES)
    browser.run("show({ seed: 999999999, other: 999999998, label: 9, walk: 1 })")
    assert "100% of the way to seed 999999998" in shown(browser)[0]
    assert browser.run(PLACES) == before


@pytest.mark.parametrize("size", [(1200, 800), (800, 390), (390, 800)])
def test_the_large_image_stays_in_view(browser, size):
    glass(30, 10)
    browser.open(make("g.h5"))
    browser.resize(*size)
    shown(browser)
    for element in ("find('again')", "find('surface')", "cells[39]"):
        top, bottom = browser.run(
            f"""(() => {{
              {element}.scrollIntoView({{ block: "center" }});
              const box = find("large").getBoundingClientRect();
              return [box.top, box.bottom];
            }})()"""
        )
        assert 0 <= top < bottom <= size[1]
    # and hides nothing that the keyboard comes to
    for element in ("find('walk')", "find('seed')", "find('again')"):
        browser.run(f"{element}.focus()")
        seen = f"""(() => {{
          const box = {element}.getBoundingClientRect();
          return document.elementFromPoint(box.left + 5, box.top + 5) === {element};
        }})()"""
        assert browser.run(seen)


def test_forced_colours(browser):
    """Where a system takes away backgrounds and shadows, what is chosen is still to be seen."""
    glass(30, 10)
    browser.open(make("g.h5"))
    shown(browser)
    forced = {"name": "forced-colors", "value": "active"}
    browser.ask("Emulation.setEmulatedMedia", features=[forced])
    browser.run(
        "add(document.body, 'i').style = 'background: Highlight; forced-color-adjust: none'"
    )
    chosen, other, highlight = browser.run(
        """[...find("classes").children].slice(0, 2).concat(document.body.lastChild).map(x =>
          getComputedStyle(x).backgroundColor)"""
    )
    assert chosen == highlight != other
    outline = "getComputedStyle(cells[{}]).outlineStyle"
    browser.run("cells[0].focus()")
    browser.press("ArrowRight")
    styles = [browser.run(outline.format(k)) for k in range(3)]
    assert styles == ["solid", "dashed", "none"]


def test_while_it_loads_and_without_javascript(browser, tmp_path):
    glass(30)
    path = make("g.h5")
    loading = tmp_path / "loading.html"
    text = path.read_text()
    loading.write_text(text[: text.rindex("<script>")])
    seen = []
    for page in (path, loading):
        browser.open(page)
        seen.append(browser.run("document.body.innerText"))
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(path)
    seen.append(browser.run("document.body.innerText"))
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert ["loading" in text for text in seen] == [False, True, False]
    assert ["switched off" in text for text in seen] == [False, False, True]


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
    said = {"script": script, "epoch": {"a": [script]}, "data": {"name": script}}
    glass(30, 10, class_names=names, scores=scores, **said)
    path = make("g.h5")
    assert path.stat().st_size < 200_000
    browser.open(path)
    assert shown(browser)[0] == f"seed 1, class {script[:40]}"
    facts = browser.run("[...document.querySelectorAll('dt, dd')].map(x => x.textContent)")
    assert script[:40] in facts
    assert facts[facts.index("recall") + 1] == "0.250 (more is better)"
    assert "precision" not in facts and "Fréchet distance" not in facts
    assert browser.run("document.title") == "A neural network that draws pictures"
    assert browser.run("document.scripts.length") == 3 + browser.run("pieces.length")
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
