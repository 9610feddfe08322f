"""The tree of commands."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

from tenantry.cli import db, demo, doctor, migrate, project, tenant
from tenantry.cli.answer import Answer, Table
from tenantry.cli.flags import RUN, RunFlags
from tenantry.config import describe, load

EVERYWHERE = "Every command but db psql takes --json. Manual: docs/reference/cli.md\n"

app = App(
    name="tenantry",
    help="Multi-tenancy for peewee on PostgreSQL: one schema per tenant.",
    version=lambda: version("tenantry"),
    help_format="plaintext",
    help_epilogue=EVERYWHERE,
)
config_app = App(name="config", help="The configuration.")


@config_app.command
def show(*, flags: RunFlags = RUN) -> Answer:
    """Show every setting with its source; passwords are hidden."""
    config = load(flags=flags.settings())
    settings = describe(config)
    beside = (f"{config.app} may pass settings of its own, which win over these",) if config.app else ()
    return Answer(
        data={"settings": [each._asdict() for each in settings], "file": config.file, "warnings": config.warnings},
        table=Table(("setting", "value", "source"), settings),
        notes=(*(f"warning: {text}" for text in config.warnings), *beside),
    )


for command in (project.init, demo.demo, doctor.doctor):
    app.command(command)
for group in (config_app, tenant.app, migrate.app, db.app):
    app.command(group)
