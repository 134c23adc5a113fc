"""What the tests of tools/page.py share: pages, and what they draw and what they should draw."""

import json

import numpy as np
import page
import pytest

from sampling import draw, files, points

SEEDS = [0, 1, 42, 999_999_999]
KEEP = "codes.map(() => null)"  # JavaScript: the seeds' own codes


def make(model, *flags):
    """Write the page of a generator, a file or a run; return its path."""
    path = page.Path("page.html").absolute()
    page.main([str(model), "--out", str(path), *flags])
    return path


def refused(capsys, *command):
    """Return the one line with which page.py refuses a command."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        page.main([str(word) for word in command])
    lines = capsys.readouterr().err.splitlines()
    assert error.value.code == 2 and len(lines) == 1, lines
    return lines[0]


def engine():
    """Return the JavaScript that draws."""
    return page.ENGINE.read_text(encoding="utf-8")


def drawn(browser, seeds, labels, codes=KEEP):
    """Return what the open page draws, (n, pixels) of 0 to 255."""
    wanted = json.dumps([*zip(seeds, labels, strict=True)])
    images = browser.run(
        f"""(async () => {{
          small.surface = small.sheet = []; // they need not be finished
          const images = [];
          for (const [seed, label] of {wanted}) {{
            const seeds = [seed, seed];
            const image = await ask({{ seeds, place: [0, 0], label, codes: {codes} }});
            images.push([...image.pixels]);
          }}
          return images;
        }})()"""
    )
    return np.array(images, float)


def expected(path, seeds, labels, codes=(), place=None, **said):
    """Return what generate.py draws of these seeds and classes, (n, pixels) of 0 to 255.

    `codes` are pairs of a column and its value; `place`, (across, down), is one in the square
    between four seeds, of which one image is drawn; `said` is what flags say of the generator.
    """
    model, about = files.open_generator(path, **said)
    draw.settle_range(model, about)
    labels = np.array(labels)
    chosen = points.generate_latent_points(about["latent"], seeds)
    if place is not None:
        chosen = in_square(chosen, place, about["latent"])[None]
    points.set_classes(chosen, labels, about)
    for column, value in codes:
        chosen[:, column] = value
    images = np.concatenate([*draw.draw_images(model, about, chosen, labels)])
    return images.reshape(len(chosen), -1) * 255


def in_square(corners, place, parts):
    """Return the point (width,) at a place (across, down) between four, of which two are above."""
    a, b, c, d = corners
    across, down = place
    above = points.between(a, b, across, parts)
    below = points.between(c, d, across, parts)
    return points.between(above, below, down, parts)


def same(browser, path, labels, seeds=SEEDS, within=2):
    """Assert that the page of a generator draws what generate.py draws, and not one grey."""
    browser.open(make(path))
    images = drawn(browser, seeds, labels)
    wanted = expected(path, seeds, labels)
    assert images.shape == wanted.shape
    assert wanted.std() > 10
    assert np.abs(images - np.rint(wanted)).max() <= within


def shown(browser):
    """Wait until large image and sheet are drawn; return caption, and a number for the image."""
    return browser.run(
        """new Promise(done => setTimeout(function look() {
          if (waiting.length || drawing) return setTimeout(look, 20);
          const { data } = find("large").getContext("2d").getImageData(0, 0, width, height);
          done([find("caption").textContent, data.reduce((sum, x, k) => (31 * sum + x) % 1e9, 7)]);
        }, 20))"""
    )
