"""The window of generate.py --explore: sliders through the latent space of a generator."""

import matplotlib.pyplot as plt
from matplotlib.widgets import Slider

N_SEEDS = 100  # a slider's reach: as many from the first seed on
KEYS = {"right": ("seed", 1), "left": ("seed", -1), "up": ("class", 1), "down": ("class", -1)}


def make_figure(seed, classes, n_codes):
    """Return a figure, the axes of the image in it, and the sliders below by name."""
    n_sliders = 3 + (classes > 1) + n_codes
    figure = plt.figure("generate.py --explore", figsize=(6, 6 + 0.35 * n_sliders))
    bottom = 0.06 * n_sliders + 0.03
    sliders = make_sliders(figure, seed, classes, n_codes, bottom)
    axes = figure.add_axes((0.05, bottom + 0.03, 0.9, 0.9 - bottom))
    axes.set_axis_off()
    return figure, axes, sliders


def make_sliders(figure, seed, classes, n_codes, bottom):
    """Put the sliders on a figure, the first just below `bottom`; return them by name."""
    last = seed + N_SEEDS
    scales = {  # from, to, first value, step
        "seed": (seed, last, seed, 1),
        "to seed": (seed, last, seed + 1, 1),
        "walk": (0.0, 1.0, 0.0, None),
    }
    if classes > 1:
        scales["class"] = (0, classes - 1, 0, 1)
    for k in range(n_codes):
        scales[f"code{k + 1}"] = (-2.0, 2.0, 0.0, None)
    sliders = {}
    for k, (name, (low, high, first, step)) in enumerate(scales.items()):
        axes = figure.add_axes((0.18, bottom - 0.05 - 0.055 * k, 0.62, 0.04))
        sliders[name] = Slider(axes, name, low, high, valinit=first, valstep=step)
    return sliders


def open_window(draw, seed, classes, class_names, n_codes):
    """Show what `draw` draws while sliders are moved, until the window is closed.

    `draw(seed, other, t, label, codes)` returns an image (h, w, c) in [0, 1]: of the point at t, 0
    to 1, between two seeds, of a class, with `n_codes` codes. The arrow keys change seed and class.
    Returns the sliders by name. Raises RuntimeError where no window can be opened.
    """
    if plt.get_backend().lower() == "agg":
        raise RuntimeError("no window can be opened here")
    figure, axes, sliders = make_figure(seed, classes, n_codes)

    def image():
        values = {name: slider.val for name, slider in sliders.items()}
        first = int(values["seed"])
        label = int(values.get("class", 0))
        codes = [values[f"code{k + 1}"] for k in range(n_codes)]
        title = f"seed {first}"
        if class_names:
            title += f", class {class_names[label]}"
        axes.set_title(title, fontsize=10)
        return draw(first, int(values["to seed"]), values["walk"], label, codes)

    shown = axes.imshow(image(), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")

    def redraw(_):
        shown.set_data(image())
        figure.canvas.draw_idle()

    def turn(event):
        name, by = KEYS.get(event.key, (None, 0))
        if name in sliders:
            slider = sliders[name]
            slider.set_val(min(max(slider.val + by, slider.valmin), slider.valmax))

    for slider in sliders.values():
        slider.on_changed(redraw)
    figure.canvas.mpl_connect("key_press_event", turn)
    plt.show()
    return sliders
