-- What a control plane of this layout had stored.
INSERT INTO revision (number, document, author, reason, created_at) VALUES
    (1, '{"first": 1}', 'ada', 'a start', 1000000),
    (2, '{"second": 2}', 'grace', '', 2000000);
INSERT INTO tool_list (hash, stored_at) VALUES ('h1', 3000000), ('h2', 3000001);
INSERT INTO tool (list_hash, position, name, json) VALUES
    ('h1', 0, 'query', '{"name": "query"}'), ('h2', 0, 'older', '{"name": "older"}');
INSERT INTO catalogue (server, list_hash, protocol, seen_at) VALUES
    ('data', 'h1', '2026-07-28', 4000000);
INSERT INTO module (sha256, bytes, path, first_seen) VALUES
    ('ab', 8, '/modules/ab.wasm', 5000000);
INSERT INTO audit (at, who, what, revision, origin, reason) VALUES
    (1000000, 'ada', 'start', 1, '', 'a start'),
    (2000000, 'grace', 'PUT /api/v1/config', 2, '10.0.0.7', ''),
    (2500000, 'grace', 'POST /api/v1/rollouts/r/pause', NULL, '10.0.0.7', '');
INSERT INTO accepted (only, generation, revision, module) VALUES (1, 'g0', 1, 'ab');
INSERT INTO accepted_list (server, list_hash) VALUES ('data', 'h1');
