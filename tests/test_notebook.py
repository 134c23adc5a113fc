"""tools/notebook.py: a script as a notebook, whole and valid, which runs from top to bottom."""

import ast
import base64
import importlib.util
import inspect
import io
import re
from pathlib import Path
from unittest import mock

import copies
import nbformat
import numpy as np
import pytest
from conftest import ROOT
from nbclient import NotebookClient
from PIL import Image

# by its path: the package notebook has its name
spec = importlib.util.spec_from_file_location("notebooks", ROOT / "tools/notebook.py")
notebooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebooks)

PATHS = {path.stem: path for path in copies.training_scripts()}
scripts = pytest.mark.parametrize("name", PATHS)


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Return a function that makes the notebook of a script, or takes that which it has made."""
    folder = tmp_path_factory.mktemp("notebooks")

    def notebook(name):
        out = folder / f"{name}.ipynb"
        if not out.exists():
            notebooks.main([str(PATHS[name]), "--out", str(out)])
        return nbformat.read(out, as_version=4)

    return notebook


def code_of(notebook, script):
    """Return the code of the cells that hold the script's, or of those that do not."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if ("script" in cell.metadata.get("tags", [])) == script]


def lines_of(text):
    return [line for line in text.splitlines() if line and not line.startswith("# @title")]


@scripts
def test_the_cells_hold_the_script_whole_and_once(name, notebook):
    """In its order, but for what a program does, which in a kernel would train, or end it."""
    text = PATHS[name].read_text()
    lines = text.splitlines()
    guards = [x for x in ast.parse(text).body if ast.unparse(x).startswith("if __name__ == ")]
    assert len(guards) == 2
    for guard in guards:
        lines[guard.lineno - 1 : guard.end_lineno] = [""] * (guard.end_lineno - guard.lineno + 1)
    expected = lines_of("\n".join(lines))
    cells = code_of(notebook(name), script=True)
    assert lines_of("\n".join(cells)) == expected
    *story, run = cells
    assert "# ---- The run" in run and "\ndef train(" not in run
    for cell in story[2:]:  # below the imports and the constants each is one function or class
        assert len(ast.parse(cell).body) == 1


@scripts
def test_the_notebook_is_valid_and_names_its_kernel(name, notebook):
    made = notebook(name)
    nbformat.validate(made)
    assert made.metadata.kernelspec.name == "python3"
    assert made.metadata.language_info.name == "python"
    assert [cell.id for cell in made.cells] == [f"cell-{k:02d}" for k in range(len(made.cells))]
    [hidden] = [cell for cell in made.cells if cell.metadata.get("cellView") == "form"]
    assert hidden.source.startswith("# @title") and "class Run" in hidden.source
    assert hidden.metadata.jupyter.source_hidden


def stand_ins(notebook):
    """Return mocks of the functions in a notebook, which take what those take."""
    found = {}
    for cell in code_of(notebook, script=True):
        for node in ast.parse(cell).body:
            if isinstance(node, ast.FunctionDef):
                function = eval(f"lambda {ast.unparse(node.args)}: None", {"Path": Path})
                found[node.name] = mock.create_autospec(function)
    return found


@scripts
def test_the_last_lines_call_the_functions_with_what_they_take(name, notebook):
    """Names are known by then, each model is where `train` expects it, and classes are counted."""
    made = notebook(name)
    script = stand_ins(made)
    dataset = ["images", "labels", ["a", "b", "c"]]
    script["load_real_samples"].return_value = dataset
    d_model = script["define_discriminator"].return_value
    if name == "infogan_mnist":
        script["define_discriminator"].return_value = [d_model, "q_model"]
    *last, grids = [cell for cell in code_of(made, script=False) if not cell.startswith("%pip")]
    assert "display(" in grids
    for cell in last:
        exec(cell.replace("# main(", "main("), script)  # as a reader removes that mark
    g_model = script["define_generator"].return_value
    gan_model = script["define_gan"].return_value
    given = inspect.signature(script["train"]).bind(*script["train"].call_args.args).arguments
    expected = {"g_model": g_model, "d_model": d_model, "gan_model": gan_model, "dataset": dataset}
    assert expected.items() <= given.items()
    text = PATHS[name].read_text()
    defaults = ast.literal_eval(re.search(r"^DEFAULTS = (.*)$", text, re.M)[1])
    assert given["n_epochs"] == defaults["epochs"]
    assert given["latent_dim"] == defaults["latent_dim"]
    [size, *classes] = script["define_generator"].call_args.args
    codes = given.get("n_cat", 0) + given.get("n_cont", 0)
    assert size == given["latent_dim"] + codes and codes == 12 * (name == "infogan_mnist")
    assert classes == [3] * (name in ("cgan_mnist", "acgan_mnist", "infogan_labelled"))
    assert script["main"].call_args.args == (["--resume", "--out", f"runs/{name}"],)


@scripts
def test_text_and_pictures_stand_alone(name, notebook):
    """Links lead to addresses, and a picture is in the notebook itself: it can be opened."""
    text = "\n".join(cell.source for cell in notebook(name).cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    pictures = [target for target in targets if target.startswith("data:")]
    for target in set(targets) - set(pictures):
        assert target.startswith("https://"), target
    assert pictures and "mermaid" not in text
    for target in pictures:
        data = base64.b64decode(target.removeprefix("data:image/png;base64,"), validate=True)
        assert Image.open(io.BytesIO(data)).width > 100


def test_two_makings_are_equal_and_nothing_is_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebooks.main([str(PATHS["mlp_gan"])])
    notebooks.main([str(PATHS["mlp_gan"]), "--out", "again.ipynb"])
    first = Path("mlp_gan.ipynb").read_bytes()
    assert first == Path("again.ipynb").read_bytes()
    Path("mlp_gan.ipynb").write_text("mine")
    assert "exists" in refused(capsys, PATHS["mlp_gan"])
    assert Path("mlp_gan.ipynb").read_text() == "mine"


def refused(capsys, *arguments):
    """Return the one line with which the tool refuses its arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        notebooks.main(list(map(str, arguments)))
    error = capsys.readouterr().err
    assert caught.value.code == 2 and error.count("\n") == 1, error
    return error


def test_what_is_no_training_script_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script = PATHS["mnist_gan"].read_text()
    story, _, _ = script.partition("\n# ---- The run")
    Path("story.py").write_text(story)
    Path("nameless.py").write_text(script.replace("NAME = ", "NAMED = "))
    Path("torn.py").write_text(script[:20_000])
    for path in ("missing.py", ".", ROOT / "generate.py", *Path().glob("*.py")):
        assert str(path) in refused(capsys, path)
    assert ".ipynb" in refused(capsys, PATHS["mnist_gan"], "--out", "lesson.py")
    assert "folder/a.ipynb" in refused(capsys, PATHS["mnist_gan"], "--out", "folder/a.ipynb")
    assert not list(tmp_path.glob("*.ipynb"))


def test_a_script_of_ones_own_has_its_code_and_no_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = PATHS["mnist_gan"].read_text().replace('NAME = "mnist_gan"', 'NAME = "mine"')
    Path("mine.py").write_text(script)
    notebooks.main(["mine.py"])
    made = nbformat.read("mine.ipynb", as_version=4)
    nbformat.validate(made)
    assert 'NAME = "mine"' in "\n".join(code_of(made, script=True))
    assert not any("data:image" in cell.source for cell in made.cells)


def change(notebook, old, new):
    """Replace a line of the one cell that has it, as a reader would."""
    cells = [cell for cell in notebook.cells if old in cell.source.split("\n")]
    [cell] = [cell for cell in cells if cell.cell_type == "code"]
    cell.source = cell.source.replace(old, new)


def outputs_of(cell):
    """Return what a cell printed, and the pictures that it showed, as arrays of grey pixels."""
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    shown = [output.data["image/png"] for output in cell.outputs if "image/png" in str(output)]
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in shown]
    return printed, [np.asarray(picture.convert("L")) for picture in pictures]


def test_it_runs_from_top_to_bottom_and_a_run_goes_on(notebook, tmp_path, monkeypatch):
    """On 16 digits of samples/, an epoch; then one more, by the line that goes on with a run."""
    for name in ("PIP_NO_INDEX", "PIP_DISABLE_PIP_VERSION_CHECK"):  # all is installed
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    with np.load(ROOT / "samples/digits.npz") as file:
        np.savez(tmp_path / "few.npz", x_train=file["x_train"][:16])
    made = notebook("mnist_gan")
    change(made, "n_epochs = 100", "n_epochs = 1")
    change(made, "dataset = load_real_samples()", 'dataset = load_real_samples("few.npz")')
    go_on = '(["--resume", "--out", "runs/mnist_gan", "--data", "few.npz", "--epochs", "2"])'
    eagerly = "tf.config.run_functions_eagerly(True)"  # quicker for one batch
    made.cells.append(nbformat.v4.new_code_cell(f"{eagerly}\nmain{go_on}"))
    [grids] = [cell for cell in made.cells if "display(" in cell.source]
    made.cells.append(nbformat.v4.new_code_cell(grids.source))
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(made, timeout=120, kernel_name="python3", resources=place).execute()

    run = tmp_path / "runs/mnist_gan"
    assert len((run / "losses.csv").read_text().splitlines()) == 3  # the names, and two batches
    again = made.cells[-1]
    for epoch, cell in ((1, grids), (2, again)):
        printed, (grid, losses) = outputs_of(cell)
        assert printed == f"runs/mnist_gan/generator_model_{epoch:03d}.h5\n"
        assert grid.shape == (600, 600) and losses.std() > 1
        assert len(np.unique(grid[2:58, 2:58])) > 3  # greys within the frame of the first image
        with Image.open(run / f"generated_plot_e{epoch:03d}.png") as picture:
            assert np.array_equal(grid, np.asarray(picture.convert("L")))
