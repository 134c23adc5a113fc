"""docs/rows.md: every row has a place that exists and a verdict; its figures are the scripts'."""

import ast
import collections
import functools
import importlib
import inspect
import re
import types

import numpy as np
import pytest
import stages
from conftest import ROOT
from documents import anchors
from helpers import PATHS

PAGE = ROOT / "docs/rows.md"
HEADER = ["The tutorial", "Here", "Figures", "Same?"]
N_IMAGES = {"mnist": 60_000, "cifar10": 50_000}  # to train on, in the data sets of Keras
VERDICT = re.compile(r"same|(differs|not here), because \S.+")
# What a row says of the place that it names
PLACE = re.compile(r"`([^`]+)`|\[[^]]+\]\(([^)]+)\)")

Row = collections.namedtuple("Row", "part has here figures verdict")


def split_row(line):
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_rows():
    """Return the rows of all tables whose columns are HEADER; part is the heading above, `M1`."""
    rows = []
    part = None
    inside = False
    for line in PAGE.read_text().splitlines():
        heading = re.match(r"## (.+?)(:|$)", line)
        if heading:
            part = heading[1]
        cells = split_row(line)
        if not line.startswith("|"):
            inside = False
        elif cells == HEADER:
            inside = True
        elif inside and not set(line) <= set("|-"):
            rows.append(Row(part, *cells))
    return rows


ROWS = read_rows()


# ---- places --------------------------------------------------------------------------------------


@functools.cache
def names_in(path):
    """Return what a Python file defines: functions, classes, constants, `Class.method`; flags."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            names |= {f"{node.name}.{method.name}" for method in methods}
        if isinstance(node, ast.Assign):
            targets = [target for target in node.targets if isinstance(target, ast.Name)]
            names |= {target.id for target in targets}
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return names | {text for text in texts if str(text).startswith("--")}


def check_place(place):
    """Fail unless a place exists: of a file, a name in it, a stage, a command's program."""
    if place.startswith("python "):
        assert (ROOT / place.split()[1]).is_file(), place
        return
    file, _, name = place.partition(": ")
    file, _, stage = file.partition(" ")
    path = ROOT / file
    assert path.is_file(), place
    if name:
        assert name in names_in(path), place
    if stage:
        assert file == "tools/stages.py" and stage in stages.STAGES, place


def check_link(target):
    """Fail unless the page of a link exists, and has its anchor."""
    name, _, anchor = target.partition("#")
    page = PAGE.parent / name
    assert page.is_file(), target
    assert not anchor or anchor in anchors(page), target


def test_every_place_exists():
    for row in ROWS:
        places = PLACE.findall(row.here)
        assert not PLACE.sub("", row.here).strip(", "), row  # nothing else stands there
        assert places or row.verdict.startswith("not here"), row
        for place, target in places:
            if target:
                check_link(target)
            else:
                check_place(place)


# ---- verdicts ------------------------------------------------------------------------------------


def test_every_row_has_one_of_three_verdicts():
    for row in ROWS:
        assert row.has and VERDICT.fullmatch(row.verdict), row
    assert len(set(ROWS)) == len(ROWS)


def test_the_counts_are_those_of_the_rows():
    expected = collections.defaultdict(lambda: [0, 0, 0, 0])
    for row in ROWS:
        kind = ["same", "differs", "not here"].index(row.verdict.partition(",")[0])
        for part in (row.part, "all"):
            expected[part][0] += 1
            expected[part][1 + kind] += 1
    table = PAGE.read_text().partition("| Part |")[2].partition("\n\n")[0]
    counted = {}
    for line in table.splitlines()[2:]:
        part, *counts = split_row(line)
        counted[part] = [int(count) for count in counts]
    assert counted == expected
    assert list(counted) == ["M1", "M2", "C", "D", "F", "I", "M3", "M4", "all"]


# ---- figures -------------------------------------------------------------------------------------


@functools.cache
def models(name):
    """Build the models of a script with its default settings."""
    script = importlib.import_module(name)
    latent_dim = script.DEFAULTS["latent_dim"]
    if name == "infogan_mnist":
        d_model, q_model = script.define_discriminator(10, 2)
        g_model = script.define_generator(latent_dim + 10 + 2)
        gan_model = script.define_gan(g_model, d_model, q_model)
    else:
        q_model = None
        d_model = script.define_discriminator()
        g_model = script.define_generator(latent_dim)
        gan_model = script.define_gan(g_model, d_model)
    return {"d_model": d_model, "g_model": g_model, "gan_model": gan_model, "q_model": q_model}


def find(node):
    """Return the thing that an expression names, such as `mnist_gan.d_model.layer_0`."""
    if isinstance(node, ast.Name):
        return importlib.import_module(node.id)
    if isinstance(node.value, ast.Name) and node.attr.endswith("_model"):
        return models(node.value.id)[node.attr]
    thing = find(node.value)
    numbered = re.fullmatch(r"(layer|input)_(\d+)", node.attr)
    if numbered:
        return getattr(thing, f"{numbered[1]}s")[int(numbered[2])]
    return getattr(thing, node.attr)


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def read(thing, name):
    """Return what a thing has under a name: an argument's default, an item, a property."""
    if inspect.isfunction(thing):
        return inspect.signature(thing).parameters[name].default
    if isinstance(thing, dict):
        return thing[name]
    if name == "bat_per_epo":  # of a script
        run = types.SimpleNamespace(settings=types.SimpleNamespace(steps_per_epoch=None))
        n_images = N_IMAGES[thing.DATASET.__name__.rpartition(".")[2]]
        return thing.Run.batches_per_epoch(run, n_images, thing.DEFAULTS["batch_size"])
    if name == "n_batches":  # of a run with the script's defaults
        return read(thing, "bat_per_epo") * thing.DEFAULTS["epochs"]
    if name in ("SIDES", "D_BATCHES", "G_BATCHES"):  # of its stages
        return getattr(stages, name)[thing.IMAGE_SHAPE[-1]]
    if name == "kind":
        return type(thing).__name__
    if name == "out":  # the shape of a layer's images
        return tuple(thing.output.shape[1:])
    if name == "params":
        return thing.count_params()
    if name == "trainable":
        return count(thing.trainable_weights)
    if name == "metrics":  # that a model was compiled with
        return thing.get_compile_config()["metrics"]
    if name == "n_layers":
        return len(thing.layers)
    return getattr(thing, name)


def plain(value):
    """Return a value as it is written in a row: a number, a text, a tuple of them."""
    if inspect.isfunction(value):  # an activation
        return value.__name__
    if hasattr(value, "numpy"):  # an optimizer's rate
        return float(value.numpy())
    if isinstance(value, list | tuple):
        return tuple(map(plain, value))
    return value


def agree(found, expected):
    """Say whether a value is the expected one; 3 stands for (3, 3), and 0.0002 for a float32."""
    found = plain(found)
    expected = plain(expected)
    if isinstance(found, tuple) and isinstance(expected, int):
        return set(found) == {expected}
    if isinstance(found, float):
        return found == pytest.approx(expected)
    return found == expected


def check_figures(figures):
    """Fail unless the thing in front of the brackets has the values in them."""
    call = ast.parse(figures, mode="eval").body
    thing = find(call.func)
    names = [argument.id for argument in call.args]
    if inspect.isfunction(thing):
        parameters = list(inspect.signature(thing).parameters.values())
        assert [parameter.name for parameter in parameters][: len(names)] == names, figures
        given = {*names, *(keyword.arg for keyword in call.keywords)}
        for parameter in parameters:  # all others have a default, as the run and the seed
            assert parameter.name in given or parameter.default is not parameter.empty, figures
    else:
        assert not names and call.keywords, figures
    for keyword in call.keywords:
        found = read(thing, keyword.arg)
        expected = ast.literal_eval(keyword.value)
        assert agree(found, expected), f"{figures}: {keyword.arg} is {plain(found)}"


# the first has no tutorial, that of the second is not among the texts of the table
WITHOUT_ROWS = ("ebgan_mnist", "faces_gan")


@pytest.mark.parametrize("name", sorted(PATHS))
def test_figures_are_those_of_the_scripts(name):
    checked = 0
    for row in ROWS:
        figures = re.findall(r"`([^`]+)`", row.figures)
        assert not re.sub(r"`[^`]+`", "", row.figures).strip(), row
        for each in figures:
            if re.match(rf"{name}\b", each):
                check_figures(each)
                checked += 1
    assert checked or name in WITHOUT_ROWS


def test_numbers_of_weights_in_words_are_those_of_the_figures():
    """As 522,497 in what the tutorial has, and params=522_497 beside it."""
    for row in ROWS:
        if "params=" in row.figures:
            for number in re.findall(r"\d{1,3}(?:,\d{3})+", row.has):
                assert f"={number.replace(',', '_')}" in row.figures, row


def test_all_figures_belong_to_a_script():
    for row in ROWS:
        for figures in re.findall(r"`([^`]+)`", row.figures):
            assert re.match(r"\w+", figures)[0] in PATHS, row
