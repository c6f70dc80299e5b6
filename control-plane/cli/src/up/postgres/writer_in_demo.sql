RESET ROLE;

GRANT USAGE, CREATE ON SCHEMA public TO portcullis_writer;

GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON ALL TABLES IN SCHEMA public
    TO portcullis_writer;

GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO portcullis_writer;

-- The tables that it makes can be read by queries.
ALTER DEFAULT PRIVILEGES FOR ROLE portcullis_writer IN SCHEMA public
    GRANT SELECT ON TABLES TO portcullis_reader;

