INSERT INTO version_key (id, key) VALUES (1, '\x0102');
