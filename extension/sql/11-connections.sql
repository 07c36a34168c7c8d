-- Connections: a foreign server holds the URL without its secrets, the user
-- mapping of each role holds name and password.

CREATE FUNCTION pythia._connection_validator(options text[], catalog oid) RETURNS void
	LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'pythia_connection_validator';
COMMENT ON FUNCTION pythia._connection_validator(text[], oid) IS
	'internal: checks the options of pythia_db''s servers and user mappings';

CREATE FOREIGN DATA WRAPPER pythia_db NO HANDLER VALIDATOR pythia._connection_validator;
COMMENT ON FOREIGN DATA WRAPPER pythia_db IS 'connections of pythia_db to PostgreSQL, MySQL, MariaDB and SQLite databases';

CREATE FUNCTION pythia.create_connection(name text, url text, options jsonb DEFAULT '{}') RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_create_connection';
COMMENT ON FUNCTION pythia.create_connection(text, text, jsonb) IS
	'names a database: a foreign server for the URL, and a user mapping of the current role for its secrets';

CREATE FUNCTION pythia.drop_connection(name text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_drop_connection';
COMMENT ON FUNCTION pythia.drop_connection(text) IS 'forgets a connection and everybody''s secrets for it';

CREATE FUNCTION pythia.test_connection(name_or_url text) RETURNS pythia.connection_test
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_test_connection';
COMMENT ON FUNCTION pythia.test_connection(text) IS
	'enters a database, by a connection''s name or a URL, and tells its version, round trip and encryption, or why it cannot';

CREATE FUNCTION pythia.disconnect() RETURNS integer
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_disconnect';
COMMENT ON FUNCTION pythia.disconnect() IS
	'closes the connections that this session keeps for its next run (pythia_db.keep_connections); returns how many';
