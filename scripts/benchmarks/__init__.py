"""What tenantry costs beside plain peewee, on one server in one run. A benchmark, not a test: it fails nobody."""
