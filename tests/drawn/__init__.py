"""Queries that are drawn, run by the builder on a real server and in plain Python, and compared."""
