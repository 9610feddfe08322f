"""What raw SQL can leave in a session of the server: how, and how to see that it is there."""

from __future__ import annotations

HAS_LOCKS = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
LEFT_BEHIND = {
    "a setting": ("SELECT set_config('work_mem', '1MB', false)", "SELECT current_setting('work_mem') = '1MB'"),
    "a path": ("SELECT set_config('search_path', 'public', false)", "SELECT current_setting('search_path') = 'public'"),
    "an advisory lock": (
        "SELECT pg_advisory_lock(42)",
        HAS_LOCKS,
    ),
    "a lock by a quoted name": ('SELECT "pg_catalog"."pg_advisory_lock" (42)', HAS_LOCKS),
    "a lock behind a comment": ("SELECT pg_advisory_lock/* not a call? */(42)", HAS_LOCKS),
    "a lock in the middle": ("WITH a AS (SELECT pg_advisory_lock(42)) SELECT count(*) FROM a", HAS_LOCKS),
    "a prepared statement": (
        "DO $$BEGIN EXECUTE 'PREPARE left_behind AS SELECT 1'; END$$",
        "SELECT count(*) > 0 FROM pg_prepared_statements",
    ),
    "a held cursor": (
        "DO $$BEGIN EXECUTE 'DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1'; END$$",
        "SELECT EXISTS (SELECT 1 FROM pg_cursors WHERE name = 'left_behind')",
    ),
    "a channel": ("DO $$BEGIN EXECUTE 'LISTEN left_behind'; END$$", "SELECT count(*) > 0 FROM pg_listening_channels()"),
    "a temporary table": (
        "DO $$BEGIN EXECUTE 'CREATE TEMP TABLE left_behind (x int)'; END$$",
        "SELECT to_regclass('pg_temp.left_behind') IS NOT NULL",
    ),
    "another role": (
        "DO $$BEGIN EXECUTE 'SET ROLE ' || quote_ident(session_user); END$$",
        "SELECT current_setting('role') <> 'none'",
    ),
}
