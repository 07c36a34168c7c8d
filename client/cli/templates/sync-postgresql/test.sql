-- pgTAP test of the worker {{name}}: it synchronises its tables and finds them equal.
-- usage: pg_prove -d DATABASE test.sql
-- pgTAP finds its functions by their names: run this where nobody whom you do not trust may create functions in public.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
-- whose worker it is
SET ROLE "{{role}}";
SELECT plan(3);
SELECT has_extension('pythia_db');
SELECT is((SELECT count(*) FROM pythia.sync_all_tables('{{name}}') WHERE error IS NOT NULL), 0::bigint,
    'every table can be synchronised');
SELECT is((SELECT count(*) FROM unnest(ARRAY[{{tables_sql}}]) AS t (name),
        LATERAL pythia.validate_sync('{{name}}', t.name) AS v WHERE v.is_valid IS NOT TRUE), 0::bigint,
    'every table is equal in source and target');
SELECT * FROM finish();
