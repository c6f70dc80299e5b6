CREATE ROLE portcullis LOGIN PASSWORD '{owner_password}';

CREATE ROLE portcullis_reader LOGIN PASSWORD '{reader_password}';

ALTER ROLE portcullis_reader SET temp_file_limit = '1GB';

DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 150000 THEN
        EXECUTE 'GRANT SET ON PARAMETER log_min_messages TO portcullis_reader';
    ELSE
        EXECUTE 'ALTER ROLE portcullis_reader SET log_min_messages = fatal';
    END IF;
END
$$;

CREATE DATABASE portcullis OWNER portcullis;

REVOKE CONNECT, TEMPORARY ON DATABASE portcullis FROM PUBLIC;

CREATE DATABASE demo OWNER portcullis;

REVOKE CONNECT, TEMPORARY ON DATABASE demo FROM PUBLIC;

GRANT CONNECT ON DATABASE demo TO portcullis_reader;
