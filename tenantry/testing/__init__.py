"""For the tests of applications: fixtures for pytest, and proofs that tenants are kept apart."""
