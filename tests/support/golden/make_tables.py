"""Makes tests/data/tables: small Parquet files whose text is written out in table_test.cpp. Run from
the repository root with pyarrow installed.
"""
import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

OUT = pathlib.Path("tests/data/tables")
OUT.mkdir(parents=True, exist_ok=True)

table = pa.table({
    "int64": pa.array([1, -9223372036854775808, None], pa.int64()),
    "uint8": pa.array([0, 255, 7], pa.uint8()),
    "float": pa.array([0.1, 3.0, 16777216.0], pa.float32()),
    "double": pa.array([0.1, 1e20, float("nan")], pa.float64()),
    "bool": pa.array([True, False, None]),
    "string": pa.array(["a,b", "", None]),
    "large": pa.array(["é", "line\nend", "z"], pa.large_string()),
    "coded": pa.array(["x", "y", "x"]).dictionary_encode(),
    "date": pa.array([datetime.date(2024, 2, 29), None, datetime.date(1999, 12, 31)]),
    "time": pa.array([datetime.datetime(2024, 2, 29, 13, 5), None, None], pa.timestamp("s")),
    "decimal": pa.array([decimal.Decimal("1.50"), decimal.Decimal("-2.25"), None]),
    "nothing": pa.nulls(3),
})
pq.write_table(table, OUT / "types.parquet", row_group_size=2)
numbers = [300000.0, -0.0, 1e15, 999999999999999.0, -12345678.0, float("inf"), 2.5, float("nan"), None]
pq.write_table(pa.table({
    "double": pa.array(numbers, pa.float64()),
    "float": pa.array([16777216.0, -0.0, 1e15, 3e9, -300000.0, float("-inf"), 2.5, float("nan"), None], pa.float32()),
    "half": pa.array([2048.0, -0.0, 65504.0, 0.0, -300.0, float("inf"), 2.5, float("nan"), None], pa.float16()),
}), OUT / "floats.parquet")
pq.write_table(pa.table({
    "string_view": pa.array(["a", "longer than twelve bytes", None], pa.string_view()),
    "binary_view": pa.array([b"b", b"also longer than twelve", None], pa.binary_view()),
    "fixed": pa.array([b"0001", b"0002", None], pa.binary(4)),
}), OUT / "views.parquet")
pq.write_table(pa.table({"id": [1], "stay": pa.array([datetime.timedelta(hours=1)], pa.duration("s"))}),
               OUT / "durations.parquet")
pq.write_table(pa.table({"id": [1], "list": [[1, 2]]}), OUT / "nested.parquet")
pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), OUT / "repeated.parquet")
