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
TOO_FAR = {"kind": "invalid_argument", "class": "SCHEMA"}
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
          options={"sub_us": "ns"}, error=TOO_FAR)
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


def widths():
    """The least and the most of each width, times 10^scale, in one result whose chunks change width both ways."""
    def scaled(value, scale):
        digits = f"{abs(value):0{scale + 1}d}"
        text = digits[:len(digits) - scale] + ("." + digits[len(digits) - scale:] if scale else "")
        return ("-" if value < 0 else "") + text

    kinds = [(8, pa.int8()), (16, pa.int16()), (32, pa.int32()), (64, pa.int64())]
    bounds = {bits: (-2 ** (bits - 1), 2 ** (bits - 1) - 1) for bits, _ in kinds}
    most = 10**38 - 1
    for precision, scale in [(38, 0), (38, 2), (38, 10), (38, 37), (19, 19)]:
        fits = 10**precision - 1
        chunks, values = [], []
        for bits, kind in kinds + kinds[::-1]:
            low, high = (max(bounds[bits][0], -fits), min(bounds[bits][1], fits))
            chunks.append(stream(pa.array([low, None, -1, 0, 1, high], kind)))
            values += [low, None, -1, 0, 1, high]
        decimals = [D(value).scaleb(-scale, decimal.Context(prec=60)) for value in [-fits, fits]]
        chunks.insert(3, stream(pa.array([decimals[0], None, decimals[1]], pa.decimal128(precision, scale))))
        values[18:18] = [-fits, None, fits]
        expected = [[None if value is None else scaled(value, scale)] for value in values]
        write(f"number_{precision}_{scale}_in_every_width", [fixed("N", precision, scale)], inline=chunks[0],
              chunks=chunks[1:], schema=[f"Decimal128({precision}, {scale})"], rows=expected)
    write("number_18_0_in_every_width", [fixed("N", 18, 0)], inline=stream(pa.array([-128, 127], pa.int8())),
          chunks=[stream(pa.array([-32768, None], pa.int16())), stream(pa.array([D(-(10**18) + 1)], pa.decimal128(38, 0))),
                  stream(pa.array([-(2**31), 2**31 - 1], pa.int32())), stream(pa.nulls(1)),
                  stream(pa.array([-(10**18) + 1, 10**18 - 1], pa.int64()))],
          schema=["Int64"], rows=[[-128], [127], [-32768], [None], [-(10**18) + 1], [-(2**31)], [2**31 - 1], [None],
                                  [-(10**18) + 1], [10**18 - 1]])
    write("number_38_0_beyond_38_digits", [fixed("N", 38, 0)], error=BROKEN,
          inline=stream(pa.array([D(most + 1)], pa.decimal256(76, 0)).cast(pa.decimal256(76, 0))))


#: Seconds since 1970 of instants that nanoseconds in 64 bits do not reach, or just reach, and of both ends of Snowflake's years.
FIRST, LAST = -62135596800, 253402300799
BEFORE_1678, AFTER_2262 = -9223372037, 9223372037
EPOCHS = [FIRST, BEFORE_1678, -86401, -1, 0, 1, 1700000000, AFTER_2262, LAST]


def every_scale():
    us, utc = "Timestamp(µs)", "Timestamp(µs, \"UTC\")"
    for scale in range(10):
        digits = min(scale, 6)
        part = int("9" * digits or "0") * 10 ** (6 - digits)  # microseconds, with all digits that survive
        micros = [epoch * 10**6 + part for epoch in EPOCHS] + [None]
        counts = [None if m is None else m * 10 ** (scale - 6) if scale >= 6 else m // 10 ** (6 - scale) for m in micros]
        epochs = [None if m is None else m // 10**6 for m in micros]
        fractions = [None if m is None else m % 10**6 * 1000 for m in micros]
        zones = [1440 + offset for offset in [0, 1, -1, 840, -720, 330, -570, 59, -59]] + [None]
        nulls = [m is None for m in micros]
        plain = pa.array(counts, pa.int64()) if scale <= 7 else split(epochs, fractions, nulls=nulls)
        if scale <= 3:
            zoned = struct([("epoch", pa.array(counts, pa.int64())), ("timezone", pa.array(zones, pa.int32()))], nulls)
        else:
            zoned = split(epochs, fractions, zones, nulls)
        rowtype = [column("N", "timestamp_ntz", scale=scale), column("L", "timestamp_ltz", scale=scale),
                   column("Z", "timestamp_tz", scale=scale)]
        rows = [[m, m, m, None if z is None else z - 1440] for m, z in zip(micros, zones)]
        write(f"timestamps_of_scale_{scale}_from_0001_to_9999", rowtype, inline=stream(plain, plain, zoned),
              options={"keep_offset": True}, schema=[us, utc, utc, "Int16"], rows=rows)
        text = [None if m is None else f"{'-' if m < 0 else ''}{abs(m) // 10**6}"
                + (f".{abs(m) % 10**6 * 1000:09d}"[:scale + 1] if scale else "") for m in micros]
        write(f"json_timestamps_of_scale_{scale}_from_0001_to_9999", rowtype, options={"keep_offset": True},
              json_rows=[[t, t, None if t is None else f"{t} {z}"] for t, z in zip(text, zones)],
              schema=[us, utc, utc, "Int16"], rows=rows)

        seconds = [0, 1, 43200, 86399]
        micros = [s * 10**6 + p for s in seconds for p in {0, part}] + [None]
        counts = [None if m is None else m * 10 ** (scale - 6) if scale >= 6 else m // 10 ** (6 - scale) for m in micros]
        write(f"times_of_scale_{scale}", [column("T", "time", scale=scale)], schema=["Time64(µs)"],
              inline=stream(pa.array(counts, pa.int32() if scale <= 4 else pa.int64())), rows=[[m] for m in micros])
        text = [None if m is None else f"{m // 10**6}" + (f".{m % 10**6 * 1000:09d}"[:scale + 1] if scale else "") for m in micros]
        write(f"json_times_of_scale_{scale}", [column("T", "time", scale=scale)], schema=["Time64(µs)"],
              json_rows=[[t] for t in text], rows=[[m] for m in micros])
    first_ns, last_ns = -(2**63), 2**63 - 1
    ends = [first_ns, last_ns, None]
    write("timestamps_at_both_ends_of_nanoseconds", [column("T", "timestamp_ntz", scale=9)], options={"sub_us": "ns"},
          inline=stream(split([None if n is None else n // 10**9 for n in ends], [None if n is None else n % 10**9 for n in ends],
                              nulls=[n is None for n in ends])),
          schema=["Timestamp(ns)"], rows=[[n] for n in ends])
    for name, nanos in [("before", first_ns - 1), ("after", last_ns + 1)]:
        write(f"timestamp_just_{name}_the_range_of_nanoseconds", [column("T", "timestamp_ntz", scale=9)], options={"sub_us": "ns"},
              inline=stream(split([nanos // 10**9], [nanos % 10**9])), error=TOO_FAR)
    write("timestamp_with_an_impossible_fraction", [column("T", "timestamp_ntz", scale=9)],
          inline=stream(split([0], [10**9])), error=BROKEN)


def text_of_types():
    """DECFLOAT, INTERVAL and types to come: exact text, a warning, and NULL wherever a part is NULL."""
    def decfloat(exponents, significands, nulls):
        octets = lambda n: n.to_bytes((n.bit_length() + 8) // 8, "big", signed=True)
        return struct([("exponent", pa.array(exponents, pa.int16())),
                       ("significand", pa.array([None if n is None else octets(n) for n in significands], pa.binary()))], nulls)

    most = 10**38 - 1
    write("decfloat_at_its_edges", [column("D", "decfloat")], warnings=1, schema=["Utf8"],
          inline=stream(decfloat([0, 0, -38, 16345, -16383, -1, 1, None], [most, -most, most, 1, -1, 0, -5, None],
                                 [False] * 8)),
          chunks=[stream(decfloat([None, 3], [7, None], [False, False]))],
          rows=[["9" * 38], ["-" + "9" * 38], ["0." + "9" * 38], ["1e16345"], ["-1e-16383"], ["0.0"], ["-5e1"], [None],
                [None], [None]])
    write("json_decfloat_and_intervals", [column("D", "decfloat"), column("Y", "interval_year_month"),
          column("S", "interval_day_time")], json_rows=[["1.5e20", "+1-02", "+1 02:03:04.000000005"], [None, None, None]],
          schema=["Utf8", "Utf8", "Utf8"], rows=[["1.5e20", "+1-02", "+1 02:03:04.000000005"], [None, None, None]], warnings=3)
    years, days = 999999999 * 12 + 11, (999999999 * 86400 + 86399) * 10**9 + 999999999
    write("intervals_at_their_edges", [column("Y", "interval_year_month"), column("S", "interval_day_time")], warnings=2,
          inline=stream(pa.array([years, -years, 0, None], pa.int64()), pa.array([D(days), D(-days), D(0), None], pa.decimal128(38, 0))),
          schema=["Utf8", "Utf8"],
          rows=[["+999999999-11", "+999999999 23:59:59.999999999"], ["-999999999-11", "-999999999 23:59:59.999999999"],
                ["+0-00", "+0 00:00:00.000000000"], [None, None]])
    future = [column(name, f"future_{name.lower()}") for name in "ABCDEFGHIJ"]
    write("types_to_come_in_every_plain_form", future, warnings=10, schema=["Utf8"] * 10,
          inline=stream(pa.array([-7, None], pa.int8()), pa.array([0.1, None], pa.float64()), pa.array([True, None], pa.bool_()),
                        pa.array([b"\xff\x00", None], pa.binary()), pa.array([b"\xff\x00", None], pa.large_binary()),
                        pa.array([b"\xff\x00", None], pa.binary(2)), pa.array(["x", None], pa.large_string()),
                        pa.array([D("-1.50"), None], pa.decimal128(38, 2)), pa.array([0, None], pa.int32()).cast(pa.date32()),
                        pa.nulls(2)),
          rows=[["-7", "0.1", "true", "FF00", "FF00", "FF00", "x", "-1.50", "1970-01-01", None], [None] * 10])
    write("a_type_to_come_in_a_nested_form", [column("A", "future")], inline=stream(pa.array([[1]], pa.list_(pa.int8()))), error=BROKEN)
    write("json_types_to_come", [column("A", "future"), column("G", "geometry"), column("M", "map"), column("V", "vector", fields=[{"type": "real"}])],
          json_rows=[["?", "POINT(1 2)", "{\"a\":1}", "[0.5,-1.25,1e-20]"], [None] * 4], warnings=1,
          schema=["Utf8", "Utf8", "Utf8", "List(Float32)"],
          rows=[["?", "POINT(1 2)", "{\"a\":1}", [0.5, -1.25, float(struct32(1e-20))]], [None] * 4])


def struct32(value):
    """The double that equals the 32-bit float next to `value`."""
    import struct as packing
    return packing.unpack("f", packing.pack("f", value))[0]


def json_edges():
    fits = "9" * 38
    rowtype = [fixed("A", 38, 0), fixed("B", 38, 37), fixed("C", 38, 38), fixed("D", 18, 0)]
    write("json_numbers_at_their_edges", rowtype,
          json_rows=[[fits, "9." + "9" * 37, "0." + fits, "9" * 18], ["-" + fits, "-9." + "9" * 37, "-0." + fits, "-" + "9" * 18],
                     ["0", "0.0000000000000000000000000000000000001", "-.5", "+7"], [None] * 4],
          schema=["Decimal128(38, 0)", "Decimal128(38, 37)", "Decimal128(38, 38)", "Int64"],
          rows=[[fits, "9." + "9" * 37, "0." + fits, 10**18 - 1], ["-" + fits, "-9." + "9" * 37, "-0." + fits, 1 - 10**18],
                ["0", "0." + "0" * 36 + "1", "-0.5" + "0" * 37, 7], [None] * 4])
    write("json_floats_at_their_edges", [column("F", "real")],
          json_rows=[[t] for t in ["inf", "-inf", "1.7976931348623157e308", "5e-324", "-0", "0.1", "123456789012345680"]],
          schema=["Float64"], rows=[[math.inf], [-math.inf], [1.7976931348623157e308], [5e-324], [-0.0], [0.1], [123456789012345680.0]])
    write("json_number_beyond_38_digits", [fixed("A", 38, 0)], json_rows=[["1" + "0" * 38]], error=BROKEN)
    write("json_bytes_of_half_a_digit", [column("B", "binary")], json_rows=[["abc"]], error=BROKEN)
    write("json_rows_without_columns", [], json_rows=[[], [], []], schema=[], rows=[[], [], []])
    rows = pa.RecordBatch.from_struct_array(pa.array([{}] * 3, pa.struct([])))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    write("rows_without_columns", [], inline=sink.getvalue().to_pybytes(), schema=[], rows=[[], [], []])


if __name__ == "__main__":
    HERE.mkdir(parents=True, exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    numbers(), plain(), times(), timestamps(), rowsets(), forms()
    widths(), every_scale(), text_of_types(), json_edges()
    print(len(WRITTEN), "fixtures")
