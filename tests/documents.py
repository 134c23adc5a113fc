"""What the tests of the README and of docs/ need: the pages, their links, anchors and commands."""

import re
import shlex

from conftest import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def links(page):
    """Return the targets of a page's links and pictures that are not addresses."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in found if not target.startswith("https://")]


def commands(page):
    """Return the commands of a page but for those that CI runs: (program, its arguments).

    A variable of the shell is 1.
    """
    text = re.sub(r"^<!-- CI runs .*?^```$", "", page.read_text(), flags=re.M | re.S)
    return commands_in(text)


def commands_in(text):
    """Return the commands of a text, (program, its arguments)."""
    text = text.replace("\\\n", " ")  # a command on several lines
    found = re.findall(r"(?:^ *|`)(?:[A-Z_]+=\d+ )?python ([\w/]+\.py)([^`\n]*)", text, re.M)
    return [(program, split(rest)) for program, rest in found]


def split(rest):
    """Split the rest of a line with a command into its arguments."""
    command, _, _ = rest.strip().partition("    ")  # in a list a description stands behind it
    return shlex.split(re.sub(r"\$\w+", "1", command))


def blocks_of_ci(page):
    """Return the blocks of shell commands that CI runs."""
    return re.findall(
        r"^<!-- CI runs this block -->\n```sh\n(.*?)^```$", page.read_text(), re.M | re.S
    )


def code_spans(page):
    """Return the texts between single backticks of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return re.findall(r"`([^`]+)`", text)
