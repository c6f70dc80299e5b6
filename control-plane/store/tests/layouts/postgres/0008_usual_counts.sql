INSERT INTO rollout_usual (rollout, node, requests, failures, refusals) VALUES
    ('r', 'envoy', 100, 3, 2);
