"""Nothing of the builder's public face is without a word in tests/typing, which mypy and pyright read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tenantry import fields

REPOSITORY = Path(__file__).parent.parent
FACE = REPOSITORY / "tenantry"
CLASSES = {
    "query/select.pyi": None,  # All that are public.
    "query/writes.pyi": None,
    "query/assignments.pyi": None,
    "query/statement.py": {"Runnable", "Results", "Statement"},
    "query/compiled.py": {"Compiled", "CompiledWrite"},
    "query/raw.py": {"Raw"},
    "app/across.py": {"Across"},
}
OURS = {"at_most", "node"}  # What the builder asks of its own parts.


def public(nodes, kind):
    return [node for node in nodes if isinstance(node, kind) and not node.name.startswith("_")]


def read(path):
    return ast.parse(path.read_text(), str(path))


def methods():
    """Give each public method of the classes, with its file and class."""
    for path, names in CLASSES.items():
        found = {each.name: each for each in public(read(FACE / path).body, ast.ClassDef)}
        for name in sorted(names or found):
            for method in dict.fromkeys(each.name for each in public(found[name].body, ast.FunctionDef)):
                yield pytest.param(method, id=f"{path}:{name}.{method}")


def names(path, kind):
    return sorted({each.name for each in public(read(FACE / path).body, kind)})


FIELDS = [each for each in names("fields.pyi", ast.ClassDef | ast.FunctionDef) if hasattr(fields, each)]


@pytest.fixture(scope="module")
def used():
    """What the files of tests/typing use, beside what they import: names, and attributes with what they are of."""
    nodes = [each for path in sorted((REPOSITORY / "tests/typing").glob("*.py")) for each in ast.walk(read(path))]
    attributes = {(ast.unparse(each.value), each.attr) for each in nodes if isinstance(each, ast.Attribute)}
    return {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}, attributes


@pytest.mark.parametrize("method", [*methods()])
def test_every_method_of_the_builder_is_held_to_its_types(method, used):
    held = method in {name for _, name in used[1]}
    assert held is (method not in OURS)


@pytest.mark.parametrize("function", names("fn.pyi", ast.FunctionDef))
def test_every_function_is_held_to_its_types(function, used):
    held = ("fn", function) in used[1]
    assert held


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_held_to_its_types(name, used):
    held = name in used[0]
    assert held
