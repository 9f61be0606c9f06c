"""Text search by words."""

import sqlite3
from tempfile import TemporaryDirectory

from groundplan.errors import EngineError
from groundplan.practice.calibrate.measure import Clock, Timing, measure


@measure(
    "text_match",
    "one BM25 search for any of 5 words in 100,000 passages of 100 words, top 50 (SQLite FTS5, "
    "words drawn by Zipf's law)",
    "numpy",
)
def match(clock: Clock) -> Timing:
    """An inverted index on disk, ranked by BM25."""
    import numpy as np

    rng = np.random.default_rng(11)
    weights = 1 / np.arange(1, 50_001)
    numbers = rng.choice(50_000, (100_000, 100), p=weights / weights.sum())
    words = [f"w{number}" for number in range(50_000)]
    with TemporaryDirectory() as folder:
        database = sqlite3.connect(f"{folder}/text")
        try:
            try:
                database.execute("CREATE VIRTUAL TABLE passage USING fts5(text)")
            except sqlite3.OperationalError as error:
                raise EngineError(f"needs SQLite with FTS5: {error}") from error
            texts = ((" ".join([words[n] for n in row]),) for row in numbers.tolist())
            database.executemany("INSERT INTO passage VALUES (?)", texts)
            database.commit()
            sql = "SELECT rowid FROM passage WHERE passage MATCH ? ORDER BY rank LIMIT 50"
            # The hundred most frequent words are nobody's query.
            asked = rng.choice(numbers[numbers >= 100], (2_000, 5)).tolist()
            queries = [" OR ".join(words[n] for n in row) for row in asked]
            return clock.each(lambda query: database.execute(sql, (query,)).fetchall(), queries)
        finally:
            database.close()
