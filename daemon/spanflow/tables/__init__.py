# SPDX-License-Identifier: Apache-2.0
"""Tables of flows: CSV, lines of JSON, Arrow, Parquet, pandas; each is written batch by batch.

What a table has is a `spanflow.features.Selection`.
"""

from spanflow.tables.arrow import arrow_reader, arrow_table, to_pandas
from spanflow.tables.output import OutputError
from spanflow.tables.parquet import ParquetWriter
from spanflow.tables.rows import CsvWriter, JsonWriter
from spanflow.tables.writer import TableWriter

__all__ = [
    "CsvWriter",
    "JsonWriter",
    "OutputError",
    "ParquetWriter",
    "TableWriter",
    "arrow_reader",
    "arrow_table",
    "to_pandas",
]
