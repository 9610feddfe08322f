"""The command line. It parses, calls the library and prints what came back; it decides nothing."""

from tenantry.cli.entry import main

__all__ = ["main"]
