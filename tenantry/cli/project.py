"""`tenantry init`: the files that a project begins with, and the role's own search_path on a real server."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
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
from tenantry.config import Config, SourceKind, load, masked
from tenantry.errors import ServerError

TOML, MODELS, PACKAGE, APP = "tenantry.toml", "models.py", "models/__init__.py", "models:tenants"
NO_EXAMPLE = "What is there is left alone, so no example models and migrations were written beside it."


def init(
    *,
    setup_role: Annotated[bool, Parameter(negative="", help="Give the role its empty search_path at once.")] = False,
    flags: ServerFlags = SERVER,
) -> Answer:
    """Write tenantry.toml, models.py and the first migrations into this directory. What is there is left alone."""
    here = Path.cwd()
    config = _beginning(load(flags=flags.settings()), here)
    role = _role(config, setup_role=setup_role)  # Before a url is written that cannot work.
    own = [path for path in (here / MODELS, here / PACKAGE) if os.path.lexists(path)]
    own += [config.migrations] if _has_migrations(config) else _in_the_way(config)
    with_example = not own and config.app in (None, APP)
    texts = {} if config.file else {here / TOML: _toml(config, with_app=with_example)}
    if with_example:
        texts[here / MODELS] = _template("models.py")
        texts[config.migrations / "shared" / "0001_plans.sql"] = _template("shared.sql")
        texts[config.migrations / "tenant" / "0001_invoices.sql"] = _template("tenant.sql")
    for path, text in reversed(texts.items()):  # tenantry.toml at the end: it names what is to be there by then.
        _write(path, text)
    kept = [*([config.file] if config.file else []), *own]
    lines = [f"wrote  {shown_path(path)}" for path in texts] + [f"left   {shown_path(path)}" for path in kept]
    advice = (role, "" if with_example else NO_EXAMPLE, _next(config))
    return Answer(
        data={"created": [*texts], "left_alone": kept, "role": role},
        text="\n".join(lines),
        notes=tuple(f"\n{text}" for text in advice if text),
    )


def _beginning(config: Config, here: Path) -> Config:
    """Return what *config* will be when a new file in *here* takes the place of one further up, or of none."""
    if config.file is not None and config.file.parent == here.resolve():
        return config
    stays = {name for name, each in config.sources.items() if each.kind in (SourceKind.FLAG, SourceKind.ENVIRONMENT)}
    return replace(
        config,
        file=None,
        url=config.url if "url" in stays else embedded.SCHEME,
        app=config.app if "app" in stays else None,
        migrations=config.migrations if "migrations" in stays else here / "migrations",
    )


def _has_migrations(config: Config) -> bool:
    """Say whether there are migrations of whatever kind: those of another tool are not to be mixed with an example."""
    return any(any(config.migrations.glob(pattern)) for pattern in ("[0-9]*_*", "*/[0-9]*_*"))


def _in_the_way(config: Config) -> list[Path]:
    """Name what is there in place of a folder of the example, as a file or as a link that leads nowhere."""
    folder = config.migrations
    folders = (*reversed(folder.parents), folder, folder / "shared", folder / "tenant")
    return [path for path in folders if os.path.lexists(path) and not path.is_dir()]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


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
    found = load()  # As the next command does, which has no flag.
    url = config.url or "postgresql://user@host/database"
    steps = [
        *([] if found.url == url else [_export(url)]),
        *([] if _has_migrations(config) else ["tenantry migrate new initial"]),
        "tenantry tenant create acme",
        "tenantry migrate status",
        *([f"python {MODELS}"] if found.app == APP else []),
    ]
    return "Next:\n" + "\n".join(f"  {step}" for step in steps)


def _export(url: str) -> str:
    gap = "" if masked(url) == url else "  # Its password in place of ***."
    return f"export TENANTRY_URL={shlex.quote(masked(url))}{gap}"
