CREATE ROLE portcullis LOGIN PASSWORD '{owner_password}';

CREATE ROLE portcullis_reader LOGIN PASSWORD '{reader_password}';

CREATE DATABASE portcullis OWNER portcullis;

REVOKE CONNECT, TEMPORARY ON DATABASE portcullis FROM PUBLIC;

CREATE DATABASE demo OWNER portcullis;

REVOKE CONNECT, TEMPORARY ON DATABASE demo FROM PUBLIC;

GRANT CONNECT ON DATABASE demo TO portcullis_reader;
