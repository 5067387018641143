"""`python -m benchmarks.team_store`: questions of a team's store with a million rows, beside one scan of it.

Rows are made in the database, each of about 1.5 KB: 300 cases on 20 boards in two precisions, run after run.
PostgreSQL is started for it as the tests start theirs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from npubench.storage.team.question import Question
from npubench.storage.team.store import TeamStore, url_of
from tests import postgres

FILL = """
INSERT INTO results
SELECT encode(sha256(convert_to(n::text, 'UTF8')), 'hex'), md5((n % 12000)::text), 'run' || n / 12000,
       to_char(timestamp '2024-01-01' + n * interval '30 seconds', 'YYYY-MM-DD"T"HH24:MI:SS+00:00'),
       'board' || n % 20, 'backend', 'case' || n / 20 % 300, 'model',
       (ARRAY['fp32', 'int8'])[1 + n / 6000 % 2], 'ok', true, '{"text":"' || repeat(md5(n::text), 45) || '"}'
FROM generate_series(1, {rows}) AS n
"""
QUESTIONS = {
    "one case on one board, the newest 1,000": Question(case="case7", board="board3", limit=1000),
    "one run of 12,000, its newest 1,000": Question(run_id="run40", limit=1000),
    "the newest of every case on one board (600)": Question(board="board3", newest=True),
    "the newest of one case everywhere (40)": Question(case="case7", newest=True),
    "all of the last day, the newest 1,000": Question(since="2024-12-12", limit=1000),
    "the newest 1,000 of all": Question(limit=1000),
}


def times_s(ask: Callable[[], object], times: int = 3) -> list[float]:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        found.append(time.perf_counter() - started)
    return found


def main() -> None:
    import sqlalchemy

    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=1_000_000)
    rows = words.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="npu-pg-") as folder, postgres.server(Path(folder)) as url:
        store = TeamStore.open(url)
        engine = sqlalchemy.create_engine(url_of(url), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(FILL.replace("%", "%%").replace("{rows}", str(rows)))
            connection.exec_driver_sql("VACUUM ANALYZE results")
            count = sqlalchemy.text("SELECT count(*) FROM results WHERE row LIKE '%no such text%'")
            scan = median(times_s(lambda: connection.execute(count).all()))
        print(f"{rows:,} rows; reading all of them once in the database: {scan:.2f} s")
        for title, asked in QUESTIONS.items():
            found = len(store.rows(asked))
            taken = median(times_s(lambda asked=asked: store.rows(asked)))
            print(f"{title}: {found} rows, {taken * 1000:.0f} ms, {taken / scan:.3f} of that")


if __name__ == "__main__":
    main()
