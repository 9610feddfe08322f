"""For the tests of applications: proofs that tenants are kept apart, and the fixtures of the pytest plugin.

>>> prove_isolated(tenants)  # doctest: +SKIP
>>> assert_isolated(tenants, place_order, tenant="acme", other="globex")  # doctest: +SKIP
"""

from tenantry.testing.isolation import assert_isolated
from tenantry.testing.prover import find_leaks, prove_isolated
from tenantry.testing.report import Gap, Leak, Report

__all__ = ["Gap", "Leak", "Report", "assert_isolated", "find_leaks", "prove_isolated"]
