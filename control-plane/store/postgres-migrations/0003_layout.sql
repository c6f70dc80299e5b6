-- The least step that a program has to know to work on this store. A step that earlier programs
-- can work with leaves it as it is, so that they may run beside later ones, and after them. One
-- row, for ever.
CREATE TABLE layout (
    singleton BIGINT PRIMARY KEY CHECK (singleton = 1),
    needs     BIGINT NOT NULL
);

INSERT INTO layout (singleton, needs) VALUES (1, 3);
