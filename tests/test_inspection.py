"""What in the database itself leads out of a tenant is found, and what does not is left alone."""

from __future__ import annotations

import pytest

from tenantry.inspection import Danger, inspect

TENANTS = ("t_acme", "t_globex", "t_initech")


@pytest.fixture
def found(shop, sql):
    """Run SQL as a superuser, and return what is found then: the schema, the object and what it refers to."""

    def run(text="", *, danger=None, extensions=None):
        if text:
            sql(text)
        findings = inspect(sql, TENANTS, ["public"], extensions=extensions)
        return [(f.schema, f.what, f.to) for f in findings if danger is None or f.danger is danger]

    yield run
    sql("DROP FUNCTION IF EXISTS public.notes; DROP SCHEMA IF EXISTS ext CASCADE")


@pytest.fixture
def extension(sql):
    """An extension that the server has, with a type of the same name: which ones there are depends on who built it."""
    name = next(name for (name,) in sql("SELECT name FROM pg_available_extensions") if name in ("citext", "vector"))
    yield name
    sql(f"DROP EXTENSION IF EXISTS {name} CASCADE")


def test_tenants_whose_tables_refer_to_their_own_and_to_shared_ones_are_clean(found):
    assert found() == []


def test_t21d_a_foreign_key_into_another_tenant_is_found(found):
    added = "ALTER TABLE t_globex.invoice ADD other int REFERENCES t_acme.customer"
    assert found(added) == [("t_globex", "constraint invoice_other_fkey of invoice", "t_acme.customer")]


def test_t21_a_default_that_was_cloned_with_another_tenants_sequence_is_found(found):
    cloned = "CREATE TABLE t_globex.copy (LIKE t_acme.customer INCLUDING ALL)"
    assert found(cloned) == [("t_globex", "the default of copy.id", "t_acme.customer_id_seq")]


def test_t20_a_view_of_another_tenants_table_is_found(found):
    made = "CREATE VIEW t_globex.all_notes WITH (security_invoker) AS SELECT note FROM t_acme.invoice"
    assert found(made, danger=Danger.LEAVES) == [("t_globex", "view all_notes", "t_acme.invoice")]


def test_t20_a_function_whose_body_was_bound_to_another_tenant_is_found(found):
    made = "CREATE FUNCTION t_globex.n() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM t_acme.invoice; END"
    assert found(made) == [("t_globex", "function n", "t_acme.invoice")]


def test_t20e_a_trigger_that_runs_another_tenants_function_is_found(found):
    made = """
        CREATE FUNCTION t_acme.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
        CREATE TRIGGER audit BEFORE INSERT ON t_globex.invoice FOR EACH ROW EXECUTE FUNCTION t_acme.audit()
    """
    assert found(made) == [("t_globex", "trigger audit of invoice", "t_acme.audit")]


@pytest.mark.parametrize(
    ("made", "what", "to"),
    [
        ("CREATE TABLE t_globex.child () INHERITS (t_acme.invoice)", "table child", "t_acme.invoice"),
        (
            "CREATE TYPE t_acme.mood AS ENUM ('calm'); ALTER TABLE t_globex.invoice ADD mood t_acme.mood",
            "table invoice",
            "t_acme.mood",
        ),
        (
            "CREATE POLICY p ON t_globex.invoice USING (id IN (SELECT id FROM t_acme.invoice))",
            "policy p of invoice",
            "t_acme.invoice",
        ),
    ],
    ids=["inheritance", "type", "policy"],
)
def test_whatever_else_refers_to_another_tenant_is_found(found, made, what, to):
    assert ("t_globex", what, to) in found(made)


def test_a_shared_table_that_refers_to_a_tenants_is_found(found, sql):
    sql("ALTER TABLE public.plan ADD best int REFERENCES t_acme.customer")
    assert found() == [("public", "constraint plan_best_fkey of plan", "t_acme.customer")]


@pytest.mark.parametrize(
    ("made", "to"),
    [
        ("LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM \"t_acme\" . invoice); END'", "t_acme.invoice"),
        ("LANGUAGE sql SET search_path = t_acme, pg_temp AS 'SELECT 1'", "t_acme (its search_path)"),
    ],
    ids=["text", "path"],
)
@pytest.mark.parametrize("schema", ["t_globex", "public"])
def test_t20_a_function_that_names_a_tenant_in_its_text_or_path_is_found(found, schema, made, to):
    assert (schema, "function notes", to) in found(f"CREATE FUNCTION {schema}.notes() RETURNS int {made}")


def test_what_a_function_only_seems_to_name_is_left_alone(found, sql):
    sql("CREATE FUNCTION t_globex.total() RETURNS int LANGUAGE sql AS 'SELECT t_acme.id FROM t_globex.customer t_acme'")
    assert found() == []


def test_an_index_that_asks_a_function_of_another_tenant_is_found(found):
    made = """
        CREATE FUNCTION t_acme.folded(text) RETURNS text IMMUTABLE LANGUAGE sql RETURN lower($1);
        CREATE INDEX by_note ON t_globex.invoice (t_acme.folded(note))
    """
    assert found(made) == [("t_globex", "index by_note", "t_acme.folded")]


def test_t27_a_function_with_its_owners_rights_must_have_a_path_of_its_own(found, sql):
    made = "CREATE FUNCTION t_acme.total() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
    assert found(made, danger=Danger.DEFINER) == [("t_acme", "function total", "")]
    sql(next(each.cure for each in inspect(sql, TENANTS, ["public"])))
    assert found() == []


def test_t20_a_shared_function_that_follows_its_callers_path_is_found(found):
    body = "'BEGIN RETURN (SELECT count(*) FROM invoice); END'"
    made = f"CREATE FUNCTION public.notes() RETURNS int LANGUAGE plpgsql AS {body}"
    assert found(made, danger=Danger.CALLER) == [("public", "function notes", "")]
    assert found("ALTER FUNCTION public.notes() SET search_path = pg_catalog, pg_temp") == []


def test_a_tenants_own_function_may_follow_the_path_which_is_the_tenants(found):
    body = "'BEGIN RETURN (SELECT count(*) FROM invoice); END'"
    assert found(f"CREATE FUNCTION t_acme.notes() RETURNS int LANGUAGE plpgsql AS {body}") == []


CASCADE = """
    ALTER TABLE {0}.invoice DROP CONSTRAINT invoice_plan_id_fkey,
        ADD CONSTRAINT invoice_plan_id_fkey FOREIGN KEY (plan_id) REFERENCES public.plan {1}
"""


@pytest.mark.parametrize("action", ["DELETE CASCADE", "DELETE SET NULL", "DELETE SET DEFAULT", "UPDATE CASCADE"])
def test_a_key_by_which_the_change_of_a_shared_row_reaches_into_tenants_is_found_and_cured(found, sql, action):
    made = CASCADE.format("t_acme", f"ON {action} DEFERRABLE")
    finding = ("t_acme", "constraint invoice_plan_id_fkey of invoice", f"public.plan ON {action}")
    assert found(made, danger=Danger.ACTION) == [finding]
    sql(inspect(sql, TENANTS, ["public"])[0].cure)
    assert found() == []
    key = "SELECT condeferrable, confrelid::regclass::text FROM pg_constraint WHERE conname = 'invoice_plan_id_fkey'"
    assert sorted(sql(key)) == [(False, "plan"), (False, "plan"), (True, "plan")]


def test_a_key_that_keeps_a_shared_row_from_going_is_left_alone(found):
    assert found(CASCADE.format("t_acme", "ON DELETE RESTRICT ON UPDATE NO ACTION")) == []


def test_t20_a_trigger_that_a_shared_row_can_fire_follows_the_path_of_who_changes_that(found, sql):
    sql(CASCADE.format("t_globex", "ON DELETE CASCADE"))
    for schema in ("t_acme", "t_globex"):
        sql(f"SET ROLE tenantry_test; CREATE TABLE {schema}.audit (note text); RESET ROLE")
    body = "'BEGIN INSERT INTO audit VALUES (old.note); RETURN old; END'"
    sql(f"""
        CREATE FUNCTION t_globex.audit() RETURNS trigger LANGUAGE plpgsql AS {body};
        CREATE TRIGGER audit BEFORE DELETE ON t_globex.invoice FOR EACH ROW EXECUTE FUNCTION t_globex.audit();
        INSERT INTO public.plan (id, name) VALUES (1, 'pro'), (2, 'free');
        INSERT INTO t_globex.invoice (plan_id, note) VALUES (1, 'of globex'), (2, 'of globex')
    """)
    assert found(danger=Danger.CALLER) == [("t_globex", "function audit", "")]
    delete = "BEGIN; SET LOCAL search_path = t_acme, pg_catalog; DELETE FROM public.plan WHERE id = {}; COMMIT"
    sql(delete.format(1))
    assert sql("SELECT note FROM t_acme.audit") == [("of globex",)]  # This is the danger.
    sql(next(each.cure for each in inspect(sql, TENANTS, ["public"]) if each.danger is Danger.CALLER))
    assert found(danger=Danger.CALLER) == []
    sql(delete.format(2))
    assert sql("SELECT count(*) FROM t_acme.audit") == [(1,)]


def test_t20_a_function_elsewhere_that_a_trigger_leads_to_is_judged_as_a_shared_one(found, sql):
    made = """
        CREATE SCHEMA ext;
        CREATE FUNCTION ext.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
        CREATE TRIGGER audit BEFORE INSERT ON public.plan FOR EACH ROW EXECUTE FUNCTION ext.audit()
    """
    assert found(made) == [("ext", "function audit", "")]


def test_a_procedure_is_cured_as_one(found, sql):
    sql("CREATE PROCEDURE public.notes() LANGUAGE plpgsql AS 'BEGIN DELETE FROM invoice; END'")
    try:
        assert found() == [("public", "function notes", "")]
        sql(inspect(sql, TENANTS, ["public"])[0].cure.partition(", then ")[2])
        assert found() == []
    finally:
        sql("DROP PROCEDURE public.notes()")


def test_t27b_a_shared_view_over_a_table_with_policies_is_found_and_cured(found, sql, admin_connection):
    if admin_connection.server_version < 15_00_00:
        pytest.skip("PostgreSQL 14 knows no security_invoker")
    sql("CREATE VIEW public.plans AS SELECT name FROM public.plan")
    assert found() == []
    assert found("ALTER TABLE public.plan ENABLE ROW LEVEL SECURITY") == [("public", "view plans", "")]
    sql(inspect(sql, TENANTS, ["public"])[0].cure)
    assert found() == []


def test_t27b_a_view_that_asks_with_its_owners_rights_is_found_and_cured(found, sql, admin_connection):
    if admin_connection.server_version < 15_00_00:
        pytest.skip("PostgreSQL 14 knows no security_invoker")
    made = "CREATE VIEW t_acme.notes AS SELECT note FROM t_acme.invoice"
    assert found(made, danger=Danger.OWNER_VIEW) == [("t_acme", "view notes", "")]
    sql(next(each.cure for each in inspect(sql, TENANTS, ["public"])))
    assert found() == []


def test_an_extension_in_public_is_found_with_the_sql_that_moves_it(found, sql, extension):
    assert found(f"CREATE EXTENSION {extension} SCHEMA public") == [("public", f"extension {extension}", "")]
    sql("CREATE SCHEMA ext")
    sql(inspect(sql, TENANTS, ["public"], extensions="ext")[0].cure)
    assert found(extensions="ext") == []


def test_types_of_the_extensions_schema_may_be_used_when_it_is_known_to_be_that(found, extension):
    made = f"""
        CREATE SCHEMA ext; CREATE EXTENSION {extension} SCHEMA ext; ALTER TABLE t_acme.invoice ADD tag ext.{extension}
    """
    assert ("t_acme", "table invoice", f"ext.{extension}") in found(made)
    assert found(extensions="ext") == []


def test_a_finding_reads_as_a_sentence(found, sql):
    sql("ALTER TABLE t_globex.invoice ADD other int REFERENCES t_acme.customer")
    assert str(inspect(sql, TENANTS, ["public"])[0]) == (
        "t_globex: constraint invoice_other_fkey of invoice refers to another schema than its own and the shared ones: "
        "t_acme.customer"
    )
