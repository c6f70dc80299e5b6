-- A small trade in tea and coffee, made up by arithmetic, so that it is the same everywhere.

REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT ALL ON SCHEMA public TO portcullis;

SET ROLE portcullis;

CREATE TABLE shops (
    shop_id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    city text NOT NULL,
    opened_on date NOT NULL
);

COMMENT ON TABLE shops IS 'Where things are sold';

INSERT INTO shops
SELECT n, city || ' ' || (ARRAY['Central', 'Harbour'])[1 + (n - 1) / 6], city, date '2015-03-01' + n * 97
FROM (SELECT n, (ARRAY['Lisbon', 'Vienna', 'Oslo', 'Kyoto', 'Lima', 'Accra'])[1 + (n - 1) % 6] AS city FROM generate_series(1, 12) AS n) AS numbered;

CREATE TABLE customers (
    customer_id integer PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL UNIQUE,
    country text NOT NULL,
    segment text NOT NULL CHECK (segment IN ('private', 'office', 'restaurant')),
    registered_on date NOT NULL
);

COMMENT ON TABLE customers IS 'Who buys';

INSERT INTO customers
SELECT n,
       (ARRAY['Ada', 'Bruno', 'Chidi', 'Daria', 'Emil', 'Fatima', 'Goran', 'Hana', 'Ines', 'Jun'])[1 + n % 10] || ' ' ||
       (ARRAY['Almeida', 'Berg', 'Castro', 'Diallo', 'Endo', 'Fischer', 'Gomez'])[1 + n % 7],
       'customer' || n || '@example.com',
       (ARRAY['PT', 'AT', 'NO', 'JP', 'PE', 'GH'])[1 + n % 6],
       (ARRAY['private', 'private', 'private', 'office', 'restaurant'])[1 + n % 5],
       date '2021-01-01' + (n * 7919) % 1700
FROM generate_series(1, 2000) AS n;

CREATE TABLE products (
    product_id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    category text NOT NULL,
    price numeric(8, 2) NOT NULL CHECK (price > 0)
);

COMMENT ON TABLE products IS 'What is sold; prices in euros';

INSERT INTO products
SELECT n,
       (ARRAY['Green', 'Black', 'White', 'Roasted', 'Smoked', 'Spiced', 'Mild', 'Strong', 'Wild', 'House'])[1 + n % 10] || ' ' ||
       (ARRAY['tea', 'coffee', 'cocoa', 'mate', 'cups', 'pots'])[1 + (n / 10) % 6],
       (ARRAY['tea', 'coffee', 'cocoa', 'tea', 'ware', 'ware'])[1 + (n / 10) % 6],
       3.5 + (n * 37) % 400 / 10.0
FROM generate_series(0, 59) AS n;

CREATE TABLE orders (
    order_id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customers,
    shop_id integer NOT NULL REFERENCES shops,
    ordered_at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('paid', 'shipped', 'returned', 'cancelled'))
);

COMMENT ON TABLE orders IS 'One row for each purchase';

INSERT INTO orders
SELECT n, 1 + (n * 104729) % 2000, 1 + (n * 31) % 12,
       timestamptz '2024-01-01 08:00:00+00' + n * interval '97 minutes 13 seconds',
       (ARRAY['paid', 'shipped', 'shipped', 'shipped', 'shipped', 'shipped', 'returned', 'cancelled'])[1 + (n * 13) % 8]
FROM generate_series(1, 10000) AS n;

CREATE TABLE order_items (
    order_id integer NOT NULL REFERENCES orders,
    position smallint NOT NULL,
    product_id integer NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price numeric(8, 2) NOT NULL,
    PRIMARY KEY (order_id, position)
);

COMMENT ON TABLE order_items IS 'What each purchase consists of; the price as it was that day';

INSERT INTO order_items
SELECT o.order_id, i, p.product_id, 1 + (o.order_id * i * 7) % 5, round(p.price * (1 - (o.order_id % 4) * 0.05), 2)
FROM orders AS o
CROSS JOIN LATERAL generate_series(1, 1 + o.order_id % 4) AS i
JOIN products AS p ON p.product_id = (o.order_id * 17 + i * 23) % 60;

CREATE TABLE events (
    event_id bigint PRIMARY KEY,
    happened_at timestamptz NOT NULL,
    customer_id integer NOT NULL REFERENCES customers,
    kind text NOT NULL,
    details jsonb NOT NULL
);

COMMENT ON TABLE events IS 'What customers did on the web site';

INSERT INTO events
SELECT n, timestamptz '2025-01-01 00:00:00+00' + n * interval '2 minutes 31 seconds', 1 + (n * 7919) % 2000,
       (ARRAY['view', 'view', 'view', 'search', 'basket', 'purchase'])[1 + n % 6],
       jsonb_build_object('product_id', (n * 41) % 60, 'seconds', (n * 53) % 300)
FROM generate_series(1::bigint, 200000) AS n;

CREATE INDEX ON orders (customer_id);

CREATE INDEX ON events (happened_at);

CREATE VIEW revenue_by_month AS
SELECT date_trunc('month', ordered_at AT TIME ZONE 'UTC')::date AS month, sum(quantity * unit_price) AS revenue, count(DISTINCT order_id) AS orders
FROM orders JOIN order_items USING (order_id)
WHERE status IN ('paid', 'shipped')
GROUP BY month;

COMMENT ON VIEW revenue_by_month IS 'Paid and shipped orders, in euros';

GRANT USAGE ON SCHEMA public TO portcullis_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO portcullis_reader;

ANALYZE;
