-- What the things of some schemas depend on in other ones. PostgreSQL keeps it in pg_depend, where a thing is known by
-- its catalog (the tableoid of its row there) and its oid.
WITH own AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY (%s)),
relations AS (
    SELECT tableoid, oid, relnamespace AS schema, relname AS name, CASE relkind
        WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index'
        WHEN 'I' THEN 'index' WHEN 'c' THEN 'type' ELSE 'table' END AS kind
    FROM pg_catalog.pg_class WHERE relnamespace IN (TABLE own)
),
types AS (SELECT tableoid, oid, typnamespace AS schema, typname AS name FROM pg_catalog.pg_type
          WHERE typnamespace IN (TABLE own)),
things (class, oid, schema, kind, what) AS (
    SELECT tableoid, oid, schema, kind, kind || ' ' || name FROM relations
    UNION ALL SELECT tableoid, oid, schema, 'type', 'type ' || name FROM types
    UNION ALL SELECT tableoid, oid, pronamespace, 'function', 'function ' || proname FROM pg_catalog.pg_proc
    WHERE pronamespace IN (TABLE own)
    UNION ALL SELECT c.tableoid, c.oid, c.connamespace, CASE c.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END,
        'constraint ' || c.conname || ' of ' || COALESCE(r.name, t.name)
    FROM pg_catalog.pg_constraint AS c LEFT JOIN relations AS r ON r.oid = c.conrelid
        LEFT JOIN types AS t ON t.oid = c.contypid
    WHERE c.connamespace IN (TABLE own)
    UNION ALL SELECT w.tableoid, w.oid, r.schema, CASE w.rulename WHEN '_RETURN' THEN r.kind ELSE 'rule' END,
        CASE w.rulename WHEN '_RETURN' THEN r.kind || ' ' ELSE 'rule ' || w.rulename || ' of ' END || r.name
    FROM pg_catalog.pg_rewrite AS w JOIN relations AS r ON r.oid = w.ev_class
    UNION ALL SELECT d.tableoid, d.oid, r.schema, 'default', 'the default of ' || r.name || '.' || a.attname
    FROM pg_catalog.pg_attrdef AS d JOIN relations AS r ON r.oid = d.adrelid
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    UNION ALL SELECT g.tableoid, g.oid, r.schema, 'trigger', 'trigger ' || g.tgname || ' of ' || r.name
    FROM pg_catalog.pg_trigger AS g JOIN relations AS r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal
    UNION ALL SELECT p.tableoid, p.oid, r.schema, 'policy', 'policy ' || p.polname || ' of ' || r.name
    FROM pg_catalog.pg_policy AS p JOIN relations AS r ON r.oid = p.polrelid
),
targets (class, oid, schema, name, of_table, is_relation) AS (
    SELECT c.tableoid, c.oid, c.relnamespace, c.relname, COALESCE(t.relname, c.relname), true
    FROM pg_catalog.pg_class AS c
        LEFT JOIN pg_catalog.pg_depend AS d ON c.relkind = 'S' AND d.classid = c.tableoid AND d.objid = c.oid
            AND d.refclassid = c.tableoid AND d.deptype IN ('a', 'i')
        LEFT JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
    WHERE c.relkind NOT IN ('i', 'I')
    UNION ALL SELECT tableoid, oid, pronamespace, proname, proname, false FROM pg_catalog.pg_proc
    UNION ALL SELECT tableoid, oid, typnamespace, typname, typname, false FROM pg_catalog.pg_type
)
SELECT DISTINCT here.nspname, things.kind, things.what, there.nspname, targets.name, targets.of_table,
    EXISTS (SELECT FROM pg_catalog.pg_depend AS e
            WHERE e.classid = targets.class AND e.objid = targets.oid AND e.deptype = 'e'),
    targets.is_relation, CASE targets.class WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN targets.oid END
FROM things
    JOIN pg_catalog.pg_depend AS d ON d.classid = things.class AND d.objid = things.oid
    JOIN targets ON targets.class = d.refclassid AND targets.oid = d.refobjid AND targets.schema <> things.schema
    JOIN pg_catalog.pg_namespace AS here ON here.oid = things.schema
    JOIN pg_catalog.pg_namespace AS there ON there.oid = targets.schema
WHERE there.nspname !~ '^pg_' AND there.nspname <> 'information_schema'
ORDER BY 1, 3, 4, 5
