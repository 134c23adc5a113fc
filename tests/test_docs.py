"""The pages in docs/: links hold, every script has its page, and the commands are understood."""

import ast
import importlib
import re
import shlex

import pytest
from conftest import ROOT
from test_copies import SCRIPTS

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [script.stem for script in SCRIPTS]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def links(page):
    """Return the targets of a page's links and pictures that are not addresses."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in found if not target.startswith("https://")]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_hold(page):
    for target in links(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), target


def test_every_picture_and_page_in_docs_is_shown_somewhere():
    shown = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
    }
    pictures = {
        *ROOT.glob("docs/*.png"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/losses/**/*.csv"),
    }
    assert pictures and not {path.name for path in pictures - shown}


@pytest.mark.parametrize("name", NAMES)
def test_script_and_page_name_each_other(name):
    page = ROOT / f"docs/{name}.md"
    text = page.read_text()
    docstring = ast.get_docstring(ast.parse((ROOT / f"{name}.py").read_text()))
    assert f"docs/{name}.md" in docstring
    assert f"../{name}.py" in links(page) and f"docs/{name}.md" in links(ROOT / "README.md")
    # the same papers, and the tutorials by the same names
    papers = set(re.findall(r"arXiv:(\d{4}\.\d{4,5})", docstring))
    assert papers and papers <= set(re.findall(r"arxiv.org/abs/(\d{4}\.\d{4,5})", text))
    for tutorial in re.findall(r'Tutorials?: "([^"]+)"', docstring):
        assert " ".join(tutorial.split()) in " ".join(text.split())
    for heading in ("The model", "Deviations", "Its losses", "Healthy and failing", "What to try"):
        assert f"\n## {heading}\n" in text, heading
    assert "```mermaid\n" in text and len(re.findall(r"!\[", text)) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_commands_of_the_pages_are_understood(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no run stands in the way
    (tmp_path / "runs").mkdir()
    text = (ROOT / f"docs/{name}.md").read_text()
    commands = re.findall(r"(?:^    |`)python (\w+)\.py([^`\n]*)", text, re.M)
    assert len(commands) >= 2
    for script, arguments in commands:
        arguments = [word for word in shlex.split(arguments) if word != "--resume"]
        module = importlib.import_module(script)
        if script == "generate":
            module.parse_args(arguments)
        else:
            module.parse_arguments(arguments, n_epochs=1, n_batch=2, latent_dim=1)
