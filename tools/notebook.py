"""Write a training script as a Jupyter notebook: its code in cells, its page's text between them.

    python tools/notebook.py mnist_gan.py
    python tools/notebook.py variants/mlp_gan.py --out lessons/mlp.ipynb

The notebook stands alone, like the script. It has the script's code in the script's order: the
story, a function a cell; the run, in one cell; then the tutorial's own lines, which train, and the
newest grid. What a script does when it is started from a terminal is left out. Format:
nbformat 4.5, https://nbformat.readthedocs.io/en/latest/format_description.html
"""

import argparse
import ast
import functools
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # here lies a file named tensorboard, as a package is
from sampling import program

RUN = "# ---- The run"  # begins the block that all scripts share
PARTS = {"define_discriminator", "define_generator", "define_gan", "load_real_samples", "train"}
SECTIONS = {  # of the story: each begins with the first of these functions that comes
    "The networks": {"define_optimizer", "define_discriminator"},
    "The data, and points of the latent space": {"load_real_samples"},
    "What is looked at": {"save_plot", "summarize_performance"},
    "The training": {"make_train_batch"},
    "The command line": {"main"},
}
LINES = """
latent_dim = {latent_dim}
d_model = define_discriminator()
g_model = define_generator(latent_dim)
gan_model = define_gan(g_model, d_model)
dataset = load_real_samples({data})
"""
TRAIN = "train(g_model, d_model, gan_model, dataset, latent_dim)"
LINES_WITH_CODES = """
n_cat = 10
n_cont = 2
latent_dim = {latent_dim}
d_model, q_model = define_discriminator(n_cat, n_cont)
gen_input_size = latent_dim + n_cat + n_cont
g_model = define_generator(gen_input_size)
gan_model = define_gan(g_model, d_model, q_model)
dataset = load_real_samples({data})
"""
TRAIN_WITH_CODES = "train(g_model, d_model, gan_model, dataset, latent_dim, n_cat, n_cont)"
GRID = """
import IPython

grids = Path("runs").glob("{name}*/generated_plot_e*.png")
IPython.display.Image(max(grids, key=lambda path: path.stat().st_mtime))
"""
INSTALL = """
# Where these packages are missing, or of other versions: without the #, then restart the kernel
# %pip install -q {packages}
"""
BEFORE_TRAINING = """
## Training

The tutorial's last lines. {data} The last one trains for {epochs} epochs; for a first try give it
`n_epochs=1`. It makes a run in the folder `runs/{name}`, with a grid and a generator every so many
epochs, and a checkpoint every minute.
"""
OWN_DATA = "Put the path of a folder of pictures of your own in the place of `FOLDER`."
DOWNLOADED = (
    "`load_real_samples` downloads its data; given a path it reads an `.npz` file, or a folder of "
    "pictures."
)
AFTER_TRAINING = """
## Going on

Where the kernel was stopped, or its session has ended, run the cells above down to "Training" again
and then, in the place of the tutorial's lines,

```python
main(["--resume", "--out", "runs/{name}"{data}])
```

On Colab the disk ends with the session, too. A run that is to last belongs into Google Drive:

```python
from google.colab import drive

drive.mount("/content/drive")
main(["--out", "/content/drive/MyDrive/{name}"{data}])
```

and with `"--resume"` in front it goes on there in another session.
"""

fail = functools.partial(program.fail, "notebook.py")


# ---- the script ----------------------------------------------------------------------------------


def read_script(path):
    """Return a training script's text and its top-level nodes; raise ValueError if it is none."""
    try:
        text = path.read_text(encoding="utf-8")
        body = ast.parse(text).body
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError):
        raise ValueError(f"{path} is no Python file") from None
    missing = PARTS - {node.name for node in body if isinstance(node, ast.FunctionDef)}
    if missing or f"\n{RUN}" not in text:
        raise ValueError(
            f"{path} is no training script of this project, or a part of it is missing"
        )
    return text, body


def is_start(node):
    """Say whether a node is what only a program does: `if __name__ == "__main__": ...`"""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def cut(text, body):
    """Return the script's code in pieces, (name, code) each, in order.

    The first piece, imports and constants, has the name "", the last one, all of the run, RUN;
    between them stands a function or class a piece. Docstring and program are left out, and the
    marks of functions that are copies.
    """
    lines = text.splitlines()
    run_line = next(k for k, line in enumerate(lines) if line.startswith(RUN))
    starts = {body[0].end_lineno: ""}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= run_line:
            starts[min(part.lineno for part in [node, *node.decorator_list]) - 1] = node.name
    starts[run_line] = RUN
    dropped = {k for k, line in enumerate(lines) if line.startswith("# Copied from ")}
    for node in body:
        if is_start(node):
            dropped |= set(range(node.lineno - 1, node.end_lineno))
    ends = [*list(starts)[1:], len(lines)]
    pieces = []
    for (start, name), end in zip(starts.items(), ends, strict=True):
        kept = [lines[k] for k in range(start, end) if k not in dropped]
        pieces.append((name, "\n".join(kept).strip()))
    return pieces


def constants(body):
    """Return the script's constants that are literals, by their names."""
    found = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # of other constants
                continue
    return found


def find_packages(text):
    """Return the packages that a script's first lines name, as pip takes them, in quotes."""
    header = text.partition('"""')[0]
    return " ".join(re.findall(r'"[a-z0-9]+[=<>][^"]*"', header))


# ---- its page ------------------------------------------------------------------------------------


def plain_links(text):
    """Return Markdown without what a notebook elsewhere cannot open: local links, and pictures."""
    text = re.sub(r"^!\[.*\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


def read_page(name):
    """Return the sections of a script's page in docs/ by their headings; the first one has "".

    Without a page, as for a script of your own, there is nothing.
    """
    path = ROOT / "docs" / f"{name}.md"
    if not path.exists():
        return {}
    parts = re.split(r"^## (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    first = re.sub(r"\A# .*\n", "", parts[0]).partition("```sh")[
        0
    ]  # the command line is not for it
    sections = {"": first} | dict(zip(parts[1::2], parts[2::2], strict=True))
    return {heading: plain_links(text).strip() for heading, text in sections.items()}


# ---- the notebook --------------------------------------------------------------------------------


def markdown(text):
    """Return a cell of text."""
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip()}


def code(text, **metadata):
    """Return a cell of code, not yet run."""
    cell = {"cell_type": "code", "metadata": metadata, "source": text.strip()}
    return cell | {"execution_count": None, "outputs": []}


def make_cells(text, body):
    """Return the cells of a script's notebook, in order."""
    known = constants(body)
    name = known["NAME"]
    page = read_page(name)
    about = ast.get_docstring(ast.parse(text)).splitlines()[0]
    cells = [markdown(f"# {about}\n\n{page.get('', '')}")]
    cells.append(code(INSTALL.format(packages=find_packages(text))))
    if "The model" in page:
        cells.append(markdown(f"## The model\n\n{page['The model']}"))
    for part, piece in cut(text, body):
        if part == RUN:
            cells.append(markdown("## The run\n\nWhat every run needs: the same in all scripts."))
            cells.append(code(f"# @title The run\n{piece}", **hidden()))
            continue
        for section, begins in SECTIONS.items():
            if part in begins and not any(f"## {section}" in cell["source"] for cell in cells):
                cells.append(markdown(f"## {section}"))
        cells.append(code(piece))
    if "Its losses" in page:
        cells.append(markdown(f"## Its losses\n\n{page['Its losses']}"))
    return cells + training_cells(name, known, body)


def hidden():
    """Return the metadata of a cell that Jupyter and Colab show closed."""
    return {"jupyter": {"source_hidden": True}, "cellView": "form"}


def training_cells(name, known, body):
    """Return the last cells: the tutorial's own lines, the newest grid, and how to go on."""
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    with_codes = functions["define_discriminator"].args.args[0].arg == "n_cat"
    lines, train = (LINES_WITH_CODES, TRAIN_WITH_CODES) if with_codes else (LINES, TRAIN)
    defaults = known["DEFAULTS"]
    needs_data = known.get("DATASET", "") is None
    data = OWN_DATA if needs_data else DOWNLOADED
    before = BEFORE_TRAINING.format(data=data, epochs=defaults["epochs"], name=name)
    flag = ', "--data", "FOLDER"' if needs_data else ""
    path = '"FOLDER"' if needs_data else ""
    return [
        markdown(before),
        code(lines.format(latent_dim=defaults["latent_dim"], data=path)),
        code(train),
        markdown("The newest grid:"),
        code(GRID.format(name=name)),
        markdown(AFTER_TRAINING.format(name=name, data=flag)),
    ]


def make_notebook(path):
    """Return the notebook of the script at a path, a dict; raise ValueError where it is none."""
    cells = make_cells(*read_script(path))
    for k, cell in enumerate(cells):
        cell["id"] = f"cell-{k:02d}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def main(argv=None):
    """Run the command line `argv` (default: sys.argv)."""
    parser = argparse.ArgumentParser("notebook.py", description=__doc__.splitlines()[0])
    parser.error = fail
    parser.add_argument("script", type=Path, metavar="SCRIPT.py", help="a training script")
    out = "write there (default: SCRIPT.ipynb in the current folder)"
    parser.add_argument("--out", metavar="FILE.ipynb", type=Path, help=out)
    args = parser.parse_args(argv)
    out = args.out or Path(f"{args.script.stem}.ipynb")
    if out.suffix != ".ipynb":
        fail(f"--out {out}: give a name that ends in .ipynb")
    if out.exists():
        fail(f"{out} exists: remove it, or give another --out")
    try:
        text = json.dumps(make_notebook(args.script), indent=1, ensure_ascii=False)
        with program.replacing(out) as part:
            part.write_text(text + "\n", encoding="utf-8")
    except ValueError as error:
        fail(error)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}")
    print(f"Open {out} in Jupyter or Colab")


if __name__ == "__main__":
    program.run("notebook.py", main)
