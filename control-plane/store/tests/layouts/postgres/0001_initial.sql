-- What a control plane of this layout had stored.
INSERT INTO revision (number, document, author, reason, created_at) VALUES
    (1, '{"first": 1}', 'ada', 'a start', 1000000),
    (2, '{"second": 2}', 'grace', '', 2000000);
INSERT INTO tool_list (hash, stored_at) VALUES ('h1', 3000000), ('h2', 3000001);
INSERT INTO tool (list_hash, position, name, json) VALUES
    ('h1', 0, 'query', '{"name": "query"}'), ('h2', 0, 'older', '{"name": "older"}');
INSERT INTO catalogue (server, list_hash, protocol, seen_at, endpoint) VALUES
    ('data', 'h1', '2026-07-28', 4000000, '');
INSERT INTO tool_since (server, name, since) VALUES ('data', 'query', 4000000);
INSERT INTO module (sha256, bytes, path, first_seen) VALUES
    ('ab', 8, '/modules/ab.wasm', 5000000);
INSERT INTO audit (at, who, what, revision, origin, reason) VALUES
    (1000000, 'ada', 'start', 1, '', 'a start'),
    (2000000, 'grace', 'PUT /api/v1/config', 2, '10.0.0.7', ''),
    (2500000, 'grace', 'POST /api/v1/rollouts/r/pause', NULL, '10.0.0.7', '');
INSERT INTO content (type_url, version, value) VALUES
    ('cluster', 'v1', '\x0001'), ('listener', 'v1', '\x00ff');
INSERT INTO accepted (generation, revision, module) VALUES ('g1', 1, 'ab');
INSERT INTO accepted_list (sequence, server, list_hash)
SELECT sequence, 'data', 'h2' FROM accepted WHERE generation = 'g1';
INSERT INTO accepted_content (sequence, type_url, version)
SELECT sequence, type_url, version FROM accepted, content WHERE generation = 'g1';
INSERT INTO rejection (node, type_url, name, version, message, at) VALUES
    ('envoy', 'listener', 'mcp', 'v2', 'port in use', 6000000);
INSERT INTO withheld (kind, name, value, reason, at, is_in_force) VALUES
    ('revision', '', '2', 'rejected', 6000000, 0);
INSERT INTO rollout
    (id, revision, generation, wave, state, is_paused, reason, began_at, ended_at) VALUES
    ('r', 2, 'g2', 0, 'soaking', 1, '', 7000000, NULL);
INSERT INTO rollout_wave (rollout, position, reach, soak_ms) VALUES
    ('r', 0, '1', 60000), ('r', 1, '100%', 0);
INSERT INTO rollout_node (rollout, position, node) VALUES ('r', 0, 'envoy');
