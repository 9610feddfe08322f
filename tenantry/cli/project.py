"""`tenantry init`: the files that a project begins with, and the role's own search_path on a real server."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Annotated

import psycopg2
from cyclopts import Parameter

from tenantry import embedded
from tenantry.cli.answer import Answer
from tenantry.cli.connection import RoleFacts, connected, facts
from tenantry.cli.flags import SERVER, ServerFlags
from tenantry.cli.render import shown_path
from tenantry.cli.screen import Screen
from tenantry.config import Config, SourceKind, load, masked
from tenantry.errors import ServerError

TOML, MODELS, APP = "tenantry.toml", "models.py", "models:tenants"


def init(
    *,
    setup_role: Annotated[bool, Parameter(negative="", help="Give the role its empty search_path at once.")] = False,
    flags: ServerFlags = SERVER,
    screen: Annotated[Screen, Parameter(parse=False)],
) -> Answer:
    """Write tenantry.toml, models.py and the first migrations into this directory. What is there is left alone."""
    here = Path.cwd()
    before = load(flags=flags.settings())
    made: dict[Path, bool] = {}
    if before.file is None or before.file.parent != here.resolve():
        made[here / TOML] = _write(here / TOML, _toml(before, with_app=not (here / MODELS).exists()))
    else:
        made[before.file] = False
    made[here / MODELS] = _write(here / MODELS, _template("models.py"))
    config = load(flags=flags.settings())
    for kind, name in (("shared", "0001_plans.sql"), ("tenant", "0001_invoices.sql")):
        folder = config.migrations / kind
        # Not beside others: it would be a second 0001.
        others = sorted(folder.glob("[0-9]*_*")) if folder.is_dir() else []
        path = others[0] if others else folder / name
        made[path] = not others and _write(path, _template(f"{kind}.sql"))
    role = _role(config, setup_role=setup_role)
    return Answer(
        data={
            "created": [path for path, is_new in made.items() if is_new],
            "left_alone": [path for path, is_new in made.items() if not is_new],
            "role": role,
        },
        text="\n".join(f"{'wrote' if is_new else 'left '}  {shown_path(path)}" for path, is_new in made.items()),
        notes=(*([f"\n{role}"] if role else []), _next(config)),
    )


def _write(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _template(name: str) -> str:
    return resources.files("tenantry.cli").joinpath("template", name).read_text("utf-8")


def _toml(config: Config, *, with_app: bool) -> str:
    lines = [
        _url_line(config),
        f'{"" if with_app else "# "}app = "{APP}"  # Where the command line finds the Tenantry object.',
    ]
    return "\n".join(lines) + "\n"


def _url_line(config: Config) -> str:
    source = config.sources["url"]
    if source.kind is SourceKind.ENVIRONMENT:
        return f'# url = "postgresql://..."  # {source.place} says where the database is.'
    if source.kind is SourceKind.FLAG and config.url is not None:
        if masked(config.url) == config.url:
            return f"url = {json.dumps(config.url)}"
        return "# url: it has a password in it, and files get shared. Set TENANTRY_URL instead."
    return 'url = "embedded:"  # A PostgreSQL that tenantry starts by itself: for development.'


def _role(config: Config, *, setup_role: bool) -> str:
    """Say what the role on a real server needs, or has got; nothing when it has it, or is the embedded server's."""
    if config.url is None or config.url.startswith(embedded.SCHEME):
        return ""
    try:
        with connected(config.url) as connection:
            found = facts(connection)
            if found.has_empty_path:
                return ""
            if not setup_role:
                return _advice(found)
            connection.cursor().execute(found.empty_path_sql)
    except (ServerError, psycopg2.Error) as error:
        if setup_role:
            raise
        return f"The server could not be asked about the role ({error}). Look again later: tenantry doctor"
    return f"done: {found.empty_path_sql};"


def _advice(found: RoleFacts) -> str:
    return (
        f"The role {found.role!r} begins with search_path {found.path!r}: SQL that escapes its tenant would find "
        f"tables there, so tenantry refuses to connect. Run this once (tenantry init --setup-role does):\n"
        f"  {found.empty_path_sql};"
    )


def _next(config: Config) -> str:
    server = [] if config.url else ["export TENANTRY_URL=postgresql://user@host/database"]
    steps = [*server, "tenantry tenant create acme", "tenantry migrate status"]
    run = [f"python {MODELS}"] if config.app == APP else []
    return "\nNext:\n" + "\n".join(f"  {step}" for step in (*steps, *run))
