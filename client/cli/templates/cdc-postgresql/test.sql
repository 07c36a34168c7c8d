-- pgTAP test of the worker {{name}}; it leaves nothing behind.
-- usage: pg_prove -d DATABASE test.sql, or psql -Xqf test.sql DATABASE
-- pgTAP finds its functions by their names: run this where nobody whom you do not trust may create functions in public.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgtap;
-- what a run that was stopped midway may have left
SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE kind = 'cdc' AND name = '{{name}}_test';
DROP TABLE IF EXISTS {{ident}}_test;
SELECT plan({{test_plan}});

SELECT has_extension('pythia_db');
SELECT has_function('{{role}}', '{{ident}}_handler', ARRAY['pythia.database_change']);
{{#tables}}
SELECT has_column({{table_regclass}}, {{timestamp_column_literal}}, 'there is a timestamp column in ' || {{table_literal}});
{{/tables}}

-- the handler takes every kind of change
CREATE FUNCTION pg_temp.a_change(kind pythia.change_type) RETURNS pythia.database_change LANGUAGE sql AS $$
    SELECT pg_catalog.jsonb_populate_record(NULL::pythia.database_change, pg_catalog.jsonb_build_object(
        'change_id', 1, 'schema', 'public', 'table', 'a_table', 'change_type', kind,
        'primary_key', '{"id": 1}'::jsonb, 'new_data', '{"id": 1}'::jsonb, 'timestamp', now()))
$$;
SELECT lives_ok(pg_catalog.format('SELECT "{{role}}".{{ident}}_handler(pg_temp.a_change(%L))', kind), 'the handler takes ' || kind)
    FROM unnest(enum_range(NULL::pythia.change_type)) AS kind;

-- a worker like this one sees the changes of a table like those; each statement commits,
-- as a change can be consumed once its transaction has ended
CREATE TABLE {{ident}}_test (id int PRIMARY KEY, v text, {{timestamp_column_sql}} timestamptz DEFAULT now());
CREATE INDEX ON {{ident}}_test ({{timestamp_column_sql}});
SELECT lives_ok({{body_quote}}SELECT pythia.create_cdc_worker('{{name}}_test', ARRAY['{{ident}}_test'],
    timestamp_column => {{timestamp_column_literal}}, options => '{"track": "keys", "start_from": "beginning"}'){{body_quote}},
    'a worker can be made');
INSERT INTO {{ident}}_test VALUES (1, 'one'), (2, 'two');
SELECT results_eq(
    $$SELECT change_type::text, primary_key->>'id' FROM pythia.consume_changes('{{name}}_test') ORDER BY 2$$,
    $$VALUES ('INSERT', '1'), ('INSERT', '2')$$, 'it captures what is inserted');

SELECT * FROM finish();
SELECT pythia.drop_cdc_worker('{{name}}_test');
DROP TABLE {{ident}}_test;
