"""Write a training script as a Jupyter notebook, to be read and run cell by cell, on Colab too.

    python tools/notebook.py mnist_gan.py                     writes mnist_gan.ipynb
    python tools/notebook.py mnist_gan.py --out lesson.ipynb

Any training script will do. The notebook stands alone: it holds all code of the script, a function
a cell, but for the last lines, which start it as a program and would read the kernel's command
line. Between the cells stands text of the script's page in docs/, with its pictures; a link into
the repository becomes plain text. The last cells are the tutorial's own last lines, and show the
grid. A file that exists is not overwritten. The same script and page give the same file.
"""

import argparse
import ast
import base64
import json
import re
import tomllib
from pathlib import Path

from training_scripts import read_script

ROOT = Path(__file__).resolve().parent.parent
RUN = "# ---- The run"  # begins the block that all scripts share
GUARD = "__name__ == '__main__'"
METADATA = {
    "accelerator": "GPU",  # what Colab is asked for
    "colab": {"provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HIDDEN_CODE = {"cellView": "form", "jupyter": {"source_hidden": True}}  # of Colab and of JupyterLab

ABOUT = """\
This notebook holds all code of `{file}` but the last lines, which start it as a program: its
functions in their order, each in a cell. Run the cells from top to bottom. Until the last ones,
below "Training", they only define what these need. On Colab see first that there is a GPU (Runtime,
Change runtime type). Paths such as `docs/training.md` are those of the project that the script is
from."""
INSTALL = """\
## Packages

Where they are installed already the next line changes nothing. Where it installs another TensorFlow
and one was imported before, restart the session (Runtime, Restart session) and begin again here.
That the kernel may have to be restarted `%pip` says every time."""
HEADINGS = {  # what stands above a function, or another part of the script, where there is one
    "imports": """\
## Imports and settings

In quotes stands how the script is started as a program. What TensorFlow then writes in red are
notes, where a line begins with I, or warnings, W.""",
    "define_discriminator": """\
## The discriminator

D, which learns to tell real images from generated ones.""",
    "define_generator": """\
## The generator

G, which makes an image from a point of the latent space.""",
    "Composite": """\
## The composite

G and then D, in one model. Through it G learns from what D says of its images, while D stays as it
is.""",
    "load_real_samples": """\
## Real images and fakes

The first function loads the data set, the others draw from it, from the latent space, and from
G.""",
    "save_plot": """\
## Looking at G

A grid of images; and what is reported and saved after an epoch.""",
    "augment": """\
## Changing images before D sees them

Used where `--augment` asks for it.""",
    "make_train_batch": """\
## A batch

Each update stands under a banner that says what it maximises or minimises.""",
    "train": """\
## The loop

Epochs, and batches in them. `run` is the run's folder of losses, grids and generators, with the
checkpoints from which it can go on; its class comes below.""",
    "main": """\
## As a program

What the script does when it is started from a command line. Here it is called only to go on with a
run that was stopped.""",
    "run": """\
## The run: to be run, not to be read

What every script needs to read data and to keep the files of a run, the same in all scripts. Colab
and JupyterLab hide these lines, of which there are many.""",
}
TITLE = "# @title The run: to be run, not to be read"  # which Colab shows in the place of the code
TRAINING = """\
## Training

From here on these are the lines with which the tutorials end. To see first whether all is well, put
1 in the place of {epochs}."""
MODELS_TEXT = """\
The models, and what is in them:"""
DRIVE = """\
The files of a run go into the folder `runs/{name}`. On Colab they are lost with the session unless
they lie in your Drive. To have them there remove the three `#`:"""
DRIVE_CODE = """\
# from google.colab import drive
# drive.mount("/content/drive")
# %cd /content/drive/MyDrive"""
DATA = """\
The data: without a path those that Keras downloads. `load_real_samples("/content/digits.npz")`
reads a file with {arrays}, and the path of a folder the pictures in it{classes}. On Colab files
that were uploaded in the panel Files lie in `/content`."""
OWN_DATA = """\
The data: put the path of your pictures, a folder or an `.npz` file with {arrays}, in the place of
`FOLDER`. On Colab files that were uploaded in the panel Files lie in `/content`."""
RESUME = """\
Only to go on with a run that was stopped, in this session or in an earlier one: run the cells
above, then this one without its `#`, and leave out the next. The folder is the one that the
training named. Where `load_real_samples` was given a path, `"--data"` and the path belong into the
list, too, and for more epochs `"--epochs", "{more}"`. If you stop this one it saves first."""
TRAIN = """\
The training. After {when} it saves a grid and G. If you stop the cell it ends at once; its last
checkpoint is then at most a minute old. If you run it once more it trains the same models on, as a
new run, in `runs/{name}_2`."""
GRIDS = """\
The newest grid of the newest run, and the losses:"""
GRIDS_CODE = """\
import IPython.display

generators = Path("runs").glob(f"{NAME}*/generator_model_*.h5")
newest = max(generators, key=os.path.getmtime)
epoch = newest.stem.removeprefix("generator_model_")
print(newest)
for picture in sorted(newest.parent.glob(f"generated_plot_e{epoch}*.png")):
    IPython.display.display(IPython.display.Image(picture))
IPython.display.display(IPython.display.Image(newest.parent / "losses.png"))"""
SECTIONS = ("", "The model", "Its losses", "Healthy and failing", "Deviations")  # of a page
AFTER = {"Healthy and failing": "How far a whole training gets", "Deviations": "Deviations"}
MORE = """\
## Where to read on

Failing runs, exercises and what else to try: `docs/{name}.md`. The files of a run, and the errors
that can come: `docs/training.md`. `python generate.py` draws from the generators."""

MODELS = """\
d_model = define_discriminator()
g_model = define_generator(latent_dim)
gan_model = define_gan(g_model, d_model)"""
MODELS_OF_CLASSES = """\
n_classes = len(dataset[2])
d_model = define_discriminator(n_classes=n_classes)
g_model = define_generator(latent_dim, n_classes)
gan_model = define_gan(g_model, d_model)"""
MODELS_OF_CODES = """\
n_cat = 10
n_cont = 2
d_model, q_model = define_discriminator(n_cat, n_cont)
gen_input_size = latent_dim + n_cat + n_cont
g_model = define_generator(gen_input_size)
gan_model = define_gan(g_model, d_model, q_model)"""


def read_cells(text, tree):
    """Return the code of a training script as {name: code}, cell by cell, but for its guard.

    The names are "imports", "settings", those of the story's functions and classes, and "run". A
    comment belongs to what is below it. Raises ValueError where the script has no run.
    """
    lines = text.split("\n")
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == GUARD:
            for k in range(node.lineno - 1, node.end_lineno):
                lines[k] = ""
    story, mark, _ = text.partition(f"\n{RUN}")
    if not mark:
        raise ValueError(f"no line begins with {RUN}")
    n_story = len(story.split("\n"))  # lines
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    imported = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = defined[0].lineno
    while lines[first - 2].startswith(("#", "@")):
        first -= 1
    ends = {
        "imports": max((x.end_lineno for x in imported if x.lineno < first), default=0),
        "settings": first - 1,
    }
    ends |= {node.name: node.end_lineno for node in defined if node.lineno <= n_story}
    ends["run"] = len(lines)
    cells = {}
    start = 0
    for name, end in ends.items():
        cells[name] = "\n".join(lines[start:end]).strip("\n")
        start = end
    return cells


def read_constants(tree):
    """Return the constants NAME, DEFAULTS and DATASET of a script; ValueError where one lacks."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found[ast.unparse(node.targets[0])] = node.value
    try:
        name = ast.literal_eval(found["NAME"])
        defaults = ast.literal_eval(found["DEFAULTS"])
        return name, defaults, ast.unparse(found["DATASET"])
    except KeyError as error:
        raise ValueError(f"no constant {error}") from None


def read_packages(text):
    """Return the packages that the first lines of a script name (PEP 723), as pip takes them."""
    block = re.search(r"^# /// script\n(.*?)^# ///$", text, re.M | re.S)
    if block is None:
        return []
    table = re.sub("^# ?", "", block[1], flags=re.M)
    return tomllib.loads(table).get("dependencies", [])


def parameters_of(tree, function):
    """Return the names of a function's parameters."""
    [found] = [node for node in tree.body if getattr(node, "name", "") == function]
    return [argument.arg for argument in found.args.args]


def read_page(name):
    """Return a script's page as {heading: text}, shaped for a notebook; the first heading is "".

    Without a page the texts are empty.
    """
    page = ROOT / f"docs/{name}.md"
    sections = dict.fromkeys(SECTIONS, "")
    if page.exists():
        parts = re.split(r"^## (.+)\n", page.read_text(encoding="utf-8"), flags=re.M)
        sections |= dict(zip(["", *parts[1::2]], parts[::2], strict=True))
        introduction, _, _ = sections[""].partition("```")  # commands follow
        sections[""] = re.sub("^# .*", "", introduction)
        healthy = sections["Healthy and failing"]
        healthy = re.split(r"\n\n(?=(?:\*\*)?(?:Failing|A failing))", healthy)[0]
        healthy = re.sub(r"\s*Losses of every batch:.*?(?=\n\n|\Z)", "", healthy, flags=re.S)
        sections["Healthy and failing"] = healthy.replace("All runs on this page:", "All runs:")
    return {heading: shape(text).strip() for heading, text in sections.items()}


def shape(text):
    """Return the text of a page in docs/ so that it can be read anywhere.

    Pictures are put into it, diagrams are written as lines of text (Colab draws none), and links
    into the repository become plain text.
    """
    text = re.sub(r"```mermaid\n(.*?)```", write_diagram, text, flags=re.S)
    text = re.sub(r"!\[([^\]]*)\]\(([^)\s]+)\)", embed_picture, text)
    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", drop_link, text)


def write_diagram(found):
    """Return a diagram of Mermaid as text: a line for each of its lines with an arrow."""
    labels = dict(re.findall(r"(\w+)[\[(]+\"(.*?)\"[\])]+", found[1]))
    written = []
    named = set()
    for line in found[1].splitlines():
        names = []
        for node in line.split(" --> "):
            name = re.match(r"\w+", node.strip())[0]
            label = labels.get(name, name)
            short, _, _ = label.partition("<br>")
            names.append(short if name in named else label.replace("<br>", ": "))
            named.add(name)
        if len(names) > 1:
            written.append(" → ".join(names))
    return "\n".join(["```text", *written, "```"])


def embed_picture(found):
    """Return a picture of a page with its file in it, as an address that Colab shows, too."""
    description, target = found.groups()
    data = base64.b64encode((ROOT / "docs" / target).read_bytes()).decode()
    return f"![{description}](data:image/png;base64,{data})"


def drop_link(found):
    """Return a link as it is if it is an address, or its text; of a page's name the page's path."""
    text, target = found.groups()
    if target.startswith("https://"):
        return found[0]
    page, _, _ = target.partition("#")
    return f"docs/{page}" if text in (page, page.removesuffix(".md")) else text


def text_cell(text):
    """Return a cell of text."""
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code_cell(code, **metadata):
    """Return a cell of code that has not been run."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": metadata}
    return cell | {"outputs": [], "source": code}


def script_cells(cells, page):
    """Return the cells of a script's code, with what is said of them; `cells` are {name: code}."""
    made = []
    for name, code in cells.items():
        if name == "define_discriminator" and page["The model"]:
            made.append(text_cell(f"## The model\n\n{page['The model']}"))
        if name in HEADINGS:
            made.append(text_cell(HEADINGS[name]))
        hidden = {}
        if name == "run":
            hidden = HIDDEN_CODE
            code = f"{TITLE}\n{code}"
        made.append(code_cell(code, tags=["script"], **hidden))
    return made


def model_cells(parameters):
    """Return the cells that make the models; `parameters` are those of define_discriminator."""
    code = MODELS
    if "n_classes" in parameters:
        code = MODELS_OF_CLASSES
    if "n_cat" in parameters:
        code = MODELS_OF_CODES
    return [
        text_cell(MODELS_TEXT),
        code_cell(code),
        code_cell("d_model.summary()\ng_model.summary()"),
    ]


def data_cells(parameters, dataset):
    """Return the cells that load the data; `dataset` is the code of the constant DATASET."""
    values = {"arrays": "`x_train`", "classes": ""}
    if "n_classes" in parameters:
        values = {"arrays": "`x_train` and `y_train`", "classes": ", in a sub-folder a class"}
    if dataset == "None":  # Keras has none for this script
        about = OWN_DATA.format(**values)
        return [text_cell(about), code_cell('dataset = load_real_samples("FOLDER")')]
    return [text_cell(DATA.format(**values)), code_cell("dataset = load_real_samples()")]


def training_cells(tree, losses):
    """Return the last cells: the tutorial's last lines, how to go on, and the grid.

    `losses` is what the page says of the script's losses.
    """
    name, defaults, dataset = read_constants(tree)
    epochs = defaults["epochs"]
    every = defaults["snapshot_every"]
    when = "each epoch"
    if every > 1:
        when = f"the first epoch, after every {every} and after the last"
    cells = [
        text_cell(TRAINING.format(epochs=epochs)),
        code_cell(f"latent_dim = {defaults['latent_dim']}\nn_epochs = {epochs}"),
        text_cell(DRIVE.format(name=name)),
        code_cell(DRIVE_CODE),
    ]
    parameters = parameters_of(tree, "define_discriminator")
    models = model_cells(parameters)
    data = data_cells(parameters, dataset)
    if "n_classes" in parameters:  # which the data say
        cells += data + models
    else:
        cells += models + data
    cells += [
        text_cell(RESUME.format(more=2 * epochs)),
        code_cell(f'# main(["--resume", "--out", "runs/{name}"])'),
    ]
    if losses:
        cells.append(text_cell(f"### Its losses\n\n{losses}"))
    arguments = [word for word in parameters_of(tree, "train") if word not in ("n_batch", "run")]
    cells += [
        text_cell(TRAIN.format(when=when, name=name)),
        code_cell(f"train({', '.join(arguments)})"),
        text_cell(GRIDS),
        code_cell(GRIDS_CODE),
    ]
    return cells


def make_notebook(path):
    """Return the notebook of a training script, in the format 4.5 of Jupyter's notebooks.

    Raises ValueError where the script is none.
    """
    tree = read_script(path)
    text = path.read_text(encoding="utf-8")
    try:
        name, _, _ = read_constants(tree)
        code = read_cells(text, tree)
    except ValueError as error:
        raise ValueError(f"{path} is no training script: {error}") from None
    page = read_page(name)
    about = ABOUT.format(file=path.name)
    if page[""]:
        about = f"{page['']}\n\n{about}"
    cells = [text_cell(f"# {path.name}\n\n{about}")]
    packages = read_packages(text)
    if packages:
        line = " ".join(f'"{package}"' for package in packages)
        cells += [text_cell(INSTALL), code_cell(f"%pip install -q {line}")]
    cells += script_cells(code, page) + training_cells(tree, page["Its losses"])
    for section, heading in AFTER.items():
        if page[section]:
            cells.append(text_cell(f"## {heading}\n\n{page[section]}"))
    if page[""]:
        cells.append(text_cell(MORE.format(name=name)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def main(argv=None):
    """Run the command line; the user's mistakes end in one line and status 2."""
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser("notebook.py", argparse.SUPPRESS, about)
    parser.add_argument("script", type=Path, metavar="SCRIPT.py", help="a training script")
    parser.add_argument("--out", type=Path, metavar="NAME.ipynb", help="default: SCRIPT.ipynb")
    args = parser.parse_args(argv)
    out = args.out or Path(f"{args.script.stem}.ipynb")
    if out.suffix != ".ipynb":
        parser.error(f"{out}: the name of a notebook ends in .ipynb")
    try:
        notebook = make_notebook(args.script)
        text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
        with open(out, "x", encoding="utf-8", newline="\n") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        parser.error(f"{out} exists: remove it, or choose another --out")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(out)


if __name__ == "__main__":
    main()
