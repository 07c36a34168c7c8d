-- Comparing and mending.

CREATE FUNCTION pythia.validate_sync(worker text, table_name text, options jsonb DEFAULT '{}') RETURNS pythia.validate_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_validate_sync';
COMMENT ON FUNCTION pythia.validate_sync(text, text, jsonb) IS 'tells whether a worker''s table is equal in source and target';

CREATE FUNCTION pythia.validate_between(source text, target text, table_name text, options jsonb DEFAULT '{}')
	RETURNS pythia.validate_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_validate_between';
COMMENT ON FUNCTION pythia.validate_between(text, text, text, jsonb) IS 'tells whether a table is equal in two databases';

CREATE FUNCTION pythia.sync_differences(worker text, table_name text, options jsonb DEFAULT '{}')
	RETURNS SETOF pythia.sync_difference
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_sync_differences';
COMMENT ON FUNCTION pythia.sync_differences(text, text, jsonb) IS 'the rows of a worker''s table that differ';

CREATE FUNCTION pythia.differences_between(source text, target text, table_name text, options jsonb DEFAULT '{}')
	RETURNS SETOF pythia.sync_difference
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_differences_between';
COMMENT ON FUNCTION pythia.differences_between(text, text, text, jsonb) IS 'the rows of a table that differ between two databases';

CREATE FUNCTION pythia.repair_sync(worker text, table_name text, options jsonb DEFAULT '{}') RETURNS pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_repair_sync';
COMMENT ON FUNCTION pythia.repair_sync(text, text, jsonb) IS 'makes exactly the differing rows of the target equal to the source';

CREATE FUNCTION pythia.repair_between(source text, target text, table_name text, options jsonb DEFAULT '{}')
	RETURNS pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_repair_between';
COMMENT ON FUNCTION pythia.repair_between(text, text, text, jsonb) IS
	'makes exactly the rows that differ equal to the source, without a worker';

CREATE FUNCTION pythia._sums_step(internal, text) RETURNS internal
	LANGUAGE C IMMUTABLE AS 'MODULE_PATHNAME', 'pythia_sums_step';
COMMENT ON FUNCTION pythia._sums_step(internal, text) IS 'step of the aggregate pythia._sums';
CREATE FUNCTION pythia._sums_final(internal) RETURNS text
	LANGUAGE C IMMUTABLE AS 'MODULE_PATHNAME', 'pythia_sums_final';
COMMENT ON FUNCTION pythia._sums_final(internal) IS 'end of the aggregate pythia._sums';
CREATE AGGREGATE pythia._sums(text) (SFUNC = pythia._sums_step, STYPE = internal, FINALFUNC = pythia._sums_final);
COMMENT ON AGGREGATE pythia._sums(text) IS 'count, and exact sums of two slices of the MD5, of the rows of a segment';

CREATE FUNCTION pythia._json_normalized(document text) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pythia_json_normalized';
COMMENT ON FUNCTION pythia._json_normalized(text) IS 'a JSON document as MariaDB''s JSON_NORMALIZE spells it; what is none stays as it is';
