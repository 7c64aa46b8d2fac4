-- Every value is a hash of its row's key and a salt, so the rows are the same on every machine.
-- INT4 is DuckDB's own spelling, which no rewriting widens: only that can be added to a DATE.
INSERT INTO REGION
SELECT k, ['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'][k + 1], 'region ' || k
FROM range(5) AS t(k);

INSERT INTO NATION
SELECT k,
    ['ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN',
     'IRAQ', 'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA', 'SAUDI ARABIA', 'VIETNAM',
     'RUSSIA', 'UNITED KINGDOM', 'UNITED STATES'][k + 1],
    [0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1][k + 1],
    'nation ' || k
FROM range(25) AS t(k);

INSERT INTO CUSTOMER
SELECT k, format('Customer#{:09d}', k), 'street ' || (sample_hash(k, 1) % 100000), sample_hash(k, 2) % 25,
    format('{}-{}', 10 + sample_hash(k, 2) % 25, 1000000 + sample_hash(k, 3) % 9000000),
    (sample_hash(k, 4) % 1100000 - 100000)::DECIMAL(12, 2) / 100,
    ['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', 'MACHINERY'][sample_hash(k, 5) % 5 + 1],
    'customer note ' || (sample_hash(k, 6) % 1000)
FROM range(1, {customers} + 1) AS t(k);

INSERT INTO SUPPLIER
SELECT k, format('Supplier#{:09d}', k), 'street ' || (sample_hash(k, 11) % 100000), sample_hash(k, 12) % 25,
    format('{}-{}', 10 + sample_hash(k, 12) % 25, 1000000 + sample_hash(k, 13) % 9000000),
    (sample_hash(k, 14) % 1100000 - 100000)::DECIMAL(12, 2) / 100, 'supplier note ' || (sample_hash(k, 16) % 1000)
FROM range(1, {suppliers} + 1) AS t(k);

INSERT INTO PART
SELECT k,
    ['almond', 'azure', 'blush', 'coral', 'forest', 'ivory', 'linen', 'plum'][sample_hash(k, 21) % 8 + 1] || ' '
        || ['antique', 'brushed', 'plated', 'polished'][sample_hash(k, 22) % 4 + 1],
    'Manufacturer#' || (1 + sample_hash(k, 23) % 5), 'Brand#' || (1 + sample_hash(k, 23) % 5) || (1 + sample_hash(k, 24) % 5),
    ['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO'][sample_hash(k, 25) % 6 + 1] || ' '
        || ['BRASS', 'COPPER', 'NICKEL', 'STEEL', 'TIN'][sample_hash(k, 26) % 5 + 1],
    1 + sample_hash(k, 27) % 50, ['SM BOX', 'MED BAG', 'LG CASE', 'JUMBO PKG', 'WRAP JAR'][sample_hash(k, 28) % 5 + 1],
    (90000 + k % 20001 + 100 * (k % 1000))::DECIMAL(12, 2) / 100, 'part ' || (sample_hash(k, 29) % 1000)
FROM range(1, {parts} + 1) AS t(k);

INSERT INTO LINEITEM
SELECT o.k, p.partkey, 1 + sample_hash(o.k, l, 32) % {suppliers}, l, p.quantity,
    (p.quantity * (90000 + p.partkey % 20001 + 100 * (p.partkey % 1000)))::DECIMAL(12, 2) / 100,
    (sample_hash(o.k, l, 34) % 11)::DECIMAL(12, 2) / 100, (sample_hash(o.k, l, 35) % 9)::DECIMAL(12, 2) / 100,
    CASE WHEN p.shipped > DATE '1995-06-17' THEN 'N' WHEN sample_hash(o.k, l, 36) % 2 = 0 THEN 'R' ELSE 'A' END,
    CASE WHEN p.shipped > DATE '1995-06-17' THEN 'O' ELSE 'F' END,
    p.shipped, o.ordered + (30 + sample_hash(o.k, l, 38) % 61)::INT4, p.shipped + (1 + sample_hash(o.k, l, 39) % 30)::INT4,
    ['COLLECT COD', 'DELIVER IN PERSON', 'NONE', 'TAKE BACK RETURN'][sample_hash(o.k, l, 40) % 4 + 1],
    ['AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK'][sample_hash(o.k, l, 41) % 7 + 1],
    'line note ' || (sample_hash(o.k, l, 42) % 1000)
FROM (SELECT k, DATE '1992-01-01' + (sample_hash(k, 31) % 2406)::INT4 AS ordered FROM range(1, {orders} + 1) AS t(k)) AS o,
    LATERAL (SELECT unnest(range(1, 2 + (sample_hash(o.k, 30) % 7))) AS l) AS n,
    LATERAL (SELECT 1 + sample_hash(o.k, l, 43) % {parts} AS partkey, 1 + sample_hash(o.k, l, 44) % 50 AS quantity,
        o.ordered + (1 + sample_hash(o.k, l, 37) % 121)::INT4 AS shipped) AS p;

INSERT INTO ORDERS
SELECT k, 1 + sample_hash(k, 51) % {customers},
    CASE WHEN l.open = 0 THEN 'F' WHEN l.open = l.total THEN 'O' ELSE 'P' END,
    l.price, d.ordered, ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'][sample_hash(k, 52) % 5 + 1],
    format('Clerk#{:09d}', 1 + sample_hash(k, 53) % 1000), 0, 'order note ' || (sample_hash(k, 54) % 1000),
    d.ordered::TIMESTAMP_NTZ + to_seconds(sample_hash(k, 55) % 86400) + to_microseconds(sample_hash(k, 56) % 1000000)
FROM range(1, {orders} + 1) AS t(k),
    LATERAL (SELECT DATE '1992-01-01' + (sample_hash(k, 31) % 2406)::INT4 AS ordered) AS d
    JOIN (SELECT L_ORDERKEY, count(*) AS total, count(*) FILTER (WHERE L_LINESTATUS = 'O') AS open,
        sum(L_EXTENDEDPRICE)::DECIMAL(12, 2) AS price FROM LINEITEM GROUP BY L_ORDERKEY) AS l ON l.L_ORDERKEY = k;
