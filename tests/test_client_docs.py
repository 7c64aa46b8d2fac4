"""What docs/clients/ tells users to write works: its Python blocks run, in their order, against a real server."""

import importlib.util
import re

import pytest

from harness.processes import ROOT

PYTHON = ROOT / "docs" / "clients" / "python.md"

#: A fence that says `python`, and perhaps the package that the block needs.
BLOCK = re.compile(r"^```python(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text):
    """Line, needed package, code."""
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(2)), found[1], found[2]


@pytest.mark.parametrize("package", [None, "pandas", "polars"])
def test_the_python_page_runs_from_top_to_bottom(spawn_server, package):
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not among the test clients")
    server = spawn_server()
    names = {"uri": server.url, "password": server.admin_password()}
    ran = 0
    for line, needed, code in blocks(PYTHON.read_text()):
        if needed in (None, package):
            # The newlines put the page's own line numbers into tracebacks.
            exec(compile("\n" * line + code, PYTHON, "exec"), names)
            ran += needed == package
    names["connection"].close()
    assert ran, "the page must have blocks of this kind"
