"""tools/notebook.py: the notebook of a script, which loses nothing of it, and runs."""

import ast
import base64
import io
import re
import shutil

import nbclient
import nbformat
import notebook
import numpy as np
import pytest
from helpers import DIGITS, PATHS, SCRIPTS
from PIL import Image


def code_of(cells):
    return "\n\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")


def of_script(name):
    """Return a script's statements, but for its docstring and what only a program does."""
    body = ast.parse(PATHS[name].read_text()).body[1:]
    program = [x for x in body if isinstance(x, ast.If) and "__name__" in ast.unparse(x.test)]
    assert len(program) == 2
    return [ast.dump(node) for node in body if node not in program]


@pytest.mark.parametrize("name", SCRIPTS)
def test_all_code_of_the_script_is_there_in_its_order(name):
    made = notebook.make_notebook(PATHS[name])
    nbformat.validate(nbformat.from_dict(made), relax_add_props=False)
    nodes = [ast.dump(node) for node in ast.parse(code_of(made["cells"])).body]
    script = of_script(name)
    assert nodes[: len(script)] == script
    last = ast.unparse(ast.parse(code_of(made["cells"])).body[len(script) :])
    assert last.splitlines()[-4].startswith("train(g_model, d_model, gan_model, dataset,")
    functions = [node for node in ast.parse(PATHS[name].read_text()).body if hasattr(node, "name")]
    story = [node.name for node in functions if node.name in {*notebook.PARTS, "Composite", "main"}]
    cells = [cell["source"] for cell in made["cells"]]
    for function in story:  # a cell each
        [found] = [
            k
            for k, text in enumerate(cells)
            if re.search(rf"^(def|class) {function}\(", text, re.M)
        ]
        assert len(ast.parse(cells[found]).body) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_text_is_that_of_the_scripts_page(name):
    """Without local links and pictures, which a notebook elsewhere could not open."""
    texts = [c["source"] for c in notebook.make_notebook(PATHS[name])["cells"]]
    texts = [text for text in texts if text.startswith("#")]
    headings = [re.match(r"#+ (.*)", text)[1] for text in texts]
    assert headings.index("The model") < headings.index("The networks") < headings.index("The run")
    assert headings.index("The run") < headings.index("Its losses") < headings.index("Training")
    for text in texts:
        assert not re.search(r"!\[|\]\((?!https?:)", text)
    assert "parameters" in texts[headings.index("The model")]


@pytest.mark.parametrize("name", ["mlp_gan", "infogan_mnist"])
def test_it_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    """In a kernel, in an empty folder, on 32 digits; the last cell shows the run's grid."""
    monkeypatch.chdir(tmp_path)
    with np.load(DIGITS) as file:
        np.savez("tiny.npz", x_train=file["x_train"][:32])
    notebook.main([str(PATHS[name])])
    made = nbformat.read(f"{name}.ipynb", 4)
    for cell in made.cells:
        cell.source = cell.source.replace("load_real_samples()", 'load_real_samples("tiny.npz")')
        if cell.source.startswith("train("):
            cell.source = cell.source.replace(")", ", n_epochs=2, n_batch=16)")
    nbclient.NotebookClient(made, timeout=200).execute()
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    printed = "".join(output.get("text", "") for output in code[-2].outputs)
    assert re.search(r"^>2, 2/2, ", printed, re.M) and "Accuracy real" in printed
    [shown] = code[-1].outputs
    picture = base64.b64decode(shown["data"]["image/png"])
    grids = [path.read_bytes() for path in (tmp_path / "runs" / name).glob("generated_plot_e002*")]
    assert picture in grids
    assert np.std(Image.open(io.BytesIO(picture)).convert("L")) > 1


@pytest.mark.parametrize(
    "argv,said",
    [
        ("none.py", "none.py cannot be read"),
        ("text.py", "text.py is no Python file"),
        ("generate.py", "generate.py is no training script"),
        ("mlp_gan.py --out a.txt", "ends in .ipynb"),
        ("mlp_gan.py --out mine.ipynb", "mine.ipynb exists"),
        ("mlp_gan.py --out nowhere/a.ipynb", "nowhere/a.ipynb cannot be written"),
    ],
)
def test_mistakes_end_in_one_line(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PATHS["mlp_gan"], "mlp_gan.py")
    shutil.copy(PATHS["mnist_gan"].with_name("generate.py"), "generate.py")
    (tmp_path / "text.py").write_text("no Python")
    (tmp_path / "mine.ipynb").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit) as end:
        notebook.main(argv.split())
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1 and said in lines[0]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
