"""Of every row the few numbers that a history is drawn from, in a table that SQLite keeps beside the rows.

Triggers write it in the transaction of the row. Names stand once, in a table of their own: three hundred
thousand rows are read as numbers, which as JSON would take half a minute.
"""

_SERIES = "json_array(board, backend, case_name, precision)"
_TOOLS = "json_array(json_extract(row, '$.tools'), json_extract(row, '$.board_after.kernel'))"
_KIND = "COALESCE(json_extract(row, '$.figures.kind'), json_extract(row, '$.failure.failure_class'), '')"
_TIME = (
    "COALESCE(json_extract(row, '$.figures.latency_us.p50'), json_extract(row, '$.figures.latency_us.mean'),"
    " 1e6 / NULLIF(json_extract(row, '$.figures.throughput_fps'), 0))"
)
_ROUNDS = "json_each(row, '$.figures.latency_us.rounds_p50')"
_NAMED = (_SERIES, "run_id", _TOOLS, _KIND)
_STATUS = "CASE status WHEN 'ok' THEN 0 WHEN 'failed' THEN 1 ELSE 2 END"


def _fill(where: str) -> str:
    """Statements that make names and points of the rows that a condition names."""
    names = " UNION ".join(f"SELECT {one} FROM results WHERE {where}" for one in _NAMED)
    ids = ", ".join(f"(SELECT id FROM point_names WHERE name = {one})" for one in _NAMED)
    low, high = (f"(SELECT {function}(value) FROM {_ROUNDS})" for function in ("MIN", "MAX"))
    return f"""
    INSERT OR IGNORE INTO point_names (name) {names};
    INSERT OR REPLACE INTO points SELECT id, {ids}, {_STATUS}, {_TIME}, {low}, {high}
        FROM results WHERE {where};
"""


POINTS_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS point_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS points (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL, run INTEGER NOT NULL, tools INTEGER NOT NULL,
    kind INTEGER NOT NULL, status INTEGER NOT NULL, time_us REAL, low_us REAL, high_us REAL
);
CREATE TRIGGER IF NOT EXISTS point_of_row AFTER INSERT ON results WHEN json_valid(NEW.row) BEGIN
{_fill("id = NEW.id")}
END;
CREATE TRIGGER IF NOT EXISTS point_goes_with_row AFTER DELETE ON results BEGIN
    DELETE FROM points WHERE id = OLD.id;
END;
{_fill("id > (SELECT COALESCE(MAX(id), 0) FROM points) AND json_valid(row)")}
"""

POINTS = "SELECT series, run, tools, kind, status, time_us, low_us, high_us, id FROM points ORDER BY id"
"""Status: 0 ok, 1 failed, 2 skipped."""

NAMES = "SELECT id, name FROM point_names"
BEHIND = """SELECT COALESCE((SELECT MAX(id) FROM results WHERE json_valid(row)), 0)
 > COALESCE((SELECT MAX(id) FROM points), 0)"""
