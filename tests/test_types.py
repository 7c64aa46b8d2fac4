"""Every type on every route: what was written comes back by pass-through and from a cache, in equal columns (S-10, G-13).

The tables are drawn at random; a failure shows the seed, and `DUCKSYNC_TYPES_SEED` repeats it.
"""

import datetime
import os
import random
import struct
from decimal import Decimal

import pyarrow
import pytest

from harness.prod import add_source, call

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
FIRST, LAST = datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30, 23, 59, 59, 999999)
TABLES = 12


# ---- what can be declared, and values of it --------------------------------------------------------


class Column:
    """A declared type; `value(chance)` is a value as SQL writes it and as Python shows it."""

    def __init__(self, declared, arrow, value):
        self.declared, self.arrow, self.value = declared, arrow, value


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def number(chance):
    precision = chance.choice([1, 9, 18, 19, 38, chance.randint(1, 38)])
    scale = chance.choice([0, min(precision, 37), chance.randint(0, min(precision, 37))])

    def value(chance):
        most = 10**precision - 1
        size = min(most, chance.choice([0, 1, most, 2**7, 2**15 - 1, 2**31, 2**63, chance.randrange(most + 1)]))
        # By its digits: arithmetic would round to the 28 of Python's context.
        digits = Decimal((chance.choice([0, 1]), tuple(map(int, str(size))), -scale))
        return quoted(f"{digits:f}"), int(digits) if precision <= 18 and scale == 0 else digits

    arrow = pyarrow.int64() if precision <= 18 and scale == 0 else pyarrow.decimal128(precision, scale)
    return Column(f"NUMBER({precision}, {scale})", arrow, value)


def plain(declared, arrow, *values):
    """A type with a handful of values, which SQL writes as they are or as `(sql, value)`."""
    pairs = [value if isinstance(value, tuple) else (quoted(value), value) for value in values]
    return lambda chance: Column(declared, arrow, lambda chance: chance.choice(pairs))


def single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def moment(chance, scale, first=FIRST, last=LAST):
    """A datetime without digits below 10^-scale s."""
    micros = (last - first) // datetime.timedelta(microseconds=1)
    unit = 10 ** (6 - min(scale, 6))
    drawn = chance.choice([first, EPOCH, last, EPOCH - datetime.timedelta(microseconds=1),
                           first + datetime.timedelta(microseconds=chance.randrange(micros))])
    return drawn.replace(microsecond=drawn.microsecond // unit * unit)


def timestamp(kind):
    def column(chance):
        scale = chance.randint(0, 9)

        def value(chance):
            instant = moment(chance, scale)
            if kind == "NTZ":
                return quoted(instant.isoformat(" ")), instant
            minutes = 0 if kind == "LTZ" else chance.choice([0, 330, -720, 840])
            local = instant + datetime.timedelta(minutes=minutes)
            sign, size = "-" if minutes < 0 else "+", abs(minutes)
            text = f"{local.isoformat(' ', 'microseconds')} {sign}{size // 60:02}:{size % 60:02}"
            return f"{quoted(text)}::TIMESTAMP_{kind}", instant.replace(tzinfo=UTC)

        return Column(f"TIMESTAMP_{kind}({scale})", pyarrow.timestamp("us", None if kind == "NTZ" else "UTC"), value)

    return column


def time(chance):
    scale = chance.randint(0, 9)

    def value(chance):
        drawn = moment(chance, scale).time()
        return quoted(drawn.isoformat()), drawn

    return Column(f"TIME({scale})", pyarrow.time64("us"), value)


def octets(chance):
    def value(chance):
        drawn = chance.choice([b"", b"\x00", b"\xff\xfe", chance.randbytes(chance.randrange(300))])
        return f"TO_BINARY('{drawn.hex()}', 'HEX')", drawn

    return Column("BINARY", pyarrow.binary(), value)


DOCUMENTS = ['{"a":[1,null,"x"]}', "[]", "null", "1", '"it\'s"']
FLOATS = [0.0, 1.5e300, 5e-324, -0.1, float("inf"), float("-inf"), 1 / 3]
KINDS = [
    number, number, number, octets, time, timestamp("NTZ"), timestamp("LTZ"), timestamp("TZ"),
    plain("FLOAT", pyarrow.float64(), *[(quoted(repr(value)), value) for value in FLOATS]),
    plain("VARCHAR", pyarrow.string(), "", "it's", "Grüße, 世界 🦆", "\n\t", "x" * 5_000),
    plain("BOOLEAN", pyarrow.bool_(), ("true", True), ("false", False)),
    plain("DATE", pyarrow.date32(), *[(quoted(str(day)), day) for day in [FIRST.date(), EPOCH.date(), LAST.date()]]),
    plain("VARIANT", pyarrow.string(), *DOCUMENTS),
    plain("OBJECT", pyarrow.string(), *DOCUMENTS[:1]),
    plain("ARRAY", pyarrow.string(), *DOCUMENTS[1:2]),
    plain("GEOGRAPHY", pyarrow.string(), "POINT(1 2)"),
    plain("GEOMETRY", pyarrow.string(), "POINT(3 4)"),
    plain("VECTOR(INT, 2)", pyarrow.list_(pyarrow.int32()), (quoted("[1,-2147483648]"), [1, -(2**31)])),
    plain("VECTOR(FLOAT, 2)", pyarrow.list_(pyarrow.float32()), (quoted("[0.1,-1e-20]"), [single(0.1), single(-1e-20)])),
]


# ---- tables ----------------------------------------------------------------------------------------


def make_table(sim, chance, name):
    """A table of random columns and rows; its columns and what its rows must be."""
    columns = [chance.choice(KINDS)(chance) for _ in range(chance.randint(1, 8))]
    sparse = [chance.choice([0, 0.3, 1]) for _ in columns]
    declared = ", ".join(f"c{at} {column.declared}" for at, column in enumerate(columns))
    sim.sql(f"CREATE TABLE PROD.PUBLIC.{name} (id NUMBER(9,0), {declared})")
    written, expected = [], []
    for id in range(chance.choice([0, 1, 30])):
        cells = [None if chance.random() < share else column.value(chance) for column, share in zip(columns, sparse)]
        casts = [f"CAST({cell[0] if cell else 'NULL'} AS {column.declared})" for cell, column in zip(cells, columns)]
        written.append(f"({', '.join([str(id)] + casts)})")
        expected.append([id] + [cell[1] if cell else None for cell in cells])
    if written:
        sim.sql(f"INSERT INTO PROD.PUBLIC.{name} VALUES {', '.join(written)}")
    return columns, expected


def fetch(server, sql):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def rows(table):
    return [list(row.values()) for row in table.to_pylist()]


@pytest.fixture
def prod(spawn_server, sim):
    sim.sql("CREATE DATABASE PROD")
    server = spawn_server()
    add_source(server, sim, passthrough=True)
    return server


def test_g13_generated_tables_are_equal_on_every_route(prod, sim):
    seed = int(os.environ.get("DUCKSYNC_TYPES_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"DUCKSYNC_TYPES_SEED={seed}")
    chance = random.Random(seed)
    for number in range(TABLES):
        columns, expected = make_table(sim, chance, f"T{number}")
        sql = f"SELECT * FROM PROD.PUBLIC.T{number} ORDER BY id"
        passed = fetch(prod, f"/*+ ducksync(consistency=exact) */ {sql}")
        assert [field.type for field in passed.schema] == [pyarrow.int64()] + [column.arrow for column in columns]
        assert rows(passed) == expected, [column.declared for column in columns]

        call(prod, "create_cache", f"copy_{number}", "prod", f"SELECT * FROM PROD.PUBLIC.T{number}", invalidation_mode="manual")
        assert call(prod, "refresh", f"copy_{number}", force=True)["result"] == "REFRESHED"
        copied = fetch(prod, f"SELECT * FROM copy_{number} ORDER BY id")
        assert copied.schema.names == passed.schema.names
        assert str(copied.schema) == str(passed.schema)
        assert rows(copied) == expected, [column.declared for column in columns]


def test_s10_ten_thousand_columns_pass(prod):
    columns = ", ".join(f"x + {at} AS c{at}" for at in range(10_000))
    table = fetch(prod, f"/*+ ducksync(consistency=exact) */ SELECT {columns} FROM range(3) t(x) ORDER BY x")
    assert (table.num_rows, table.num_columns) == (3, 10_000)
    assert [row["C9999"] for row in table.select(["C9999"]).to_pylist()] == [9_999, 10_000, 10_001]


def test_s10_a_cell_of_twelve_megabytes_arrives_whole_on_every_route(prod, sim):
    sim.sql("CREATE TABLE PROD.PUBLIC.WIDE (t VARCHAR); INSERT INTO PROD.PUBLIC.WIDE SELECT repeat('0123456789abcdef', 786432)")
    call(prod, "create_cache", "wide_copy", "prod", "SELECT t FROM PROD.PUBLIC.WIDE", invalidation_mode="manual")
    assert call(prod, "refresh", "wide_copy", force=True)["result"] == "REFRESHED"
    for sql in ["/*+ ducksync(consistency=exact) */ SELECT t FROM PROD.PUBLIC.WIDE", "SELECT t FROM wide_copy"]:
        (cell,) = fetch(prod, sql).column(0).to_pylist()
        assert cell == "0123456789abcdef" * 786432
