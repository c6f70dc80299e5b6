-- What a control plane of this layout had stored beyond that of the one before.
INSERT INTO rollout
    (id, revision, generation, wave, state, is_paused, reason, began_at, ended_at) VALUES
    ('r', 2, 'g2', 0, 'soaking', 1, '', 7000000, NULL);
INSERT INTO rollout_wave (rollout, position, reach, soak_ms) VALUES
    ('r', 0, '1', 60000), ('r', 1, '100%', 0);
INSERT INTO rollout_node (rollout, position, node) VALUES ('r', 0, 'envoy');
