"""Files, plans and statements: all that is decided before a server is asked."""

from __future__ import annotations

import hashlib

import pytest

from tenantry.errors import InvalidMigrationFile, InvalidName, MigrationEdited, NoMigrationFolder
from tenantry.migrations import Kind, new_file, plan, read_folder, version_of
from tenantry.migrations.block import dollar_quoted
from tenantry.migrations.statements import split


@pytest.fixture
def folder(tmp_path):
    """Write files into a folder, and read it."""

    def read(**contents):
        for name, text in contents.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_folder(tmp_path)

    return read


def names(files):
    return [file.name for file in files]


# Reading a folder.


def test_files_come_in_the_order_of_their_numbers(folder):
    assert names(folder(**{"10_c__sql": "", "0009_b__py": "", "1_a__sql": ""})) == ["1_a", "0009_b", "10_c"]


def test_a_file_has_its_number_name_kind_and_path(folder, tmp_path):
    (file,) = folder(**{"0042_add_karma__py": ""})
    assert (file.number, file.name, file.kind, file.path) == (
        42,
        "0042_add_karma",
        Kind.PYTHON,
        tmp_path / "0042_add_karma.py",
    )


def test_the_hash_is_over_the_text_with_unix_line_ends_and_no_bom(folder):
    files = folder(**{"1_a__sql": b"\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n", "2_b__sql": "SELECT 1;\nSELECT 2;\n"})
    assert {file.sha256 for file in files} == {hashlib.sha256(b"SELECT 1;\nSELECT 2;\n").hexdigest()}


def test_the_text_that_runs_is_the_text_that_is_hashed(folder):
    (file,) = folder(**{"1_a__sql": b"\xef\xbb\xbfSELECT 1;\r\n"})
    assert file.text == "SELECT 1;\n"


def test_files_that_are_no_migrations_by_habit_are_ignored(folder, tmp_path):
    (tmp_path / "__pycache__").mkdir()
    assert folder(__init____py="", README="", README__md="", notes__md="", __gitkeep="") == ()


def test_a_down_file_is_set_aside(folder):
    assert names(folder(**{"1_a__sql": "", "1_a__down__sql": ""})) == ["1_a"]


@pytest.mark.parametrize(
    "name", ["a__sql", "1__sql", "1_A__sql", "1-a__sql", "1_a__sql~", "1_a__txt", "1_a__down__py", "\u0661_a__sql"]
)
def test_any_other_file_is_an_error_that_names_it_and_the_rule(folder, name):
    with pytest.raises(InvalidMigrationFile, match=r"NNNN_name\.sql") as caught:
        folder(**{name: ""})
    assert caught.value.path.endswith(name.replace("__", "."))


def test_a_folder_inside_the_folder_is_an_error(folder, tmp_path):
    (tmp_path / "1_a.sql").mkdir()
    with pytest.raises(InvalidMigrationFile, match=r"1_a\.sql"):
        folder()


def test_two_files_with_one_number_are_an_error_that_names_both(folder):
    with pytest.raises(InvalidMigrationFile, match=r"2_b.sql has the number 2, as 0002_a.py has"):
        folder(**{"0002_a__py": "", "2_b__sql": ""})


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(NoMigrationFolder, match="nowhere"):
        read_folder(tmp_path / "nowhere")


def test_a_file_that_is_not_utf_8_is_an_error_that_names_the_byte(folder):
    with pytest.raises(InvalidMigrationFile, match="byte 6 is 0xe9"):
        folder(**{"1_a__sql": b"\xef\xbb\xbf-- \xe9"})


def test_a_file_with_a_nul_is_an_error(folder):
    with pytest.raises(InvalidMigrationFile, match="NUL at byte 3"):
        folder(**{"1_a__sql": b"-- \0"})


# Writing the next.


def test_a_new_file_has_the_number_after_the_highest(folder, tmp_path):
    folder(**{"2_b__sql": "", "0011_c__py": ""})
    path = new_file(tmp_path, "add_note", text="-- a note\n")
    assert (path, path.read_text()) == (tmp_path / "0012_add_note.sql", "-- a note\n")


def test_the_text_of_a_new_file_is_named_where_it_is_passed(tmp_path):
    with pytest.raises(TypeError, match="positional"):
        new_file(tmp_path, "add_note", "-- a note\n")
    assert list(tmp_path.iterdir()) == []


def test_the_first_file_makes_its_folder(tmp_path):
    assert new_file(tmp_path / "of" / "tenants", "a").name == "0001_a.sql"


def test_a_new_file_in_a_folder_that_cannot_be_read_is_an_error(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InvalidMigrationFile, match=r"notes\.txt"):
        new_file(tmp_path, "a")


@pytest.mark.parametrize("name", ["Add", "a b", "../a", "a.down", "a-b", "", "a\n"])
def test_a_bad_name_of_a_new_file_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(InvalidName, match="such as add_invoices"):
        new_file(tmp_path / "tenant", name)
    assert not (tmp_path / "tenant").exists()


# Planning.


def history(files):
    return {file.name: file.sha256 for file in files}


def test_what_is_not_applied_is_pending(folder):
    files = folder(**{"1_a__sql": "", "2_b__sql": ""})
    assert names(plan("t_acme", files, history(files[:1])).pending) == ["2_b"]


def test_an_edited_file_is_an_error_with_both_hashes(folder):
    files = folder(**{"1_a__sql": "SELECT 1"})
    with pytest.raises(MigrationEdited, match=r"1_a.sql was edited .* 't_acme'.*Restore the file") as caught:
        plan("t_acme", files, {"1_a": "0" * 64})
    assert (caught.value.recorded, caught.value.found) == ("0" * 64, files[0].sha256)


def test_a_migration_without_a_file_is_told_and_is_no_error(folder):
    planned = plan("t_acme", folder(**{"1_a__sql": ""}), {"0009_newer": "x"})
    assert planned.unknown == ("0009_newer",)


def test_a_pending_file_below_an_applied_one_is_told_and_stays_pending(folder):
    files = folder(**{"1_a__sql": "", "2_b__sql": "", "3_c__sql": ""})
    planned = plan("t_acme", files, history(files[1:2]))
    assert (names(planned.out_of_order), names(planned.pending)) == (["1_a"], ["1_a", "3_c"])


def test_the_version_after_a_plan_is_that_of_the_whole_history(folder):
    files = folder(**{"1_a__sql": "", "2_b__sql": ""})
    assert plan("t_acme", files, {"0_old": "x"}).version == version_of({"0_old": "x", **history(files)})


def test_a_version_does_not_depend_on_the_order_of_application():
    assert version_of({"1_a": "x", "2_b": "y"}) == version_of({"2_b": "y", "1_a": "x"})


def test_the_last_migration_is_the_one_with_the_highest_number(folder):
    assert plan("t_acme", folder(**{"9_a__sql": "", "0010_b__sql": ""}), {}).last == "0010_b"


# Quoting and taking apart.


@pytest.mark.parametrize("text", ["$t0$", "$t0", "$t0$t1$", "$$", "'", "$"])
def test_a_dollar_quote_has_a_tag_that_its_text_does_not_hold(sql, text):
    assert sql(f"SELECT {dollar_quoted(text)}") == [(text,)]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("a; b", ["a;", "b"]),
        (";; a ;;", ["a ;"]),
        ("'a;''b'; c", ["'a;''b';", "c"]),
        (r"E'a\';b'; c", [r"E'a\';b';", "c"]),
        (r"'a\'; c", [r"'a\';", "c"]),
        ('"a;""b"; c', ['"a;""b";', "c"]),
        ("$$ a; $$; c", ["$$ a; $$;", "c"]),
        ("$x$ $$;$y$; $x$; c", ["$x$ $$;$y$; $x$;", "c"]),
        ("a$x$; c$x$", ["a$x$;", "c$x$"]),
        ("$1; c", ["$1;", "c"]),
        ("-- a;\nb; c", ["b;", "c"]),
        ("/* a; /* b; */ c; */ d; e", ["d;", "e"]),
        ("CREATE RULE r AS ON INSERT TO a DO (b; c); d", ["CREATE RULE r AS ON INSERT TO a DO (b; c);", "d"]),
        (
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; c; END; d",
            ["CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; c; END;", "d"],
        ),
        ("SELECT CASE WHEN a THEN b END; c", ["SELECT CASE WHEN a THEN b END;", "c"]),
        ("'never closed; a", ["'never closed; a"]),
        ("$$ never closed; a", ["$$ never closed; a"]),
        ("a; /* never closed; b", ["a;"]),
        ("-- nothing", []),
    ],
)
def test_statements_are_told_apart(text, statements):
    assert [statement.text for statement in split(text)] == statements


def test_a_statement_begins_in_the_line_of_its_first_word():
    assert [statement.line for statement in split("a;\n\n-- about b\nb\n;c")] == [1, 4, 5]
