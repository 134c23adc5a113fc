"""Draw two small labelled picture sets, so that every script here can train without a download.

    python samples/make_samples.py                    # writes beside this file, about 10 s
    python samples/make_samples.py --out elsewhere --seed 2

Needs NumPy and Matplotlib only. The same seed and versions give the same arrays on every run.

digits.npz: digits from the fonts that come with Matplotlib, each with its own slant, stroke,
width, size, rotation and bend; white on black, centred, about 20 pixels tall as in MNIST.
    x_train (5500, 28, 28) uint8 0..255     x_test (500, 28, 28)
    y_train (5500,) uint8 0..9              y_test (500,)
    slant_train (5500,) float32             slant_test (500,)
        degrees by which an upright stem leans to the right of the vertical, -25..25
    stroke_train (5500,) float32            stroke_test (500,)
        mean thickness of the drawn stroke in pixels, 1.5..4.3: that of the font's outline
        (twice its area over its length) plus what the pen adds to it or takes away

objects.npz: ten kinds of things in front of varied scenery.
    x_train (3400, 32, 32, 3) uint8 0..255, RGB     x_test (200, 32, 32, 3)
    y_train (3400,) uint8 0..9                      y_test (200,)
    class_names (10,) str: sun, house, tree, flower, mushroom, fish, boat, car, balloon, rocket

In both sets all classes are equally frequent and the order is shuffled.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

N_DIGITS, N_OBJECTS = 5500, 3400  # for training; as many objects as fit in 2 MB
ZOOM = 4  # every picture is drawn 4 times as large and averaged down

# ---------------------------------------------------------------- drawing


def new_canvas(rows):
    """Return an Agg canvas filled with the colours `rows`, (size, 3) 0..255 from top to bottom."""
    size = len(rows) * ZOOM
    canvas = RendererAgg(size, size, 72)  # at 72 dpi one point is one pixel
    pixels = np.asarray(canvas.buffer_rgba())
    pixels[..., :3], pixels[..., 3] = np.repeat(rows, ZOOM, axis=0)[:, None], 255
    return canvas


def paint(canvas, outline, colour, place, pen_colour="black", pen_width=0.0):
    """Fill the outline; `place` leads to pixels, y upwards; `pen_width` is in pixels."""
    pen = canvas.new_gc()
    pen.set_joinstyle("round")
    pen.set_snap(False)  # snapping to whole pixels would undo small rotations
    pen.set_foreground(pen_colour)
    pen.set_linewidth(pen_width * ZOOM)
    canvas.draw_path(pen, outline, place + Affine2D().scale(ZOOM), to_rgb(colour))


def picture(canvas):
    """Return the canvas averaged down to its final size: (size, size, 3) floats, 0..255."""
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(float)
    size = len(pixels) // ZOOM
    return pixels.reshape(size, ZOOM, size, ZOOM, 3).mean(axis=(1, 3))


def shuffled_labels(n, rng):
    """Return n labels (n,) uint8, the ten classes equally often, in random order."""
    return rng.permutation(np.arange(n) % 10).astype(np.uint8)


# ---------------------------------------------------------------- digits

# Strokes of nearly one thickness: these are drawn from thin to thick. In the others hairlines
# would vanish and loops would fill, so they only get a little thicker than they are.
EVEN_FONTS = ["DejaVuSans", "DejaVuSans-Bold", "cmss10", "cmtt10"]
OTHER_FONTS = ["DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol"]
OTHER_FONTS += ["STIXGeneralItalic", "cmr10", "cmb10"]
FONTS = 2 * EVEN_FONTS + OTHER_FONTS
THIN, THICK = 1.5, 4.3  # pixels
SLANT = 25.0  # degrees, largest to either side
TURN = 6.0  # degrees, largest rotation: far from turning a 6 into a 9


def load_contours(font, digit):
    """Return the digit's contours, a list of (k, 2) arrays of height 1, with upright stems."""
    name = Path(matplotlib.get_data_path(), "fonts", "ttf", font + ".ttf")
    glyph = TextPath((0, 0), str(digit), size=200, prop=FontProperties(fname=name))
    lean = get_font(str(name)).get_sfnt_table("post")["italicAngle"][0]  # degrees, to the left
    upright = Affine2D().skew_deg(lean, 0).scale(1 / glyph.get_extents().height)
    # Straight edges get points along them, so that they can bend too.
    return [Outline(points).interpolated(6).vertices for points in glyph.to_polygons(upright)]


def distort(contours, slant, rng):
    """Return the contours stretched, sheared, rotated and bent; stems lean by `slant` degrees."""
    turn = rng.uniform(-TURN, TURN)
    # The shear leaves out what the rotation adds, so that `slant` is what is seen.
    stretched = Affine2D().scale(rng.uniform(0.9, 1.25), 1)
    move = stretched.skew_deg(slant - turn, 0).rotate_deg(-turn).transform
    # Two long sine waves for each direction: a smooth displacement field.
    waves = rng.uniform(-5, 5, (2, 2, 2))  # radians per digit height
    phases = rng.uniform(0, 2 * np.pi, (2, 2))
    amplitudes = rng.uniform(0, 0.03, (2, 2))  # digit heights
    bent = []
    for points in map(move, contours):
        angles = np.einsum("pi,idw->pdw", points, waves) + phases
        bent.append(points + (amplitudes * np.sin(angles)).sum(axis=-1))
    return bent


def mean_thickness(contours):
    """Return twice the area over the length of the contours: the mean thickness of a stroke."""
    area = length = 0.0
    for points in contours:
        (x, y), (dx, dy) = points[:-1].T, np.diff(points, axis=0).T
        area += (x * dy - y * dx).sum() / 2  # holes run the other way round and subtract
        length += np.hypot(dx, dy).sum()
    return 2 * abs(area) / length


def draw_digit(contours, even, rng):
    """Draw one digit: return a (28, 28) uint8 image, its slant (degrees) and stroke (pixels)."""
    slant = rng.uniform(-SLANT, SLANT)
    contours = distort(contours, slant, rng)
    corners = np.concatenate(contours)
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = rng.uniform(18.5, 21)  # pixels, with the pen; the width may reach 1.1 times as much
    extent = max((high - low) / [1.1, 1])
    thickness = mean_thickness(contours) / extent
    own = size * thickness  # pixels, without a pen
    thinnest, thickest = (THIN, THICK) if even else np.clip((own, own + 0.9), THIN, THICK)
    stroke = rng.uniform(thinnest, thickest)
    # Solved from  stroke = scale * thickness + pen  and  size = scale + pen.
    pen = (stroke - own) / (1 - thickness)
    place = Affine2D().translate(*-(low + high) / 2).scale((size - pen) / extent).translate(14, 14)
    outline = Outline.make_compound_path(*[Outline(points, closed=True) for points in contours])
    canvas = new_canvas(np.zeros((28, 3)))
    # A black pen eats into the stroke and thins it.
    paint(canvas, outline, "white", place, "white" if pen > 0 else "black", abs(pen))
    return np.rint(picture(canvas)[..., 0]).astype(np.uint8), slant, stroke


def make_digits(n, rng):
    """Return n digits: images (n, 28, 28), labels (n,), slants (n,) and strokes (n,)."""
    contours = {(font, digit): load_contours(font, digit) for font in FONTS for digit in range(10)}
    labels = shuffled_labels(n, rng)
    fonts = rng.choice(FONTS, n)
    drawn = [
        draw_digit(contours[font, digit], font in EVEN_FONTS, rng)
        for font, digit in zip(fonts.tolist(), labels.tolist(), strict=True)
    ]
    images, slants, strokes = zip(*drawn, strict=True)
    return np.array(images), labels, np.float32(slants), np.float32(strokes)


# ---------------------------------------------------------------- objects

# Things and scenes are lists of parts, (outline, colour). A thing fills -1..1 in x and y, y
# upwards, and stands on y = -1; a scene fills the picture, -1..1 too.

BRIGHT = "#d9403a #f08a2b #f5c83a #46a352 #2f80c4 #7c58b8 #e2709f #27a79c".split()
WHITES = "#ffffff #fdf3dc #e8f1f7 #fbe3e0".split()
WALLS = "#f4e4c4 #e9c9a0 #d98f6c #f3f0e8 #9fc3d6 #e8b4b8 #c8d6a0".split()
WOODS = "#7a5230 #5e4030 #8d6b4a".split()
LEAVES = "#2f7d3b #4a9a3f #6fae3a #23695a #d98a2b #c8553d".split()
GOLDS = "#ffd23a #ffb52e #fff07a #ff8f3a".split()
GLASS = "#bfe3f5 #d9eef2 #6f8fa8 #fff0a0".split()
SANDS = "#e3cd8d #d9b36f".split()
GROUNDS = SANDS + "#5fa548 #7dbb52 #8fb04a #eef4f8 #4c8a4f".split()
SEAS = "#2f6fa8 #2a8aa8 #1f5c86 #3fa3b5".split()
DAYS = ["#4f9fe0 #cfeaf8", "#7cc3ee #f2f7ee", "#8aa9d8 #fbd9c0"]  # colours at top and bottom
SKIES = DAYS + ["#e8825a #fbdc92", "#6a5aa8 #f3a7a0", "#121a3e #35508c"]
DEEPS = ["#4fb8d8 #1c5f96", "#3aa7b0 #17506b", "#5a8fd6 #1d2f7a"]
SPACES = ["#0b0f2b #2a2560", "#101024 #123a52", "#1c1038 #4a2058"]
SCENES = {  # gradients, colours of the ground, where the ground begins
    "day": (DAYS, GROUNDS, -0.85),
    "land": (SKIES, GROUNDS, -0.4),
    "air": (SKIES, GROUNDS, -0.85),
    "sea": (SKIES, SEAS, -0.4),
    "deep": (DEEPS, SANDS, -0.85),
    "space": (SPACES, BRIGHT, -0.95),
}


def shade(colour, factor):
    """Return the colour made lighter (factor above 1) or darker: (3,) floats, 0..1."""
    return np.clip(np.multiply(to_rgb(colour), factor), 0, 1)


def pick(rng, *palettes):
    """Return one colour of each palette, a little lighter or darker."""
    return [shade(rng.choice(palette), rng.uniform(0.88, 1.08)) for palette in palettes]


def poly(colour, *points):
    """Return a polygon."""
    return Outline([*points, points[0]], closed=True), colour


def box(colour, x0, y0, x1, y1):
    """Return an upright rectangle."""
    return poly(colour, (x0, y0), (x1, y0), (x1, y1), (x0, y1))


def oval(colour, x, y, rx, ry=None, start=0, end=360):
    """Return a disc or ellipse around (x, y), or its slice between two angles in degrees."""
    shape = Outline.unit_circle() if end - start == 360 else Outline.wedge(start, end)
    return shape.transformed(Affine2D().scale(rx, ry or rx).translate(x, y)), colour


def sun(rng):
    (gold,) = pick(rng, GOLDS)
    rays = Outline.unit_regular_star(int(rng.integers(9, 14)), 0.62)
    disc = [oval(shade(gold, 0.85), 0, 0, 0.6), oval(gold, -0.05, 0.05, 0.5)]
    eyes = [oval("#70381a", x, 0.12, 0.07, 0.1) for x in (-0.2, 0.2)]
    face = [*eyes, oval("#70381a", 0, -0.08, 0.26, 0.26, 190, 350)]
    return [(rays, shade(gold, 0.95)), *disc, *(face if rng.random() < 0.5 else [])]


def house(rng):
    wall, roof, door, glass = pick(rng, WALLS, BRIGHT, BRIGHT, GLASS)
    top = rng.uniform(-0.05, 0.2)
    return [
        box(shade(wall, 0.6), 0.35, top, 0.58, 0.85),  # chimney
        box(wall, -0.75, -1, 0.75, top),
        box(shade(wall, 0.85), 0.45, -1, 0.75, top),
        poly(roof, (-0.98, top), (0.98, top), (0, 0.98)),
        poly(shade(roof, 0.75), (0.7, top), (0.98, top), (0, 0.98)),
        box(door, -0.18, -1, 0.2, -0.35),
        *[box(glass, x, -0.55, x + 0.32, -0.2) for x in (-0.62, 0.32)],
    ]


def tree(rng):
    leaf, wood, fruit = pick(rng, LEAVES, WOODS, BRIGHT[:3])
    parts = [box(wood, -0.13, -1, 0.13, -0.2), box(shade(wood, 0.75), 0.02, -1, 0.13, -0.2)]
    if rng.random() < 0.4:  # a fir
        for y, width in ((-0.6, 0.75), (-0.15, 0.58), (0.3, 0.41)):
            parts += [poly(leaf, (-width, y), (width, y), (0, y + 0.7))]
            parts += [poly(shade(leaf, 0.75), (width / 3, y), (width, y), (0, y + 0.7))]
        return parts
    parts += [oval(shade(leaf, 0.8), x, y, 0.5, 0.45) for x, y in ((0.38, 0), (0.2, 0.45))]
    parts += [oval(leaf, x, y, 0.48, 0.43) for x, y in ((-0.4, 0.05), (-0.1, 0.5), (0, 0.1))]
    spots = [(-0.45, 0.1), (0.1, 0.65), (0.4, 0.05), (-0.1, 0.3)]
    return parts + [oval(fruit, x, y, 0.09) for x, y in spots[: rng.integers(5)]]


def flower(rng):
    petal, heart, green = pick(rng, BRIGHT + WHITES, GOLDS + WOODS, LEAVES[:3])
    angles = rng.uniform(0, 1) + np.linspace(0, 2 * np.pi, rng.integers(6, 9))[1:]
    ring = [(np.cos(angle), np.sin(angle)) for angle in angles]
    return [
        box(green, -0.06, -1, 0.06, 0.2),
        poly(green, (0, -0.95), (-0.3, -0.85), (-0.6, -0.5), (-0.2, -0.6)),
        poly(shade(green, 0.85), (0, -0.95), (0.3, -0.85), (0.6, -0.5), (0.2, -0.6)),
        *[oval(petal, 0.38 * x, 0.34 + 0.38 * y, 1.7 / len(ring) - 0.02) for x, y in ring],
        *[oval(shade(petal, 0.85), 0.27 * x, 0.34 + 0.27 * y, 0.1) for x, y in ring],
        oval(heart, 0, 0.34, 0.21),
    ]


def mushroom(rng):
    cap, stem = pick(rng, BRIGHT + WOODS, WHITES)
    dots = [(-0.5, 0.3, 0.13), (-0.08, 0.58, 0.16), (0.42, 0.4, 0.15), (0.1, 0.2, 0.1)]
    return [
        poly(stem, (-0.2, 0.05), (0.2, 0.05), (0.32, -1), (-0.32, -1)),
        poly(shade(stem, 0.82), (0.06, 0.05), (0.2, 0.05), (0.32, -1), (0.1, -1)),
        oval(cap, 0, 0, 0.9, 0.9, 0, 180),
        oval(shade(cap, 0.78), 0, 0, 0.9, 0.13),
        *[oval("#fff7ea", *dot) for dot in dots],
    ]


def fish(rng):
    skin, fin = pick(rng, BRIGHT, BRIGHT + WHITES)
    stripes = [oval(fin, -0.15, 0, 0.09, 0.44), oval(fin, 0.2, 0, 0.09, 0.36)]
    return [
        poly(fin, (0.45, 0), (1, 0.5), (0.85, 0), (1, -0.5)),
        poly(fin, (-0.35, 0.3), (0.1, 0.75), (0.35, 0.2)),
        poly(shade(fin, 0.85), (-0.2, -0.3), (0.15, -0.68), (0.25, -0.2)),
        oval(shade(skin, 0.82), -0.2, 0, 0.78, 0.48),
        oval(skin, -0.2, 0.07, 0.74, 0.4),
        *(stripes if rng.random() < 0.6 else []),
        oval("white", -0.62, 0.1, 0.14),
        oval("black", -0.64, 0.1, 0.08),
    ]


def boat(rng):
    hull, sail, flag, wood = pick(rng, BRIGHT + WALLS, WHITES + BRIGHT, BRIGHT, WOODS)
    return [
        box(wood, -0.06, -0.6, 0.02, 0.98),
        poly(sail, (0.06, -0.42), (0.82, -0.42), (0.06, 0.82)),
        poly(shade(sail, 0.84), (-0.12, -0.42), (-0.66, -0.42), (-0.12, 0.6)),
        poly(flag, (-0.02, 0.98), (-0.4, 0.9), (-0.02, 0.78)),
        poly(hull, (-0.95, -0.55), (0.95, -0.55), (0.62, -1), (-0.65, -1)),
        poly(shade(hull, 0.7), (-0.95, -0.55), (0.95, -0.55), (0.87, -0.66), (-0.87, -0.66)),
    ]


def car(rng):
    body, glass = pick(rng, BRIGHT + WHITES, GLASS[:3])
    roof = rng.uniform(0.15, 0.3)
    pane = roof - 0.12
    return [
        poly(shade(body, 0.9), (-0.72, -0.3), (-0.45, roof), (0.3, roof), (0.62, -0.3)),
        poly(glass, (-0.54, -0.3), (-0.36, pane), (-0.08, pane), (-0.08, -0.3)),
        poly(glass, (0.04, -0.3), (0.04, pane), (0.24, pane), (0.46, -0.3)),
        box(body, -0.98, -0.78, 0.98, -0.3),
        box(shade(body, 0.75), -0.98, -0.78, 0.98, -0.6),
        oval("#fff299", 0.9, -0.45, 0.1),
        box("#cc1a1a", -0.98, -0.5, -0.88, -0.36),
        *[oval("#1f1f24", x, -0.75, 0.25) for x in (-0.52, 0.54)],
        *[oval("#ccccd1", x, -0.75, 0.11) for x in (-0.52, 0.54)],
    ]


def balloon(rng):
    first, second, basket = pick(rng, BRIGHT, BRIGHT + WHITES, WOODS)
    return [
        poly(shade(first, 0.8), (-0.5, 0.05), (0.5, 0.05), (0.16, -0.6), (-0.16, -0.6)),
        *[oval(c, 0, 0.32, w, 0.66) for c, w in ((first, 0.68), (second, 0.46), (first, 0.2))],
        *[box("#4d3326", x - 0.02, -0.72, x + 0.02, -0.5) for x in (-0.12, 0.12)],
        box(basket, -0.18, -1, 0.18, -0.7),
    ]


def rocket(rng):
    body, trim = pick(rng, WHITES, BRIGHT)
    side = np.array([(0.26, -0.55), (0.36, -0.1), (0.33, 0.3), (0.22, 0.65), (0, 1)])
    return [
        poly("#ff9926", (-0.24, -0.5), (0.24, -0.5), (0, -1.05)),  # flame
        poly("#ffed80", (-0.12, -0.5), (0.12, -0.5), (0, -0.8)),
        poly(trim, (-0.2, 0), (-0.68, -0.72), (-0.2, -0.5)),
        poly(shade(trim, 0.75), (0.2, 0), (0.68, -0.72), (0.2, -0.5)),
        poly(body, *side, *side[::-1] * (-1, 1)),
        poly(shade(body, 0.84), *side[:4], *side[3::-1] * (0.4, 1)),
        poly(trim, (0, 1), (0.25, 0.58), (-0.25, 0.58)),
        oval(shade(trim, 0.7), 0, 0.14, 0.2),
        oval("#99d9f2", 0, 0.14, 0.13),
    ]


THINGS = [(sun, "day"), (house, "land"), (tree, "land"), (flower, "land"), (mushroom, "land")]
THINGS += [(fish, "deep"), (boat, "sea"), (car, "land"), (balloon, "air"), (rocket, "space")]
CLASS_NAMES = [thing.__name__ for thing, _ in THINGS]


def draw_scene(kind, rng):
    """Return a canvas with the scene, (32, 32) pixels, and the colour of its ground."""
    gradients, grounds, horizon = SCENES[kind]
    gradient = rng.choice(gradients)
    ground, land = pick(rng, grounds, GROUNDS)
    horizon += rng.uniform(-0.15, 0.15)
    if gradient in SKIES[:-1]:  # clouds
        puffs = [(-0.2, 0, 0.22, 0.12), (0.2, 0, 0.22, 0.12), (0, 0.08, 0.22, 0.14)]
        spots = rng.uniform((-1, 0.1, 0, 0), (1, 0.9, 0, 0), (rng.integers(3), 4))
        parts = [oval("#f7faff", *(spot + puff)) for spot in spots for puff in puffs]
    else:  # stars, or bubbles
        spots = rng.uniform((-1, horizon, 0.02), (1, 1, 0.05), (10, 3))
        parts = [oval("#f2f5e0", *spot) for spot in spots]
    hill = land if kind == "sea" else ground
    x, height = rng.uniform((-1, 0.1), (1, 0.35))
    parts += [oval(shade(hill, 0.82), x, horizon, 0.8, height)]
    parts += [box(ground, -1, -1.2, 1, horizon)]
    if kind == "sea":
        waves = rng.uniform((-1, -1), (1, horizon), (6, 2))
        parts += [oval(shade(ground, 1.25), *wave, 0.3, 0.03) for wave in waves]
    top, bottom = np.multiply([to_rgb(colour) for colour in gradient.split()], 255)
    canvas = new_canvas(np.linspace(top, bottom, 32))
    for outline, colour in parts:
        paint(canvas, outline, colour, Affine2D().scale(16).translate(16, 16))
    return canvas, ground


def draw_object(label, rng):
    """Draw one thing of the class in a scene: return a (32, 32, 3) uint8 picture."""
    thing, kind = THINGS[label]
    canvas, ground = draw_scene(kind, rng)
    parts = thing(rng)
    size = rng.uniform(10, 13.5)  # pixels, half of the thing's width and height
    x, y = 16 + rng.uniform(size - 15.5, 15.5 - size, 2)
    turn = rng.normal(0, 8)  # degrees
    if kind in ("land", "sea"):  # these stand on the ground
        y, turn = size + rng.uniform(1, 4), turn / 4
    if kind == "land":
        parts = [oval(shade(ground, 0.75), 0, -1, 0.95, 0.13), *parts]  # shadow
    place = Affine2D().scale(rng.choice((-size, size)), size).rotate_deg(turn).translate(x, y)
    for outline, colour in parts:
        paint(canvas, outline, colour, place)
    # Multiples of 8 look the same and need half of the space.
    return (np.rint(picture(canvas) / 8) * 8).clip(0, 255).astype(np.uint8)


def make_objects(n, rng):
    """Return n pictures (n, 32, 32, 3) and their labels (n,)."""
    labels = shuffled_labels(n, rng)
    return np.array([draw_object(label, rng) for label in labels]), labels


# ---------------------------------------------------------------- command line


def main():
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).parent
    parser.add_argument("--out", default=here, type=Path, help="folder to write to [this one]")
    parser.add_argument("--seed", default=1, type=int, help="which drawings to make [1]")
    args = parser.parse_args()
    if args.seed < 0:
        parser.error("--seed must be 0 or more")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out must be a folder that can be written to: {error}")

    digits, objects = {}, {"class_names": np.array(CLASS_NAMES)}
    sizes = (("train", N_DIGITS, N_OBJECTS), ("test", 500, 200))
    for stream, (part, n_digits, n_objects) in enumerate(sizes):
        drawn = make_digits(n_digits, np.random.default_rng((args.seed, stream, 0)))
        names = (f"{key}_{part}" for key in ("x", "y", "slant", "stroke"))
        digits |= zip(names, drawn, strict=True)
        drawn = make_objects(n_objects, np.random.default_rng((args.seed, stream, 1)))
        objects |= zip((f"x_{part}", f"y_{part}"), drawn, strict=True)
    np.savez_compressed(args.out / "digits.npz", **digits)
    np.savez_compressed(args.out / "objects.npz", **objects)


if __name__ == "__main__":
    main()
