//! Analytics that must pass: the checks are no reason to refuse a query that only reads.

use serde_json::json;

use crate::database::Database;
use crate::server::Server;

const DATA: &str = "
CREATE TABLE shops (id int PRIMARY KEY, city text, opened date, tags text[], settings jsonb);
INSERT INTO shops SELECT n, (ARRAY['Rome', 'Oslo', 'Lima'])[n % 3 + 1], date '2020-01-01' + n,
    ARRAY['a', n::text], jsonb_build_object('size', n, 'open', n % 2 = 0)
FROM generate_series(1, 30) n;
CREATE TABLE orders (id int PRIMARY KEY, shop int REFERENCES shops, total numeric(10,2), at
    timestamptz, note text, copy text, \"nextval\" int);
INSERT INTO orders SELECT n, n % 30 + 1, n * 1.5, timestamptz '2024-01-01 00:00+00' + n *
    interval '1 hour', CASE WHEN n % 7 = 0 THEN 'update; delete' END, 'c', n
FROM generate_series(1, 1000) n;
CREATE TABLE parents (id int, parent int, name text);
INSERT INTO parents VALUES (1, NULL, 'root'), (2, 1, 'child'), (3, 2, 'grandchild');
CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 1000;
CREATE FUNCTION double_it(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE TYPE point3 AS (x int, y int, z int);
CREATE TYPE stay AS RANGE (subtype = date);
CREATE FUNCTION half(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN n / 2;
CREATE FUNCTION shops_in(c text) RETURNS SETOF shops LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT * FROM shops WHERE city = c; END;
CREATE FUNCTION plus(point3, point3) RETURNS point3 LANGUAGE sql IMMUTABLE
    AS 'SELECT ROW($1.x + $2.x, $1.y + $2.y, $1.z + $2.z)::point3';
CREATE OPERATOR + (LEFTARG = point3, RIGHTARG = point3, FUNCTION = plus, COMMUTATOR = +);
CREATE AGGREGATE sum(point3) (SFUNC = plus, STYPE = point3);
CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100);
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION tablefunc;
CREATE TABLE measured (day date, value percent) PARTITION BY RANGE (day);
CREATE TABLE measured_2024 PARTITION OF measured FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
ALTER TABLE measured ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_it ON measured USING (half(value) >= 0);
CREATE INDEX ON orders (lower(note)) WHERE half(total) > 1;
CREATE INDEX ON shops USING gin (city gin_trgm_ops);
CREATE INDEX ON shops ((similarity(city, 'Rome')), (city::citext));
CREATE STATISTICS of_orders ON (double_it(total)), (at AT TIME ZONE 'UTC') FROM orders;
";

pub const QUERIES: &[&str] = &[
    "SELECT * FROM shops",
    "select count(*), count(distinct city), min(opened), max(opened) from shops",
    "SELECT city, count(*) FILTER (WHERE opened > '2020-01-10') FROM shops GROUP BY city \
     HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST",
    "SELECT s.city, date_trunc('month', o.at) AS month, sum(o.total) FROM orders o JOIN shops s \
     ON s.id = o.shop GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT *, row_number() OVER (PARTITION BY shop ORDER BY total DESC) FROM orders",
    "SELECT id, sum(total) OVER w, lag(total) OVER w FROM orders WINDOW w AS (PARTITION BY shop \
     ORDER BY at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total), percentile_disc(ARRAY[0.9, 0.99]) \
     WITHIN GROUP (ORDER BY total) FROM orders",
    "SELECT mode() WITHIN GROUP (ORDER BY city) FROM shops",
    "SELECT city, shop, sum(total) FROM orders o JOIN shops s ON s.id = o.shop \
     GROUP BY GROUPING SETS ((city), (shop), ())",
    "SELECT city, grouping(city), count(*) FROM shops GROUP BY ROLLUP (city)",
    "SELECT city, opened, count(*) FROM shops GROUP BY CUBE (city, opened)",
    "WITH RECURSIVE up AS (SELECT id, name, 1 AS depth FROM parents WHERE parent IS NULL \
     UNION ALL SELECT p.id, p.name, depth + 1 FROM parents p JOIN up ON p.parent = up.id) \
     SELECT * FROM up",
    "WITH a AS MATERIALIZED (SELECT * FROM shops), b AS NOT MATERIALIZED (SELECT * FROM a) \
     SELECT count(*) FROM b",
    "SELECT s.id, top.total FROM shops s CROSS JOIN LATERAL (SELECT total FROM orders o \
     WHERE o.shop = s.id ORDER BY total DESC LIMIT 3) top",
    "SELECT DISTINCT ON (shop) shop, id, total FROM orders ORDER BY shop, total DESC",
    "SELECT settings ->> 'size', settings -> 'open', settings #>> '{size}', settings @> \
     '{\"open\": true}' FROM shops",
    "SELECT jsonb_path_query(settings, '$.size ? (@ > 5)') FROM shops",
    "SELECT jsonb_agg(s ORDER BY id), json_object_agg(id, city) FROM shops s",
    "SELECT k, v FROM shops, jsonb_each(settings) AS e (k, v)",
    "SELECT * FROM jsonb_to_recordset('[{\"a\": 1}]') AS x (a int)",
    "SELECT unnest(tags), array_length(tags, 1), tags[1], tags[1:2], 'a' = ANY (tags) FROM shops",
    "SELECT array_agg(DISTINCT city ORDER BY city), string_agg(city, ', ') FROM shops",
    "SELECT t.tag, t.n FROM shops, unnest(tags) WITH ORDINALITY AS t (tag, n)",
    "SELECT generate_series(date '2024-01-01', date '2024-01-10', interval '1 day')::date",
    "SELECT extract(year FROM at), extract(epoch FROM at)::bigint, at AT TIME ZONE 'Europe/Rome', \
     age(at) FROM orders",
    "SELECT date_bin('15 minutes', at, '2024-01-01') AS bin, count(*) FROM orders GROUP BY bin",
    "SELECT to_char(at, 'YYYY-MM-DD'), to_date('2024', 'YYYY'), make_date(2024, 2, 29), now() - \
     interval '1 day' FROM orders LIMIT 1",
    "SELECT CASE city WHEN 'Rome' THEN 1 ELSE 2 END, coalesce(city, '-'), nullif(city, 'Oslo'), \
     greatest(1, 2), least(1, 2) FROM shops",
    "SELECT * FROM orders WHERE note LIKE '%delete%' OR note ILIKE 'UPDATE;%' OR note ~ '^drop' \
     OR note SIMILAR TO '%(a|b)%'",
    "SELECT 'it''s; DELETE FROM x -- not', $$a; DROP TABLE b$$, E'tab\\t', 'pg_read_file(1)'",
    "SELECT copy, \"nextval\", id AS \"delete\" FROM orders WHERE \"nextval\" > 3 ORDER BY copy",
    "SELECT * FROM shops TABLESAMPLE BERNOULLI (50)",
    "SELECT * FROM shops WHERE id IN (SELECT shop FROM orders WHERE total > 100) \
     AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.shop = shops.id AND total < 0)",
    "SELECT id FROM shops UNION ALL SELECT id FROM orders EXCEPT SELECT 1 INTERSECT SELECT 2",
    "(SELECT id FROM shops ORDER BY id LIMIT 1) UNION (SELECT id FROM orders ORDER BY id DESC \
     LIMIT 1)",
    "VALUES (1, 'a'), (2, 'b')",
    "TABLE shops",
    "SELECT * FROM (VALUES (1, 'a')) AS v (n, s)",
    "SELECT * FROM orders ORDER BY id OFFSET 10 ROWS FETCH FIRST 5 ROWS ONLY",
    "SELECT * FROM orders ORDER BY total FETCH FIRST 3 ROWS WITH TIES",
    "SELECT * FROM orders LIMIT 10 OFFSET 5",
    "SELECT * FROM shops s FULL OUTER JOIN parents p USING (id) NATURAL LEFT JOIN (SELECT 1 \
     AS id) x",
    "SELECT corr(total, id), stddev_samp(total), regr_slope(total, id), var_pop(total) FROM orders",
    "SELECT width_bucket(total, 0, 1500, 10) AS bucket, count(*) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT ntile(4) OVER (ORDER BY total), percent_rank() OVER (ORDER BY total), first_value(id) \
     OVER (ORDER BY total) FROM orders",
    "SELECT sum(total) OVER (ORDER BY at RANGE BETWEEN '1 day' PRECEDING \
     AND CURRENT ROW EXCLUDE CURRENT ROW) FROM orders",
    "SELECT regexp_replace(city, 'o', '0'), split_part(city, 'm', 1), substring(city \
     FROM 2 FOR 2), position('o' IN city), trim(BOTH 'R' FROM city), overlay(city PLACING 'x' \
     FROM 1) FROM shops",
    "SELECT regexp_matches(city, '(.)o', 'g'), format('%s-%I', city, city), md5(city), \
     encode(sha256(city::bytea), 'hex') FROM shops",
    "SELECT (ROW(1, 2, 3)::point3).x, ROW(1, 'a') = ROW(1, 'a')",
    "SELECT double_it(total), public.double_it(1) FROM orders",
    "SELECT * FROM big_orders",
    "SELECT to_tsvector('english', 'The cats') @@ to_tsquery('english', 'cat'), \
     ts_rank(to_tsvector('a'), to_tsquery('a'))",
    "SELECT random() < 2, gen_random_uuid() IS NOT NULL, clock_timestamp() > now(), \
     pg_sleep(0.01) IS NULL",
    "SELECT pg_size_pretty(pg_total_relation_size('orders')), pg_relation_size('orders'), \
     pg_column_size(1), pg_typeof(1)",
    "SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT current_user, current_database(), version(), current_setting('TimeZone'), \
     current_date, localtimestamp",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint",
    "SELECT xpath('/a/b/text()', '<a><b>x</b></a>'), xmlelement(name a, 'x'), \
     xmlagg(xmlelement(name b, id)) FROM shops",
    "SELECT int4range(1, 5) * int4range(3, 9), range_agg(int4range(id, id + 1)) FROM shops",
    "SELECT inet '10.0.0.1' << inet '10.0.0.0/8', host(inet '10.0.0.1/8')",
    "SELECT 5 / 2, 5 % 2, 2 ^ 3, |/ 9, @ -1, 5 & 3, 5 # 1, ~5, 1 << 3, 7 BETWEEN 1 \
     AND 9, 1 IS DISTINCT FROM NULL, 'a' || 'b'",
    "SELECT array(SELECT id FROM shops ORDER BY id LIMIT 3), exists(SELECT 1), 1 = ALL (ARRAY[1])",
    "SELECT count(*) AS \"Números\", 'é' AS naïve FROM shops -- комментарий",
    "SELECT /* a /* nested */ comment */ 1",
    "SELECT crypt.id FROM (SELECT 1 AS id) crypt",
    "SELECT CAST('1' AS int), '1'::int, int '1', 'shops'::regclass, 1::numeric(10,2)::text",
    "SELECT x.* FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3)) AS x (a, b)",
    "SELECT stay('2024-01-01', '2024-02-01') @> date '2024-01-15', \
     stay_multirange(stay('2024-01-01', NULL))",
    "SELECT half(total), (total).half FROM orders",
    "SELECT city FROM shops_in('Oslo')",
    "SELECT ROW(1, 2, 3)::point3 + ROW(1, 1, 1)::point3, sum(ROW(id, id, id)::point3) FROM shops \
     GROUP BY id",
    "SELECT 12::percent, '50'::percent, '{1,2}'::percent[], value FROM measured ORDER BY value",
    "SELECT 'A'::citext = 'a', similarity('word', 'two words'), count(*) FROM normal_rand(3, 0, 1)",
    "SELECT rolname, rolsuper FROM pg_roles",
    "SELECT grantee, privilege_type FROM information_schema.table_privileges LIMIT 1",
    "SELECT name, setting FROM pg_settings WHERE name LIKE 'work%'",
    "SELECT * FROM pg_indexes, pg_policies, pg_sequences LIMIT 1",
    "SELECT locktype, mode FROM pg_locks",
    "SELECT relname, seq_scan FROM pg_stat_user_tables",
    "SELECT to_json(s), row_to_json(s), array_agg(s) FROM shops AS s GROUP BY s.id",
];

#[tokio::test]
async fn it_runs_what_analysts_write() {
    check("execute_query").await;
}

#[tokio::test]
async fn it_explains_what_analysts_write() {
    check("explain_query").await;
}

async fn check(tool: &str) {
    let database = Database::with(DATA).await;
    let server = Server::on(&database, &[]).await;
    let client = server.client();
    let mut refused = Vec::new();
    for query in QUERIES {
        let answer = client.call(tool, json!({"sql": query})).await;
        if answer.result()["isError"] != json!(false) {
            refused.push(format!(
                "{query}: {}",
                answer.result()["content"][0]["text"]
            ));
        }
    }
    assert!(
        refused.is_empty(),
        "{} of {}: {refused:#?}",
        refused.len(),
        QUERIES.len()
    );
}
