#!/usr/bin/env python3
"""Writes tests/fixtures/wire/*.json: results as Snowflake sends them, and the values they mean.

The bytes come from pyarrow, so that our decoder is checked by another hand than the one that wrote it;
the expected values are written out here, not computed by the code under test.

    pip install pyarrow && python3 crates/sources/tests/make_fixtures.py

Forms on the wire (types are those of `rowtype`):
  fixed           int8..int64 or decimal128, as wide as the values of the chunk need, times 10^scale
  date            date32
  time(s)         int32 (s <= 4) or int64, in 10^-s s
  timestamp_ntz/ltz(s)  int64 in 10^-s s (s <= 7), else struct{epoch, fraction}
  timestamp_tz(s)       struct{epoch, timezone} (s <= 3), else struct{epoch, fraction, timezone};
                        timezone is minutes + 1440
  variant, object, array  text
"""
import base64
import decimal
import gzip
import json
import math
import pathlib

import pyarrow as pa

HERE = pathlib.Path(__file__).parent / "fixtures" / "wire"
D = decimal.Decimal


def stream(*columns):
    """One Arrow IPC stream of one batch."""
    names = [f"c{i}" for i in range(len(columns))]
    batch = pa.record_batch(list(columns), names=names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def b64(data):
    return base64.b64encode(data).decode()


def column(name, kind, nullable=True, **more):
    return {"name": name, "type": kind, "nullable": nullable, **more}


def fixed(name, precision, scale, nullable=True):
    return column(name, "fixed", nullable, precision=precision, scale=scale)


def struct(parts, nulls=None):
    fields = [pa.field(n, a.type, True) for n, a in parts]
    mask = pa.array(nulls, pa.bool_()) if nulls else None
    return pa.StructArray.from_arrays([a for _, a in parts], fields=fields, mask=mask)


def split(epochs, fractions, zones=None, nulls=None):
    parts = [("epoch", pa.array(epochs, pa.int64())), ("fraction", pa.array(fractions, pa.int32()))]
    if zones is not None:
        parts.append(("timezone", pa.array(zones, pa.int32())))
    return struct(parts, nulls)


def told(value):
    """Doubles as texts, so that no reader of JSON rounds them."""
    if isinstance(value, list):
        return [told(v) for v in value]
    return f"~{value!r}" if isinstance(value, float) else value


WRITTEN = set()


def write(name, rowtype, rows=None, inline=None, chunks=(), json_rows=None, schema=None, options=None,
          error=None, warnings=0, chunk_format="arrow", raw_chunks=False):
    reply = {"queryId": "01b0-fixture", "rowtype": rowtype,
             "queryResultFormat": "json" if json_rows is not None else chunk_format}
    if json_rows is not None:
        reply["rowset"] = json_rows
    elif chunk_format == "json":
        reply["rowset"] = []
    else:
        reply["rowsetBase64"] = b64(inline) if inline else ""
    fixture = {
        "reply": reply,
        "chunks": [b64(c if raw_chunks else gzip.compress(c, mtime=0)) for c in chunks],
        "options": options or {},
        "warnings": warnings,
    }
    if error:
        fixture["error"] = error
    else:
        fixture["schema"] = schema
        fixture["rows"] = [[told(v) for v in row] for row in rows]
    assert name not in WRITTEN, name
    WRITTEN.add(name)
    text = json.dumps(fixture, indent=1, ensure_ascii=False, sort_keys=True)
    (HERE / f"{name}.json").write_text(text + "\n")


LOSS = {"kind": "invalid_argument", "class": "SCHEMA", "reason": "PRECISION_LOSS"}
BROKEN = {"kind": "data_loss"}
DOUBLE = {"type_mapping": "double"}


def numbers():
    write("number_widths_vary_by_chunk", [fixed("N", 12, 2)],
          inline=stream(pa.array([1, None, -128], pa.int8())),
          chunks=[stream(pa.array([-129, 32767], pa.int16())),
                  stream(pa.array([2147483647], pa.int32())),
                  stream(pa.array([999999999999, None], pa.int64())),
                  stream(pa.array([D("9999999999.99")], pa.decimal128(12, 2)))],
          schema=["Decimal128(12, 2)"],
          rows=[["0.01"], [None], ["-1.28"], ["-1.29"], ["327.67"], ["21474836.47"], ["9999999999.99"],
                [None], ["9999999999.99"]])
    write("number_18_0_is_bigint", [fixed("N", 18, 0)],
          inline=stream(pa.array([7], pa.int8())),
          chunks=[stream(pa.array([999999999999999999, -999999999999999999, None], pa.int64())),
                  stream(pa.array([D(5)], pa.decimal128(38, 0)))],
          schema=["Int64"], rows=[[7], [999999999999999999], [-999999999999999999], [None], [5]])
    write("number_19_0_is_decimal", [fixed("N", 19, 0)], inline=stream(pa.array([7], pa.int8())),
          chunks=[stream(pa.array([9223372036854775807], pa.int64())),
                  stream(pa.array([D("9999999999999999999")], pa.decimal128(19, 0)))],
          schema=["Decimal128(19, 0)"], rows=[["7"], ["9223372036854775807"], ["9999999999999999999"]])
    a17 = D("12345678901234567890.0123456789")
    write("a17_number_38_10", [fixed("N", 38, 10)],
          inline=stream(pa.array([a17, None, a17.copy_negate()], pa.decimal128(38, 10))),
          chunks=[stream(pa.array([123456789], pa.int32()))],
          schema=["Decimal128(38, 10)"],
          rows=[["12345678901234567890.0123456789"], [None], ["-12345678901234567890.0123456789"],
                ["0.0123456789"]])
    write("a17_number_38_10_as_double", [fixed("N", 38, 10)], options=DOUBLE,
          inline=stream(pa.array([a17], pa.decimal128(38, 10))),
          schema=["Float64"], rows=[[12345678901234567890.0123456789]])
    write("number_38_37", [fixed("N", 38, 37)],
          inline=stream(pa.array([D("9.9999999999999999999999999999999999999")], pa.decimal128(38, 37))),
          schema=["Decimal128(38, 37)"], rows=[["9.9999999999999999999999999999999999999"]])
    write("number_double_rounds_once", [fixed("A", 38, 0), fixed("B", 17, 16), fixed("C", 38, 30)], options=DOUBLE,
          inline=stream(pa.array([D("9007199254740993"), D("99999999999999999999999999999999999999")], pa.decimal128(38, 0)),
                        pa.array([3, 11000000000000000], pa.int64()),
                        pa.array([D("0.1"), D("1.5")], pa.decimal128(38, 30))),
          schema=["Float64", "Float64", "Float64"],
          rows=[[9007199254740992.0, 3e-16, 0.1], [1e38, 1.1, 1.5]])
    write("number_beyond_its_precision", [fixed("N", 4, 2)], inline=stream(pa.array([10000], pa.int16())), error=BROKEN)
    write("number_as_text", [fixed("N", 4, 2)], inline=stream(pa.array(["1"], pa.string())), error=BROKEN)
    write("number_of_another_scale", [fixed("N", 6, 3)],
          inline=stream(pa.array([D("1.5")], pa.decimal128(4, 1))), schema=["Decimal128(6, 3)"], rows=[["1.500"]])
    write("float", [column("F", "real")],
          inline=stream(pa.array([0.1, None, -0.0, math.inf, 5e-324], pa.float64())),
          schema=["Float64"], rows=[[0.1], [None], [-0.0], [math.inf], [5e-324]])


def plain():
    write("text", [column("T", "text", length=16777216)],
          inline=stream(pa.array(["", None, "Grüße, 世界 🦆", "a\u0000b"], pa.string())),
          schema=["Utf8"], rows=[[""], [None], ["Grüße, 世界 🦆"], ["a\u0000b"]])
    write("boolean", [column("B", "boolean", nullable=False)], inline=stream(pa.array([True, False, True], pa.bool_())),
          schema=["Boolean"], rows=[[True], [False], [True]])
    write("date", [column("D", "date")], inline=stream(pa.array([0, -1, None, 2932896, -719162], pa.int32()).cast(pa.date32())),
          schema=["Date32"], rows=[[0], [-1], [None], [2932896], [-719162]])
    write("binary", [column("B", "binary")], inline=stream(pa.array([b"", None, b"\x00\xff"], pa.binary())),
          schema=["Binary"], rows=[[""], [None], ["00FF"]])
    write("binary_as_double_mapping", [column("B", "binary")], options=DOUBLE,
          inline=stream(pa.array([b"\x00\xff"], pa.binary())), schema=["Utf8"], rows=[["00FF"]])
    for kind in ["variant", "object", "array", "map"]:
        text = {"variant": "\"x\"", "object": "{\n  \"a\": 1\n}", "array": "[1, undefined]", "map": "{}"}[kind]
        write(f"{kind}_is_json", [column("V", kind)], inline=stream(pa.array([text, None], pa.string())),
              schema=["Utf8"], rows=[[text], [None]])
    write("geography", [column("G", "geography")], inline=stream(pa.array(["{\"type\":\"Point\"}"], pa.string())),
          schema=["Utf8"], rows=[["{\"type\":\"Point\"}"]])
    write("geometry_as_bytes", [column("G", "geometry")], inline=stream(pa.array([b"\x01\x02"], pa.binary())),
          schema=["Utf8"], rows=[["0102"]])
    element = lambda kind: {"vectorDimension": 2, "fields": [{"type": kind}]}
    ints = pa.FixedSizeListArray.from_arrays(pa.array([1, -2, 3, 4], pa.int32()), 2)
    write("vector_of_integers", [column("V", "vector", **element("fixed"))], inline=stream(ints),
          schema=["List(Int32)"], rows=[[[1, -2]], [[3, 4]]])
    floats = pa.array([[0.5, -1.25], None], pa.list_(pa.float32(), 2))
    write("vector_of_floats", [column("V", "vector", **element("real"))], inline=stream(floats),
          schema=["List(Float32)"], rows=[[[0.5, -1.25]], [None]])
    write("vector_as_double_mapping", [column("V", "vector", **element("real"))], options=DOUBLE, inline=stream(floats),
          schema=["Utf8"], rows=[["[0.5,-1.25]"], [None]])
    decfloat = struct([("exponent", pa.array([-2, 3, 0], pa.int16())),
                       ("significand", pa.array([(12345).to_bytes(2, "big", signed=True),
                                                 (-7).to_bytes(1, "big", signed=True), None], pa.binary()))],
                      [False, False, True])
    write("decfloat_becomes_text", [column("D", "decfloat")], inline=stream(decfloat),
          schema=["Utf8"], rows=[["123.45"], ["-7e3"], [None]], warnings=1)
    write("interval_of_months", [column("I", "interval_year_month")], inline=stream(pa.array([14, -1, None], pa.int64())),
          schema=["Utf8"], rows=[["+1-02"], ["-0-01"], [None]], warnings=1)
    nanos = ((1 * 24 + 2) * 3600 + 3 * 60 + 4) * 10**9 + 5
    write("interval_of_nanoseconds", [column("I", "interval_day_time")],
          inline=stream(pa.array([nanos, -10**9], pa.int64())),
          chunks=[stream(pa.array([D(nanos)], pa.decimal128(38, 0)))],
          schema=["Utf8"], rows=[["+1 02:03:04.000000005"], ["-0 00:00:01.000000000"], ["+1 02:03:04.000000005"]], warnings=1)
    write("unknown_types_become_text", [column("U", "hyperloglog"), column("V", "quaternion")],
          inline=stream(pa.array(["x"], pa.string()), pa.array([42], pa.int64())),
          schema=["Utf8", "Utf8"], rows=[["x", "42"]], warnings=2)


def times():
    noon = 12 * 3600 + 34 * 60 + 56
    for scale, kind in [(0, pa.int32()), (3, pa.int32()), (4, pa.int32()), (6, pa.int64()), (9, pa.int64())]:
        write(f"time_{scale}", [column("T", "time", scale=scale)],
              inline=stream(pa.array([0, noon * 10**scale, None], kind)),
              schema=["Time64(µs)"], rows=[[0], [noon * 10**6], [None]])
    late = pa.array([noon * 10**9 + 123456789], pa.int64())
    write("time_9_loses_digits", [column("T", "time", scale=9)], inline=stream(late), error=LOSS)
    write("time_9_has_no_nanoseconds_of_ours", [column("T", "time", scale=9)], inline=stream(late), error=LOSS, options={"sub_us": "ns"})
    write("time_9_truncated", [column("T", "time", scale=9)], inline=stream(late), options={"sub_us": "truncate"},
          schema=["Time64(µs)"], rows=[[noon * 10**6 + 123456]])
    write("time_9_as_double_mapping", [column("T", "time", scale=9)], options=DOUBLE,
          inline=stream(pa.array([noon * 10**9 + 123456789, noon * 10**9, 500 * 10**6], pa.int64())),
          schema=["Utf8"], rows=[["12:34:56.123456789"], ["12:34:56"], ["00:00:00.5"]])


def timestamps():
    ntz, ltz, tz = "timestamp_ntz", "timestamp_ltz", "timestamp_tz"
    us, utc = "Timestamp(µs)", "Timestamp(µs, \"UTC\")"
    year9999 = 253402300799
    for scale in [0, 3, 6]:
        unit = 10**scale
        write(f"timestamp_ntz_{scale}", [column("T", ntz, scale=scale)],
              inline=stream(pa.array([0, -1, 1700000000 * unit, year9999 * unit, None], pa.int64())),
              schema=[us], rows=[[0], [-(10**6 // unit)], [1700000000 * 10**6], [year9999 * 10**6], [None]])
    write("timestamp_ntz_7", [column("T", ntz, scale=7)], inline=stream(pa.array([10, -10], pa.int64())),
          schema=[us], rows=[[1], [-1]])
    write("timestamp_ntz_7_loses_digits", [column("T", ntz, scale=7)], inline=stream(pa.array([11], pa.int64())), error=LOSS)
    write("timestamp_ntz_7_truncated_before_1970", [column("T", ntz, scale=7)], inline=stream(pa.array([-1], pa.int64())),
          options={"sub_us": "truncate"}, schema=[us], rows=[[-1]])
    for scale in [8, 9]:
        write(f"timestamp_ntz_{scale}", [column("T", ntz, scale=scale)],
              inline=stream(split([1700000000, -1, year9999, 5], [123456000, 999999000, 0, 999], nulls=[False, False, False, True])),
              schema=[us], rows=[[1700000000123456], [-1], [year9999 * 10**6], [None]])
    fine = split([1700000000, -1], [123456789, 999999999])
    write("timestamp_ntz_9_loses_digits", [column("T", ntz, scale=9)], inline=stream(fine), error=LOSS)
    write("timestamp_ntz_9_truncated", [column("T", ntz, scale=9)], inline=stream(fine), options={"sub_us": "truncate"},
          schema=[us], rows=[[1700000000123456], [-1]])
    write("timestamp_ntz_9_in_ns", [column("T", ntz, scale=9)], inline=stream(fine), options={"sub_us": "ns"},
          schema=["Timestamp(ns)"], rows=[[1700000000123456789], [-1]])
    write("timestamp_ntz_9_beyond_ns", [column("T", ntz, scale=9)], inline=stream(split([year9999], [0])),
          options={"sub_us": "ns"}, error=BROKEN)
    write("timestamp_ntz_6_in_ns_stays", [column("T", ntz, scale=6)], inline=stream(pa.array([1], pa.int64())),
          options={"sub_us": "ns"}, schema=[us], rows=[[1]])
    write("timestamp_nulls_of_children", [column("T", ntz, scale=9)], inline=stream(split([None, 1], [None, 0])),
          schema=[us], rows=[[None], [10**6]])
    write("timestamp_ltz_3", [column("T", ltz, scale=3)], inline=stream(pa.array([1, None], pa.int64())),
          schema=[utc], rows=[[1000], [None]])
    write("timestamp_ltz_9", [column("T", ltz, scale=9)], inline=stream(split([1], [2000])), schema=[utc], rows=[[1000002]])
    write("timestamp_ltz_9_in_ns", [column("T", ltz, scale=9)], inline=stream(split([1], [2])), options={"sub_us": "ns"},
          schema=["Timestamp(ns)"], rows=[[1000000002]], warnings=1)
    write("timestamp_ltz_9_as_double_mapping", [column("T", ltz, scale=9)], inline=stream(split([1], [2000])), options=DOUBLE,
          schema=[us], rows=[[1000002]])
    short = struct([("epoch", pa.array([1700000000123, 5], pa.int64())), ("timezone", pa.array([1440 - 480, 0], pa.int32()))],
                   [False, True])
    write("timestamp_tz_3", [column("T", tz, scale=3)], inline=stream(short), schema=[utc], rows=[[1700000000123000], [None]])
    write("timestamp_tz_3_keeps_offset", [column("T", tz, scale=3)], inline=stream(short), options={"keep_offset": True},
          schema=[utc, "Int16"], rows=[[1700000000123000, -480], [None, None]])
    long = split([1700000000, 0], [5000, 0], [1440 + 330, 1440])
    write("timestamp_tz_9_keeps_offset", [column("T", tz, scale=9), column("X", "text")],
          inline=stream(long, pa.array(["a", "b"])), options={"keep_offset": True},
          schema=[utc, "Int16", "Utf8"], rows=[[1700000000000005, 330, "a"], [0, 0, "b"]])
    write("timestamp_tz_9_as_double_mapping", [column("T", tz, scale=9)], inline=stream(long), options=DOUBLE,
          schema=[us], rows=[[1700000000000005], [0]])
    write("timestamp_tz_offset_name_is_taken", [column("T", tz, scale=9), column("T__OFFSET", "text")],
          inline=stream(long, pa.array(["a", "b"])), options={"keep_offset": True},
          error={"kind": "invalid_argument", "class": "SCHEMA"})


def rowsets():
    rowtype = [fixed("N", 38, 2), fixed("I", 10, 0), column("F", "real"), column("T", "text"), column("B", "boolean"),
               column("D", "date"), column("TI", "time", scale=9), column("NTZ", "timestamp_ntz", scale=9),
               column("LTZ", "timestamp_ltz", scale=9), column("TZ", "timestamp_tz", scale=9), column("BI", "binary"),
               column("V", "variant"), column("VE", "vector", fields=[{"type": "fixed"}])]
    schema = ["Decimal128(38, 2)", "Int64", "Float64", "Utf8", "Boolean", "Date32", "Time64(µs)", "Timestamp(µs)",
              "Timestamp(µs, \"UTC\")", "Timestamp(µs, \"UTC\")", "Binary", "Utf8", "List(Int32)"]
    cells = ["-12.5", "7", "1e3", "x", "1", "19000", "45296.000001000", "-0.500000000", "1700000000.123456000",
             "1700000000.000000000 960", "00ff", "{}", "[1,2]"]
    values = ["-12.50", 7, 1000.0, "x", True, 19000, 45296000001, -500000, 1700000000123456, 1700000000000000, "00FF", "{}", [1, 2]]
    nothing = [None] * len(cells)
    write("json_rowset_of_every_type", rowtype, json_rows=[cells, nothing], schema=schema, rows=[values, nothing])
    write("json_rowset_with_bare_values", [fixed("N", 38, 0), column("B", "boolean"), column("F", "real")],
          json_rows=[[1, True, 0.5], [None, False, None]], schema=["Decimal128(38, 0)", "Boolean", "Float64"],
          rows=[["1", True, 0.5], [None, False, None]])
    write("json_chunk_without_brackets", [fixed("I", 5, 0), column("T", "text")], chunk_format="json",
          chunks=[b'["1","a"],\n["2",null]', b'[["3","[["]]', b""],
          schema=["Int64", "Utf8"], rows=[[1, "a"], [2, None], [3, "[["]])
    write("json_number_that_is_none", [fixed("N", 4, 2)], json_rows=[["1.234"]], error=BROKEN)
    write("json_row_too_short", [fixed("A", 4, 2), fixed("B", 4, 2)], json_rows=[["1"]], error=BROKEN)
    write("json_offset_kept", [column("T", "timestamp_tz", scale=9)], json_rows=[["0.000000000 1500"]],
          options={"keep_offset": True}, schema=["Timestamp(µs, \"UTC\")", "Int16"], rows=[[0, 60]])


def forms():
    write("empty_result_keeps_its_schema", [fixed("A", 10, 2, nullable=False), column("B", "text")],
          schema=["Decimal128(10, 2)", "Utf8"], rows=[])
    empty = stream(pa.array([], pa.int64()), pa.array([], pa.string()))
    write("empty_stream_keeps_its_schema", [fixed("A", 10, 2), column("B", "text")], inline=empty,
          schema=["Decimal128(10, 2)", "Utf8"], rows=[])
    good = stream(pa.array([1, 2, 3], pa.int64()))
    write("chunk_that_is_not_packed", [fixed("A", 10, 0)], chunks=[good], raw_chunks=True, schema=["Int64"], rows=[[1], [2], [3]])
    write("all_null_arrays", [fixed("A", 10, 2), column("T", "timestamp_tz", scale=9)], options={"keep_offset": True},
          inline=stream(pa.nulls(2), pa.nulls(2)), schema=["Decimal128(10, 2)", "Timestamp(µs, \"UTC\")", "Int16"],
          rows=[[None, None, None], [None, None, None]])
    strict = [pa.field(n, t, nullable=False) for n, t in [("epoch", pa.int64()), ("fraction", pa.int32())]]
    parts = [pa.array([1, None], pa.int64()), pa.array([0, None], pa.int32())]
    batch = pa.record_batch([pa.StructArray.from_arrays(parts, fields=strict), pa.array([None, 7], pa.int8())],
                            schema=pa.schema([pa.field("a", pa.struct(strict), False), pa.field("b", pa.int8(), False)]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    write("nulls_where_arrow_says_there_are_none", [column("T", "timestamp_ntz", scale=9), fixed("N", 4, 0)],
          inline=sink.getvalue().to_pybytes(), schema=["Timestamp(µs)", "Int64"], rows=[[10**6, None], [None, 7]])
    for length in [10, len(good) // 2, len(good) - 9]:
        write(f"stream_cut_after_{length}_bytes", [fixed("A", 10, 0)], inline=good[:length], error=BROKEN)
    write("stream_with_a_tail", [fixed("A", 10, 0)], inline=good + b"<?xml version", error=BROKEN)
    write("gzip_cut", [fixed("A", 10, 0)], chunks=[gzip.compress(good, mtime=0)[:-5]], raw_chunks=True, error=BROKEN)
    write("xml_instead_of_rows", [fixed("A", 10, 0)], chunks=[b"<?xml version=\"1.0\"?><Error/>"], raw_chunks=True, error=BROKEN)
    write("fewer_columns_than_declared", [fixed("A", 10, 0), fixed("B", 10, 0)], inline=good, error=BROKEN)
    compressed = pa.BufferOutputStream()
    batch = pa.record_batch([pa.array(["x" * 1000] * 10)], names=["c"])
    with pa.ipc.new_stream(compressed, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_batch(batch)
    write("lz4_buffers", [column("A", "text")], inline=compressed.getvalue().to_pybytes(), schema=["Utf8"], rows=[["x" * 1000]] * 10)


if __name__ == "__main__":
    HERE.mkdir(parents=True, exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    numbers(), plain(), times(), timestamps(), rowsets(), forms()
    print(len(WRITTEN), "fixtures")
