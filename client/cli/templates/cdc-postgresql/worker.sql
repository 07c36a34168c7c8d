-- The worker {{name}} inside PostgreSQL, with its handler.
-- usage: psql -f worker.sql DATABASE, after grants.sql: by the role {{role}}, or by one that may become it
-- To make it again: SELECT pythia.drop_cdc_worker('{{name}}');
\set ON_ERROR_STOP on
-- the worker and its handler run with the rights of this role, and no others
SET ROLE "{{role}}";

BEGIN;
-- Called for every change, by the background worker, in a transaction of its own
-- making: what it does and the position that moves are committed together.
-- What else it uses is named with its schema: others may put functions of these names into public.
CREATE OR REPLACE FUNCTION "{{role}}".{{ident}}_handler(change pythia.database_change) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE change.change_type
        WHEN 'INSERT' THEN
            RAISE DEBUG 'inserted into %: %', change."table", change.new_data;
        WHEN 'UPDATE' THEN
            RAISE DEBUG 'updated in %: % was %', change."table", change.new_data, change.old_data;
        WHEN 'DELETE' THEN
            RAISE DEBUG 'deleted from %: %', change."table", change.primary_key;
        WHEN 'TRUNCATE' THEN
            RAISE DEBUG 'emptied: %', change."table";
    END CASE;
    RETURN jsonb_build_object('handled', change.change_type, 'table', change."table");
EXCEPTION
    -- What is known to go by itself may be handled here.  Any other error goes to
    -- pythia.failed_change and is tried again, while later changes go on.
    WHEN unique_violation THEN
        RETURN jsonb_build_object('handled', change.change_type, 'table', change."table", 'already', true);
END
$$;
-- an older function of that name may be another role's, who could change it later
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_proc WHERE oid = '"{{role}}".{{ident}}_handler(pythia.database_change)'::regprocedure::oid
        AND NOT pg_catalog.pg_has_role(proowner, current_user, 'USAGE'::text)) THEN
        RAISE EXCEPTION 'function {{role}}.{{ident}}_handler belongs to another role'
            USING HINT = 'Drop it, or give the worker another name.';
    END IF;
END
$$;
COMMENT ON FUNCTION "{{role}}".{{ident}}_handler(pythia.database_change) IS 'handler of the CDC worker {{name}}';

SELECT pythia.create_cdc_worker(
    name => '{{name}}',
    tables => ARRAY[{{tables_sql}}],
    poll_interval => {{poll_interval_sql}},
    timestamp_column => {{timestamp_column_literal}},
    handler => '"{{role}}".{{ident}}_handler',
    options => '{"track": "keys", "start_from": "now"}');
COMMIT;

SELECT pythia.start_cdc('{{name}}');
