-- What the things of one schema depend on: whatever depends on something is in pg_depend. Each row has the schema that
-- the other end stands in.
WITH here AS (SELECT oid AS own FROM pg_catalog.pg_namespace WHERE nspname = %s),
things (classid, objid, kind) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, 'table' FROM pg_catalog.pg_class
    WHERE relnamespace = (TABLE here)
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, 'function' FROM pg_catalog.pg_proc
    WHERE pronamespace = (TABLE here)
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, 'type' FROM pg_catalog.pg_type
    WHERE typnamespace = (TABLE here)
    UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid,
        CASE contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END
    FROM pg_catalog.pg_constraint WHERE connamespace = (TABLE here)
    UNION ALL SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid,
        CASE c.relkind WHEN 'r' THEN 'rule' WHEN 'm' THEN 'materialized view' ELSE 'view' END
    FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
    WHERE c.relnamespace = (TABLE here)
    UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, a.oid, 'default'
    FROM pg_catalog.pg_attrdef AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.adrelid WHERE c.relnamespace = (TABLE here)
    UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, 'trigger'
    FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = (TABLE here) AND NOT t.tgisinternal
    UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, 'policy'
    FROM pg_catalog.pg_policy AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid WHERE c.relnamespace = (TABLE here)
)
SELECT DISTINCT
    things.kind,
    pg_catalog.pg_describe_object(things.classid, things.objid, 0),
    c.oid IS NOT NULL,
    p.oid,
    EXISTS (SELECT FROM pg_catalog.pg_depend AS e
            WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'),
    n.nspname,
    COALESCE(c.relname, p.proname, t.typname),
    COALESCE(owner.relname, c.relname, p.proname, t.typname)
FROM things JOIN pg_catalog.pg_depend AS d ON d.classid = things.classid AND d.objid = things.objid
LEFT JOIN pg_catalog.pg_class AS c ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    AND c.oid = d.refobjid AND c.relkind NOT IN ('i', 'I')
LEFT JOIN pg_catalog.pg_proc AS p ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.refobjid
LEFT JOIN pg_catalog.pg_type AS t ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.refobjid
JOIN pg_catalog.pg_namespace AS n ON n.oid = COALESCE(c.relnamespace, p.pronamespace, t.typnamespace)
LEFT JOIN pg_catalog.pg_depend AS s ON c.relkind = 'S' AND s.classid = d.refclassid AND s.objid = c.oid
    AND s.refclassid = d.refclassid AND s.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_class AS owner ON owner.oid = s.refobjid
WHERE d.deptype <> 'p'
