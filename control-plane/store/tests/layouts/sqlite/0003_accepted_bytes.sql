-- What a control plane of this layout had stored beyond that of the one before.
INSERT INTO content (type_url, version, value) VALUES
    ('cluster', 'v1', x'0001'), ('listener', 'v1', x'00ff');
INSERT INTO accepted (generation, revision, module) VALUES ('g1', 1, 'ab');
INSERT INTO accepted_list (sequence, server, list_hash)
SELECT sequence, 'data', 'h2' FROM accepted WHERE generation = 'g1';
INSERT INTO accepted_content (sequence, type_url, version)
SELECT sequence, type_url, version FROM accepted, content WHERE generation = 'g1';
INSERT INTO rejection (node, type_url, name, version, message, at) VALUES
    ('envoy', 'listener', 'mcp', 'v2', 'port in use', 6000000);
INSERT INTO withheld (kind, name, value, reason, at, is_in_force) VALUES
    ('revision', '', '2', 'rejected', 6000000, 0);
