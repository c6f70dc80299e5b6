-- What a control plane of this layout had stored beyond that of the one before.
INSERT INTO definition_review (server, name, state, json, author, reason, at) VALUES
    ('data', 'query', 'unreviewed', '{"name": "query", "title": "new"}', '', '', 8000000),
    ('data', 'drop', 'rejected', '{"name": "drop"}', 'ada', 'it writes', 8000001);
