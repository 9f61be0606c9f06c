"""What no answer says and no cost table measures, each as low, typical and high with its source.

"Measured" is by the package's own benchmarks on the machine of the reference table.
"""

from typing import Final

from groundplan.plan.capacity.band import Band

# Time of a request -----------------------------------------------------------------------------
SHORT: Final = 1_000.0
"""µs: of each step so much at most is interpreted code that a busy server slows down."""

SERVING: Final = Band(1.0, 1.9, 3.0, "")
"""What a running server takes over that, in parts of a tight loop's time: its caches are cold, and
the network and the event loop come on top. Measured: 380 µs a request at its peak, 500 µs at
500/s and 870 µs at 100/s, where the rows of the cost table add up to 204."""

COMPUTING: Final = Band(0.8, 1.0, 1.5, "")
"""The same for the rest of a long step, which is arithmetic: clock, vector units and memory."""

UNEVEN: Final = Band(0.25, 1.0, 4.0, "")
"""Squared coefficient of variation of short work. 0.25 in a quiet server; stalls of 10 ms in one
of a few thousand requests, when state is written to the disk, make it 1 and more."""

EVEN: Final = Band(0.05, 0.2, 1.0, "")
"""The same of long work on text: the same network, with more or less of it."""

STEADY: Final = Band(0.01, 0.05, 0.7, "")
"""The same of other long work, which is alike for every request: as many vectors, as many rows.
Measured, for scans and for trees: 0.01 to 0.02 of a core's time; 0.24 to 0.7 of the time that
passes on a machine whose cores others fill."""

HOSTED: Final = Band(0.3, 0.6, 1.0, "")
"""What a hosted language model takes in parts of the limit that the cost table states."""

# Traffic ---------------------------------------------------------------------------------------
MEAN: Final = Band(0.2, 0.4, 1.0, "")
"""The mean of a day over its peak: a shop by day; a service of one time zone; a steady feed."""

PEAK: Final = 3_600.0
"""Seconds that a peak lasts: what too few processes cannot answer waits, and the line grows until
it is over."""

# The server ------------------------------------------------------------------------------------
PROCESS: Final = Band(130e6, 220e6, 400e6, "bytes")
"""One server process with its libraries, a model of 100 trees and the tables of its reasons."""

# Online state ----------------------------------------------------------------------------------
EVENT: Final = Band(70.0, 135.0, 270.0, "bytes")
"""One event that windows must remember, in the histories of two entities. Measured: the histories
take 1.7 times the 41 bytes of a raw event, the file with identifiers and expiry 3.3 times; an
entity's state may be twice that where half of its events have just passed."""

WINDOW: Final = Band(7.0, 30.0, 90.0, "days")
"""The longest window with its delay, which is how long an event is kept."""

WARM: Final = Band(0.1, 0.3, 1.0, "")
"""The share of the state that is read again and again, and should stay in memory."""

FEATURES: Final = 30
"""Features of a row: as many as the cost table was measured with."""

# The log ---------------------------------------------------------------------------------------
LOGGED: Final = Band(44.0, 100.0, 460.0, "bytes")
"""One logged row of 20 features. Measured: 44 bytes at rest, 461 as JSON."""

LOGGED_TEXT: Final = Band(1e3, 4e3, 16e3, "bytes")
"""One logged question with its passages and its answer, compressed."""

KEPT: Final = Band(30.0, 90.0, 365.0, "days")
"""How long the log is kept."""

# Published scores ------------------------------------------------------------------------------
SCORE: Final = Band(28.0, 39.0, 50.0, "bytes")
"""One published score with its key, decision and reasons. Measured: 28 to 50."""

LIST: Final = Band(800.0, 2_000.0, 4_000.0, "bytes")
"""One published list of 100 to 500 identifiers with its key."""

TEXT: Final = Band(500.0, 2_000.0, 8_000.0, "bytes")
"""One published text."""

VERSIONS: Final = Band(3.0, 6.0, 6.0, "versions")
"""Complete versions that are kept, and one more while it is made."""

ASKED: Final = Band(600.0, 3_600.0, 86_400.0, "s")
"""Keys are not among the answers: taken are as many as requests in ten minutes, an hour, a day."""

OFFLINE_ROW: Final = Band(2.0, 4.0, 16.0, "us")
"""The features of one row offline. Measured: 2 µs of wall time on two cores for 15 features."""

RUN: Final = Band(0.5e9, 1e9, 4e9, "bytes")
"""The memory of a scheduled run: DuckDB works out of core, in 4 GB at most."""

# Indexes ---------------------------------------------------------------------------------------
IDENTIFIER: Final = 8.0  # bytes, beside each vector
DIMENSIONS: Final = {"towers": 64, "text": 384}
"""Of a learned tower and of a small text encoder, as the cost table was measured with."""

CHANGED: Final = Band(0.001, 0.01, 0.1, "a day")
"""The share of the corpus whose text is new or changed within a day: a catalog; a shop; a board."""

SLACK: Final = Band(1.0, 1.15, 2.0, "")
"""Index in memory over its arrays: allocation; twice while a new one is loaded beside the old."""

PASSAGE: Final = Band(400.0, 600.0, 1_500.0, "bytes")
"""The text of one passage: 70 to 250 words."""

WORDS: Final = Band(0.5, 1.0, 1.5, "")
"""The word index over the text that it indexes."""

PASSAGES: Final = Band(1e4, 1e5, 1e6, "passages")
"""Passages where neither the catalog nor the candidates say how many there are."""

# Language models -------------------------------------------------------------------------------
TOKENS: Final = Band(100.0, 250.0, 600.0, "tokens")
"""Tokens of an answer."""

PROMPT: Final = Band(300.0, 2_000.0, 8_000.0, "tokens")
"""Tokens of a question with its passages."""

QUESTION: Final = Band(100.0, 300.0, 1_000.0, "tokens")
"""Tokens of a question with its instructions, where nothing is retrieved."""

PARAMETERS: Final = {"local_1b": 1e9, "local_8b": 8e9}
MEASURED: Final = 124e6  # parameters of the decoder behind the cost table's rows of a token

QUANTIZED: Final = Band(0.125, 0.25, 1.0, "")
"""The time of a token at 4 bits a parameter over that at 32: as the memory that is read, or, where
arithmetic is what takes the time, the same."""

# Training --------------------------------------------------------------------------------------
HISTORY: Final = Band(30.0, 60.0, 180.0, "days")
"""The history that a model is trained on."""

FEW: Final = Band(1e3, 1e4, 1e5, "rows")
"""Rows that are learned from where labels are sparse or absent."""

TRAINING: Final = Band(0.5e9, 0.5e9, 1e9, "bytes")
"""The memory of a training beside its rows: the libraries, and the query that joins them."""

HELD: Final = 290.0
"""Bytes of a row of 30 features in training. Measured: as float64 and as LightGBM's bins."""

LEARNED: Final = Band(14.0, 17.0, 60.0, "us")
"""Core time of a row in training 100 trees of 16 leaves. Measured: 14 to 17 µs; with the two
baselines, the evaluation and more trees a multiple."""

MACHINE: Final = 16e9
"""Bytes of a machine where no memory is stated."""

LARGE: Final = 512e9
"""Bytes of one large machine, of as many cores as `decision.work.MACHINE`: what outgrows it needs
another design, not another machine."""

EVENT_KEPT: Final = Band(15.0, 25.0, 60.0, "bytes")
"""One event of the history as Parquet."""
