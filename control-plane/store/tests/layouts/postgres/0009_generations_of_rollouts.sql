-- What a control plane of this layout had stored beyond that of the one before.
INSERT INTO rollout_generation (rollout, module) VALUES ('r', 'ab');
INSERT INTO rollout_list (rollout, server, list_hash, endpoint, protocol, about) VALUES
    ('r', 'data', 'h2', 'http://127.0.0.1:1/mcp', '2026-07-28', '');
INSERT INTO rollout_content (rollout, type_url, version) VALUES
    ('r', 'cluster', 'v1'), ('r', 'listener', 'v1');
