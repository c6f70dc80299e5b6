DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'portcullis_writer') THEN
        CREATE ROLE portcullis_writer;
    END IF;
    ALTER ROLE portcullis_writer LOGIN PASSWORD '{writer_password}';
    ALTER ROLE portcullis_writer SET temp_file_limit = '1GB';
    IF current_setting('server_version_num')::int >= 150000 THEN
        EXECUTE 'GRANT SET ON PARAMETER log_min_messages TO portcullis_writer';
    ELSE
        EXECUTE 'ALTER ROLE portcullis_writer SET log_min_messages = fatal';
    END IF;
END
$$;

GRANT CONNECT, TEMPORARY ON DATABASE demo TO portcullis_writer;

