-- What a control plane of this layout had stored beyond that of the one before.
INSERT INTO idempotency (key, request, status, headers, body, ends_at) VALUES
    ('k', 'of it', 200, 'etag: "2"', '\x7b7d', 9000000000000000);
