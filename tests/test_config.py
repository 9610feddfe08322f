"""The configuration: which source wins, what is refused and in which words, and that no password is ever shown."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenantry import config as config_package
from tenantry.config import SETTINGS, Config, Settings, Source, SourceKind, check, describe, load, masked, require_url
from tenantry.errors import ConfigError, InvalidSetting, NoUrl, UnknownSetting, UnreadableConfig
from tenantry.pool import PoolSettings

OWN, PYPROJECT = "tenantry.toml", "pyproject.toml"
URL = "postgresql://app@db/shop"
NOBODY = 65534
EMPTY = Path(tempfile.gettempdir()).resolve()  # For tests that need no file, so that Hypothesis makes no directories.

Load = Callable[..., Config]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a space in its name, and with nothing in it."""
    directory = tmp_path / "my shop"
    directory.mkdir()
    return directory.resolve()


@pytest.fixture
def write(project: Path) -> Callable[[str, str], Path]:
    """Write a file in the project, and return its path."""

    def write(name: str, text: str) -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def loaded(project: Path) -> Load:
    """Load in the project, with an environment that is empty but for what is said."""
    return lambda **how: load(**{"environ": {}, "directory": project, **how})


def refused(error: type[ConfigError] = InvalidSetting, **how: object) -> Any:
    with pytest.raises(error) as caught:
        load(**{"environ": {}, "directory": EMPTY, **how})
    return caught.value


# The table.


def test_every_setting_has_a_default_a_purpose_a_variable_and_a_flag():
    assert len(SETTINGS) == 25
    for name, setting in SETTINGS.items():
        assert setting.name == name
        assert setting.purpose
        assert setting.rule.words.startswith("it must be ")
        assert setting.variables[0] == "TENANTRY_" + name.upper()
        assert setting.flag == "--" + name.replace("_", "-")


def test_every_setting_is_an_attribute_of_the_configuration(loaded):
    assert set(SETTINGS) < {field.name for field in fields(Config)}
    assert all(hasattr(loaded(), name) for name in SETTINGS)


def test_the_keyword_arguments_of_an_engine_are_the_settings_but_url_and_app():
    assert list(Settings.__annotations__) == [name for name in SETTINGS if name not in ("url", "app")]


def test_what_a_program_passes_can_be_checked_before_anything_is_read(write, project, monkeypatch):
    write(OWN, "not TOML")
    monkeypatch.chdir(project)
    check({"url": None, "pool_size": 3})
    for wrong, error in (({"pool_size": "3"}, InvalidSetting), ({"pool_siz": 3}, UnknownSetting)):
        with pytest.raises(error):
            check(wrong)


def test_every_default_passes_the_check_that_values_must_pass():
    for setting in SETTINGS.values():
        if setting.default is not None:
            assert setting.rule.check(setting.default) == setting.default


def test_the_defaults_are_those_of_the_design(loaded, project):
    assert {name: getattr(loaded(), name) for name in SETTINGS} == {
        "url": None,
        "app": None,
        "migrations": project / "migrations",
        "schema_prefix": "t_",
        "shared_schema": "public",
        "extensions": None,
        "roles": False,
        "shared_grants": None,
        "tenant_setting": False,
        "pool": "shared",
        "pool_size": 10,
        "tenant_share": None,
        "pool_wait_s": 5.0,
        "pool_idle_s": 300.0,
        "pool_ask_after_s": 60.0,
        "tenants_per_connection": 1000,
        "tenant_pool_size": 2,
        "tenant_pools": 32,
        "connect_attempts": 4,
        "allow_default_path": False,
        "pooler": "auto",
        "databases": 1024,
        "catalog_interval_s": 5.0,
        "jobs": 4,
        "lock_timeout_s": 2.0,
    }


def test_the_defaults_of_the_pool_are_those_of_its_settings(loaded):
    config, pool = loaded(), PoolSettings()
    assert (config.pool_size, config.pool_wait_s, config.pool_idle_s) == (pool.size, pool.wait_s, pool.idle_s)
    assert (config.pool_ask_after_s, config.connect_attempts) == (pool.ask_after_s, pool.connect_attempts)
    assert config.tenants_per_connection == pool.tenants_per_connection
    assert config.allow_default_path is pool.allow_default_path
    assert (config.pooler, config.tenant_share) == (pool.pooler, pool.tenant_share)


def test_a_configuration_cannot_be_changed(loaded):
    with pytest.raises(FrozenInstanceError):
        loaded().pool_size = 3
    with pytest.raises(TypeError):
        loaded().sources["pool_size"] = None


# Who wins.


def test_without_anything_all_is_default(loaded):
    config = loaded()
    assert {str(source) for source in config.sources.values()} == {"default"}
    assert (config.file, config.warnings, config.url) == (None, (), None)


def test_given_beats_flag_beats_environment_beats_file_beats_default(loaded, write):
    strongest_last = [
        ("default", None),
        ("file", lambda how: write(OWN, "pool_size = 1")),
        ("environment", lambda how: how.update(environ={"TENANTRY_POOL_SIZE": "2"})),
        ("flag", lambda how: how.update(flags={"pool_size": 3})),
        ("given", lambda how: how.update(given={"pool_size": 4})),
    ]
    how: dict[str, object] = {}
    sizes = []
    for kind, add in strongest_last:
        if add is not None:
            add(how)
        config = loaded(**how)
        sizes.append(config.pool_size)
        assert config.sources["pool_size"].kind is SourceKind(kind)
    assert sizes == [10, 1, 2, 3, 4]


def test_each_source_says_where_it_is(loaded, write, project):
    path = write(OWN, "databases = 7")
    config = loaded(environ={"TENANTRY_JOBS": "2"}, flags={"pool_size": "3"}, given={"pool_wait_s": 4})
    places = {name: str(config.sources[name]) for name in ("databases", "jobs", "pool_size", "pool_wait_s", "app")}
    assert places == {
        "databases": f"file {path}, key databases",
        "jobs": "environment TENANTRY_JOBS",
        "pool_size": "flag --pool-size",
        "pool_wait_s": "given to Tenantry()",
        "app": "default",
    }
    assert config.sources["jobs"] == Source(SourceKind.ENVIRONMENT, "TENANTRY_JOBS", project)


def test_none_is_not_given(loaded):
    config = loaded(given={"pool_size": None}, flags={"pool_size": None, "jobs": None}, environ={"TENANTRY_JOBS": "2"})
    assert (config.pool_size, config.jobs) == (10, 2)


def test_an_empty_variable_is_not_set(loaded, write):
    write(OWN, "pool_size = 3")
    config = loaded(environ={"TENANTRY_POOL_SIZE": "", "TENANTRY_URL": "", "DATABASE_URL": URL, "TENANTRY_TYPO": ""})
    assert (config.pool_size, config.url) == (3, URL)


def test_tenantry_url_beats_database_url(loaded):
    config = loaded(environ={"DATABASE_URL": "postgresql://other/", "TENANTRY_URL": URL})
    assert (config.url, config.sources["url"].place) == (URL, "TENANTRY_URL")


def test_database_url_serves_when_nothing_of_our_own_is_set(loaded):
    config = loaded(environ={"DATABASE_URL": URL})
    assert (config.url, str(config.sources["url"])) == (URL, "environment DATABASE_URL")


def test_what_does_not_win_is_not_checked(loaded):
    environ = {"TENANTRY_URL": URL, "DATABASE_URL": "mysql://other", "TENANTRY_POOL_SIZE": "ten"}
    assert loaded(environ=environ, given={"pool_size": 2}).pool_size == 2


def test_the_environment_of_the_process_is_read_when_no_other_is_passed(project, monkeypatch):
    monkeypatch.setenv("TENANTRY_JOBS", "9")
    monkeypatch.chdir(project)
    assert load().jobs == 9
    assert load().migrations == project / "migrations"


# Which file.


def test_the_file_is_looked_for_upward(loaded, write, project):
    path = write(OWN, "jobs = 2")
    (project / "a" / "b").mkdir(parents=True)
    config = loaded(directory=project / "a" / "b")
    assert (config.jobs, config.file) == (2, path)


def test_pyproject_serves_with_its_table(loaded, write):
    path = write(PYPROJECT, "[tool.tenantry]\njobs = 2")
    config = loaded()
    assert (config.jobs, config.file) == (2, path)
    assert str(config.sources["jobs"]) == f"file {path}, key tool.tenantry.jobs"


@pytest.mark.parametrize("text", ["", "tool = 3", "[tool.ruff]\n", "[project]\nname = 'tenantry'"])
def test_a_pyproject_without_the_table_is_passed_by(loaded, write, project, text):
    write(OWN, "jobs = 2")
    write("inner/" + PYPROJECT, text)
    assert loaded(directory=project / "inner").jobs == 2


def test_tenantry_toml_beats_pyproject_beside_it_and_nothing_is_merged(loaded, write):
    write(OWN, "jobs = 2")
    write(PYPROJECT, "[tool.tenantry]\njobs = 3\npool_size = 3")
    config = loaded()
    assert (config.jobs, config.pool_size) == (2, 10)


def test_a_nearer_pyproject_beats_a_farther_tenantry_toml_and_nothing_is_merged(loaded, write, project):
    write(OWN, "jobs = 2\npool_size = 2")
    write("inner/" + PYPROJECT, "[tool.tenantry]\njobs = 3")
    config = loaded(directory=project / "inner")
    assert (config.jobs, config.pool_size) == (3, 10)


def test_an_empty_tenantry_toml_ends_the_search(loaded, write, project):
    write(OWN, "jobs = 2")
    path = write("inner/" + OWN, "")
    config = loaded(directory=project / "inner")
    assert (config.jobs, config.file) == (4, path)


def test_a_mark_of_the_byte_order_is_no_error(loaded, write):
    write(OWN, "\ufeffjobs = 2")
    assert loaded().jobs == 2


# Paths.


def test_a_path_in_a_file_begins_at_the_file(loaded, write, project):
    write(OWN, "migrations = 'db/steps'\nurl = 'embedded:data'")
    (project / "inner").mkdir()
    config = loaded(directory=project / "inner")
    assert (config.migrations, config.base) == (project / "db" / "steps", project)


@pytest.mark.parametrize("how", ["given", "flags", "environ"])
def test_a_path_from_elsewhere_begins_at_the_working_directory(loaded, write, project, how):
    write(OWN, "migrations = 'x'\nurl = 'embedded:x'")
    (project / "inner").mkdir()
    names = ("TENANTRY_MIGRATIONS", "TENANTRY_URL") if how == "environ" else ("migrations", "url")
    config = loaded(directory=project / "inner", **{how: dict(zip(names, ("steps", "embedded:y"), strict=True))})
    assert (config.migrations, config.base) == (project / "inner" / "steps", project / "inner")


def test_the_default_folder_of_migrations_is_beside_the_file(loaded, write, project):
    write(OWN, "")
    (project / "inner").mkdir()
    assert loaded(directory=project / "inner").migrations == project / "migrations"


def test_a_working_directory_is_taken_without_its_dots(loaded, write, project):
    write("a/" + OWN, "jobs = 2")
    assert loaded(directory=project / "a" / "..").jobs == 4


def test_the_tilde_is_the_home_directory(loaded, monkeypatch, project):
    monkeypatch.setenv("HOME", str(project))
    assert loaded(environ={"TENANTRY_MIGRATIONS": "~/steps"}).migrations == project / "steps"


def test_a_program_may_pass_a_path(loaded, project):
    assert loaded(given={"migrations": Path("steps")}).migrations == project / "steps"


def test_a_flag_may_be_parsed_already(loaded, project):
    config = loaded(flags={"migrations": Path("steps"), "allow_default_path": True, "pool_size": 3, "jobs": "2"})
    assert (config.migrations, config.allow_default_path) == (project / "steps", True)
    assert (config.pool_size, config.jobs) == (3, 2)


def test_a_file_in_place_of_the_working_directory_is_looked_for_upward(loaded, write):
    path = write(OWN, "jobs = 2")
    assert loaded(directory=path).jobs == 2


# Unknown names.


def test_an_unknown_key_is_an_error_with_a_suggestion(loaded, write):
    path = write(OWN, "pool-size = 3")
    error = refused(UnknownSetting, directory=path.parent)
    assert str(error) == f"tenantry has no setting pool-size (file {path}, key pool-size): did you mean pool_size?"
    assert (error.name, error.near, error.source) == ("pool-size", "pool_size", f"file {path}, key pool-size")


def test_an_unknown_variable_is_an_error_with_a_suggestion():
    error = refused(UnknownSetting, environ={"TENANTRY_POOLSIZE": "3"})
    assert "environment TENANTRY_POOLSIZE" in str(error)
    assert "did you mean TENANTRY_POOL_SIZE?" in str(error)


def test_a_variable_in_the_wrong_case_is_unknown():
    assert refused(UnknownSetting, environ={"TENANTRY_Pool_Size": "3"}).near == "TENANTRY_POOL_SIZE"


@pytest.mark.parametrize(("how", "place"), [("given", "given to Tenantry()"), ("flags", "flag --jbos")])
def test_an_unknown_name_is_an_error_even_with_none(how, place):
    error = refused(UnknownSetting, **{how: {"jbos": None}})
    assert (error.near, error.source) == ("jobs", place)


def test_what_is_near_to_nothing_is_told_all_settings():
    error = refused(UnknownSetting, given={"zzz": 1})
    assert error.near is None
    assert all(name in str(error) for name in SETTINGS)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TENANTRY_TEST_URL", URL),
        ("TENANTRY_TEST_ANYTHING", "1"),
        ("TENANTRY_BENCH_URL", URL),
        ("TENANTRY_SERVICE_HOST", "10.0.0.1"),
        ("TENANTRY_DB_SERVICE_PORT_HTTP", "80"),
        ("TENANTRY_PORT", "tcp://10.0.0.1:80"),
        ("TENANTRY_PORT_5432_TCP", "tcp://10.0.0.1:80"),
        ("TENANTRY_PORT_5432_TCP_ADDR", "10.0.0.1"),
        ("OTHER_TENANTRY_X", "1"),
    ],
)
def test_variables_of_the_tests_and_of_kubernetes_are_not_settings(loaded, variable, text):
    assert loaded(environ={variable: text}).sources == loaded().sources


def test_a_port_that_no_kubernetes_set_is_unknown():
    assert refused(UnknownSetting, environ={"TENANTRY_PORT": "5432"}).name == "PORT"
    assert refused(UnknownSetting, environ={"TENANTRY_ADDRESS": "tcp://10.0.0.1:80"}).name == "ADDRESS"


# Wrong values.


def test_a_wrong_value_is_told_with_its_source_and_the_rule():
    error = refused(environ={"TENANTRY_POOL_SIZE": "ten"})
    assert str(error) == (
        "pool_size='ten' from environment TENANTRY_POOL_SIZE: it must be a whole number from 1 to 262143"
    )
    assert (error.name, error.value, error.source) == ("pool_size", "'ten'", "environment TENANTRY_POOL_SIZE")


def test_a_wrong_value_in_a_file_is_told_with_its_key(write):
    path = write(PYPROJECT, "[tool.tenantry]\npool_size = '10'")
    error = refused(directory=path.parent)
    assert str(error).startswith(f"pool_size='10' from file {path}, key tool.tenantry.pool_size: it must be")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_size", "3"),
        ("pool_size", 0),
        ("pool_size", -1),
        ("pool_size", 262_144),
        ("pool_size", 3.0),
        ("pool_size", True),
        ("pool_size", [3]),
        ("databases", 2**31),
        ("databases", 10**5000),
        ("pool_wait_s", "5"),
        ("pool_wait_s", -0.1),
        ("pool_wait_s", float("nan")),
        ("pool_wait_s", float("inf")),
        ("pool_wait_s", 10**400),
        ("pool_wait_s", False),
        ("lock_timeout_s", 0),
        ("allow_default_path", 1),
        ("allow_default_path", "true"),
        ("url", ""),
        ("url", 7),
        ("url", b"postgresql://db/shop"),
        ("url", "mysql://db/shop"),
        ("url", "postgresql+psycopg2://db/shop"),
        ("url", " " + URL),
        ("url", URL + "\n"),
        ("url", URL + " "),
        ("url", URL + "\0"),
        ("url", URL + "\udc80"),
        ("app", "shop.db"),
        ("app", "shop/db.py:tenants"),
        ("app", ":tenants"),
        ("app", 7),
        ("migrations", ""),
        ("migrations", " "),
        ("migrations", "a\0"),
        ("migrations", b"steps"),
        ("migrations", 7),
        ("schema_prefix", "pg_"),
        ("schema_prefix", "x" * 63),
        ("schema_prefix", 7),
        ("shared_schema", ""),
        ("shared_schema", "x" * 64),
        ("extensions", "public"),
        ("extensions", "pg_x"),
    ],
    ids=lambda value: ascii(value)[:30] if not isinstance(value, int) or value < 2**63 else "huge",
)
def test_what_cannot_work_is_refused(name, value):
    error = refused(given={name: value})
    assert error.name == name
    assert str(error).startswith(f"{name}={error.value} given to Tenantry(): ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pool_size", 1),
        ("pool_size", 262_143),
        ("databases", 2**31 - 1),
        ("pool_wait_s", 0),
        ("pool_wait_s", 2_000_000),
        ("lock_timeout_s", 0.001),
        ("shared_schema", "x" * 63),
        ("schema_prefix", ""),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_just_possible_is_taken(loaded, name, value):
    assert getattr(loaded(given={name: value}), name) == value


def test_a_rule_of_names_tells_what_is_wrong_with_this_one():
    assert refused(given={"shared_schema": "x" * 64}).rule == (
        "it is not a schema name: it is 64 bytes long, and PostgreSQL keeps 63"
    )


def test_a_number_is_shown_unless_it_is_endless():
    assert refused(given={"pool_size": -1}).value == "-1"
    assert refused(given={"pool_size": 10**5000}).value == "<a number of 16610 bits>"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pool_size", "3.0"),
        ("pool_size", "0x10"),
        ("pool_size", "9" * 5000),
        ("pool_wait_s", "5s"),
        ("pool_wait_s", "nan"),
        ("pool_wait_s", "1e999"),
        ("allow_default_path", "maybe"),
    ],
    ids=lambda text: text[:20],
)
def test_text_that_is_no_such_value_is_refused(name, text):
    assert refused(environ={"TENANTRY_" + name.upper(): text}).value == repr(text)
    assert refused(flags={name: text}).value == repr(text)


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "yes", "on"])
def test_a_switch_can_be_on_in_several_words(loaded, text):
    assert loaded(environ={"TENANTRY_ALLOW_DEFAULT_PATH": text}).allow_default_path is True


@pytest.mark.parametrize("text", ["0", "false", "False", "no", "off"])
def test_a_switch_can_be_off_in_several_words(loaded, text):
    assert loaded(environ={"TENANTRY_ALLOW_DEFAULT_PATH": text}).allow_default_path is False


@pytest.mark.parametrize(
    "url", [URL, "postgres://db", "embedded:", "embedded:data?version=16", "host=db user=app", "postgresql:///shop"]
)
def test_every_notation_of_a_database_is_taken_as_it_is(loaded, url):
    assert loaded(environ={"TENANTRY_URL": url}).url == url


def test_what_is_no_plain_value_is_not_shown():
    assert refused(given={"pool_size": {"password": "S3cret"}}).value == "<dict>"


# Unreadable files.


def test_a_mistake_in_toml_is_told_with_its_line(write):
    path = write(OWN, "jobs = 2\n\npool_size = = 3\n")
    error = refused(UnreadableConfig, directory=path.parent)
    assert (error.path, error.line) == (path, 3)
    assert "line 3" in str(error)


def test_a_pyproject_with_a_mistake_is_not_passed_by(write):
    path = write(PYPROJECT, "[tool.tenantry\njobs = 2")
    assert refused(UnreadableConfig, directory=path.parent).line == 1


def test_a_file_that_is_not_utf_8_is_told_with_its_line(project):
    (project / OWN).write_bytes("\njobs = 2\napp = 'caf\xe9:x'".encode("latin-1"))
    error = refused(UnreadableConfig, directory=project)
    assert error.line == 3
    assert "save it as UTF-8" in str(error)


def test_toml_that_is_nested_without_end_is_refused(write):
    path = write(OWN, "jobs = " + "[" * 100_000)
    assert "not TOML" in refused(UnreadableConfig, directory=path.parent).reason


def test_a_number_that_python_would_not_read_is_refused(write):
    path = write(OWN, "jobs = " + "9" * 5000)
    assert "not TOML" in refused(UnreadableConfig, directory=path.parent).reason


def test_a_table_is_needed_in_pyproject(write):
    path = write(PYPROJECT, "[tool]\ntenantry = 3")
    assert "[tool.tenantry]" in refused(UnreadableConfig, directory=path.parent).reason


def test_a_directory_in_place_of_the_file_is_refused(project):
    (project / OWN).mkdir()
    assert refused(UnreadableConfig, directory=project).path == project / OWN


def test_a_link_that_leads_nowhere_is_not_taken_for_no_file(project):
    (project / OWN).symlink_to(project / "gone.toml")
    assert "remove it" in refused(UnreadableConfig, directory=project).reason


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything: work as another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_project() -> Iterator[Path]:
    """A directory that other users can enter; those of pytest cannot be."""
    directory = Path(tempfile.mkdtemp(prefix="tenantry test ")).resolve()
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_a_file_that_may_not_be_read_is_refused(open_project):
    path = open_project / OWN
    path.write_text("jobs = 2")
    path.chmod(0)
    with as_nobody():
        error = refused(UnreadableConfig, directory=open_project)
    assert str(error) == (
        f"the configuration {path} cannot be read: Permission denied. "
        "Make it a file that this user can read, or remove it"
    )


def test_a_directory_that_may_not_be_entered_is_passed_by_with_a_warning(open_project, loaded):
    (open_project / OWN).write_text("jobs = 2")
    (open_project / "closed" / "inner").mkdir(parents=True)
    (open_project / "closed").chmod(0)
    with as_nobody():
        config = loaded(directory=open_project / "closed")
    (open_project / "closed").chmod(0o755)
    assert config.jobs == 2
    assert [w for w in config.warnings if str(open_project / "closed") in w and "was not read" in w]


# The URL.


def test_there_is_no_url_by_default_and_the_error_names_the_ways(loaded):
    with pytest.raises(NoUrl) as caught:
        require_url(loaded())
    assert all(way in str(caught.value) for way in ("TENANTRY_URL", "DATABASE_URL", "tenantry.toml", "embedded:"))


def test_the_error_without_a_url_names_the_file_that_was_read(loaded, write):
    path = write(PYPROJECT, "[tool.tenantry]")
    with pytest.raises(NoUrl) as caught:
        require_url(loaded())
    assert caught.value.file == path
    assert str(path) in str(caught.value)


def test_the_url_is_returned_with_its_password(loaded):
    assert require_url(loaded(environ={"TENANTRY_URL": "postgresql://app:S3cret@db"})) == "postgresql://app:S3cret@db"


def test_a_password_in_a_file_works_and_is_warned_about(loaded, write):
    path = write(OWN, "url = 'postgresql://app:S3cret@db/shop'")
    config = loaded()
    assert config.url == "postgresql://app:S3cret@db/shop"
    (warning,) = config.warnings
    assert warning.startswith(f"{path}, key url: 'postgresql://app:***@db/shop' has a password in it")
    assert "TENANTRY_URL" in warning


def test_a_password_in_a_file_is_warned_about_when_another_url_wins(loaded, write):
    write(OWN, "url = 'postgresql://app:S3cret@db/shop'")
    assert loaded(given={"url": URL}).warnings


def test_a_url_without_a_password_is_not_warned_about(loaded, write):
    write(OWN, "url = 'postgresql://app@db:5432/shop?passfile=/run/pass'")
    assert loaded().warnings == ()


# What is shown.


def test_all_settings_are_described_in_the_order_of_the_table(loaded):
    assert [each.name for each in describe(loaded())] == list(SETTINGS)


def test_a_description_is_value_and_source(loaded):
    lines = describe(loaded(environ={"TENANTRY_URL": "postgresql://app:S3cret@db/shop"}, given={"pool_wait_s": 2.5}))
    assert ("url", "postgresql://app:***@db/shop", "environment TENANTRY_URL") in lines
    assert ("pool_wait_s", "2.5", "given to Tenantry()") in lines
    assert ("pool_idle_s", "300", "default") in lines
    assert ("allow_default_path", "false", "default") in lines
    assert ("extensions", "", "default") in lines


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        (URL, URL),
        ("postgresql://app@db:5432/shop", "postgresql://app@db:5432/shop"),
        ("postgresql://app:@db/shop", "postgresql://app:@db/shop"),
        ("postgresql://app:a@b/c?d@db/shop", "postgresql://app:***@db/shop"),
        ("postgresql://me@corp:x@db/shop", "postgresql://me@corp:***@db/shop"),
        ("postgresql://a:x@b:1,c:2/shop", "postgresql://a:***@b:1,c:2/shop"),
        ("postgresql://:x@db/shop", "postgresql://:***@db/shop"),
        ("app:x@db", "app:***@db"),
        (":x@db", ":***@db"),
        ("host=::1 user=me@azure", "host=::1 user=me@azure"),
        ("host=db password=x user=app", "host=db password=*** user=app"),
        ("host=db password = 'x host=y' user=app", "host=db password =*** user=app"),
        ("password='it\\' host=x' user=app", "password=*** user=app"),
        ("password='x host=y", "password=***"),
        ("password='x host=y\\", "password=***"),
        ("password=x\\ host=y user=app", "password=*** user=app"),
        ("password=two words user=app", "password=*** user=app"),
        ("dbname=postgresql://a:x@db/shop", "dbname=postgresql://a:***@db/shop"),
        ("postgresql://db/?PassWord=x&sslpassword=y&user=app", "postgresql://db/?PassWord=***&user=app"),
        ("postgresql://db/?pass%77ord=x&port=1", "postgresql://db/?pass%77ord=***&port=1"),
        ("host=db oauth_client_secret=x port=1", "host=db oauth_client_secret=*** port=1"),
        ("postgresql://db/shop?passfile=/a/b", "postgresql://db/shop?passfile=/a/b"),
        ("embedded:/srv/a:b@c", "embedded:/srv/a:b@c"),
        ("shop.db:tenants", "shop.db:tenants"),
    ],
)
def test_of_a_url_everything_is_shown_but_the_password(text, safe):
    assert masked(text) == safe


SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"S3cr{text}r3t")
NOTATIONS: list[Callable[[str], str]] = [
    lambda secret: f"postgresql://app:{quote(secret, safe='')}@db:5432/shop?sslmode=require",
    lambda secret: f"postgresql://app:{secret}@db:5432/shop?sslmode=require",
    lambda secret: f"postgresql+psycopg2://app:{secret}@db/shop",
    lambda secret: f"app:{secret}@db/shop",
    lambda secret: f"postgresql://db/shop?user=app&password={quote(secret, safe='')}&sslmode=require",
    lambda secret: f"host=db password='{escaped(secret)}' user=app",
    lambda secret: f"host=db password={''.join(c if c.isalnum() else chr(92) + c for c in secret)} user=app",
]


def escaped(text: str) -> str:
    """As libpq wants it between quotes."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


@given(SECRETS, st.sampled_from(NOTATIONS), st.sampled_from(sorted(SETTINGS)))
@example("S3cr@:/r3t", NOTATIONS[1], "url")
@example("S3cr' host=r3t", NOTATIONS[5], "url")
@example("S3cr host=r3t", NOTATIONS[6], "app")
def test_no_password_is_ever_shown(secret, notation, name):
    # Whatever setting it was put into by mistake, and whether it was accepted or not.
    shown = []
    for how in ({"given": {name: notation(secret)}}, {"flags": {name: notation(secret)}}):
        try:
            config = load(environ={}, directory=EMPTY, **how)
            shown += [repr(config), *config.warnings, *(line.value for line in describe(config))]
        except ConfigError as error:
            shown += [str(error), repr(error), *map(str, vars(error).values()), str(error.__cause__)]
    assert shown
    for text in shown:
        assert "S3cr" not in text
        assert "r3t" not in text


# Round trips.

VALUES = {
    "url": st.just(URL),
    "app": st.from_regex(r"[a-z_]+(\.[a-z_]+)?:[a-z_]+", fullmatch=True),
    "migrations": st.from_regex(r"/[a-z .é]*[a-z]", fullmatch=True).map(Path),
    "schema_prefix": st.from_regex(r"[a-oq-z_]{1,15}", fullmatch=True),
    "pool_size": st.integers(1, 262_143),
    "databases": st.integers(1, 2**31 - 1),
    "pool_wait_s": st.floats(0, 2_000_000),
    "lock_timeout_s": st.floats(0.001, 2_000_000),
    "allow_default_path": st.booleans(),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_shown_can_be_put_into_the_environment_and_gives_the_same(values):
    config = load(given=values, environ={}, directory=EMPTY)
    environ = {SETTINGS[name].variables[0]: text for name, text, _ in describe(config)}
    assert load(environ=environ, directory=EMPTY) == config
    assert {name: getattr(config, name) for name in values} == values


@given(st.dictionaries(st.sampled_from(["TENANTRY_" + name.upper() for name in SETTINGS]), st.text()))
def test_whatever_the_environment_says_it_works_or_is_a_configuration_error(environ):
    with contextlib.suppress(ConfigError):
        load(environ=environ, directory=EMPTY)


@given(st.binary())
@example(b"[tool.tenantry]\njobs = 1")
def test_whatever_a_file_holds_it_works_or_is_a_configuration_error(content):
    with tempfile.TemporaryDirectory() as directory:
        for name in (OWN, PYPROJECT):
            path = Path(directory, name)
            path.write_bytes(content)
            with contextlib.suppress(ConfigError):
                load(environ={}, directory=path.parent)
            path.unlink()


def test_everything_public_is_listed():
    assert config_package.__all__ == sorted(config_package.__all__, key=lambda name: (not name.isupper(), name))
