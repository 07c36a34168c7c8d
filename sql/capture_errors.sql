-- What can be said wrongly of a CDC worker: each gets an error that names it and a hint, and leaves nothing behind.
CREATE EXTENSION pythia_db;
CREATE TABLE orders (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
CREATE INDEX ON orders (updated_at);
CREATE TABLE nokey (id int, v text, updated_at timestamptz);
CREATE INDEX ON nokey (updated_at);
CREATE TABLE nostamp (id int PRIMARY KEY, v text);
CREATE TABLE noindex (id int PRIMARY KEY, updated_at timestamptz);
CREATE VIEW aview AS SELECT * FROM orders;
-- names
SELECT pythia.create_cdc_worker('w', '{ordres}');
SELECT pythia.create_cdc_worker('w', '{nowhere.orders}');
SELECT pythia.create_cdc_worker('w', '{a.b.c}');
SELECT pythia.create_cdc_worker('w', '{}');
SELECT pythia.create_cdc_worker('w', NULL);
SELECT pythia.create_cdc_worker('', '{orders}');
SELECT pythia.create_cdc_worker('w', '{aview}');
SELECT pythia.create_cdc_worker('w', '{pg_class}');
SELECT pythia.create_cdc_worker('w', '{nokey}');
SELECT pythia.create_cdc_worker('w', '{nostamp}');
SELECT pythia.create_cdc_worker('w', '{orders}', timestamp_column => 'v');
SELECT pythia.create_cdc_worker('w', '{orders}', poll_interval => '0');
-- options
SELECT pythia.create_cdc_worker('w', '{orders}', options => '[]');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"trak": "rows"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"track": "row"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"batch_size": 0}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"lookback": "soon"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"columns": "v"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"columns": ["vv"]}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"exclude_columns": ["nope"]}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"key": ["idd"]}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"where": "nope > 1"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"where": "true; DROP TABLE orders"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"where": "true ORDER BY id"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"where": "id"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"start_from": "yesterdy"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"time_zone": "Middle/Earth"}');
SELECT pythia.create_cdc_worker('w', '{orders}', options => '{"capture": "trigger", "where": "id IN (SELECT id FROM nokey)"}');
-- handlers
CREATE FUNCTION takes_text(t text) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION gives_text(c pythia.database_change) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
SELECT pythia.create_cdc_worker('w', '{orders}', handler => 'takes_text');
SELECT pythia.create_cdc_worker('w', '{orders}', handler => 'gives_text');
SELECT pythia.create_cdc_worker('w', '{orders}', handler => 'nope');
SELECT count(*) AS left_behind FROM pythia.worker;
-- a column without an index is worth a warning, a declared key does for a table without one
SELECT pythia.create_cdc_worker('slow', '{noindex}') > 0 AS created;
SELECT pythia.create_cdc_worker('declared', '{nokey}', options => '{"key": ["id"]}') > 0 AS created;
SELECT pythia.create_cdc_worker('declared', '{orders}');
-- workers and consumers that do not exist
SELECT pythia.poll('declard');
SELECT pythia.start_cdc('nobody');
SELECT pythia.drop_cdc_worker('nobody');
SELECT * FROM pythia.consume_changes('nobody');
SELECT * FROM pythia.consume_changes('declared', 'nobody');
SELECT * FROM pythia.consume_changes('declared', max_changes => 0);
SELECT * FROM pythia.consume_changes(NULL);
SELECT pythia.create_consumer('declared', '');
SELECT pythia.create_consumer('declared', 'c', 'someday');
SELECT pythia.create_consumer('declared', 'c');
SELECT pythia.create_consumer('declared', 'c');
SELECT pythia.drop_consumer('declared', 'd');
SELECT pythia.seek('declared', 'd', 'now');
-- a change that cannot be
SELECT pythia.alter_cdc_worker('declared', options => '{"track": "nothing"}');
SELECT pythia.alter_cdc_worker('declared', options => '{"key": null}');
SELECT pythia.alter_cdc_worker('declared', tables => '{nope}');
SELECT options, tables FROM pythia.cdc_worker JOIN pythia.worker USING (worker_id) WHERE name = 'declared';
-- a column that goes
ALTER TABLE nokey DROP COLUMN updated_at;
SELECT pythia.poll('declared');
-- nothing stays of a worker that is dropped
SELECT pythia.drop_cdc_worker('slow'), pythia.drop_cdc_worker('declared');
SELECT count(*) AS tracked FROM pg_class WHERE relname LIKE 'tracked\_%';
SELECT (SELECT count(*) FROM pythia.cdc_table) + (SELECT count(*) FROM pythia.cdc_state) + (SELECT count(*) FROM pythia.consumer) AS rows_left;
DROP FUNCTION takes_text, gives_text;
DROP EXTENSION pythia_db;
DROP TABLE orders, nokey, nostamp, noindex CASCADE;
