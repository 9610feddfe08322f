"""`tenantry demo`: the main job on an embedded PostgreSQL that comes and goes with it."""

from tenantry.cli.demo.command import demo

__all__ = ["demo"]
