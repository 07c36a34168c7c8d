-- In a session, too, foreign keys are kept over all tables of a run, and the target's triggers look where they were meant to.
SELECT no_plan();

CREATE SCHEMA src;
CREATE TABLE src.customer (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE src."order" (id int PRIMARY KEY, customer int);
CREATE TABLE src.item (id int PRIMARY KEY, "order" int);
CREATE TABLE z_customer (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE y_order (id int PRIMARY KEY, customer int REFERENCES z_customer);
CREATE TABLE x_item (id int PRIMARY KEY, "order" int REFERENCES y_order);
INSERT INTO src.customer VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO src."order" VALUES (10, 1), (20, 2);
INSERT INTO src.item VALUES (100, 10), (200, 20);
-- named the wrong way round
\set config '{"mode": "full", "deletes": "hard", "table_map": {"src.customer": "z_customer", "src.order": "y_order", "src.item": "x_item"}}'
SELECT pythia.create_sync_worker('keys', 'local', 'local', :'config', '{src.item,src.order,src.customer}');
SELECT pythia.create_sync_worker('anew', 'local', 'local', replace(:'config', '"deletes": "hard"', '"truncate_target": true')::jsonb,
	'{src.item,src.order,src.customer}');
SELECT is(string_agg(coalesce(error, rows_inserted::text), ','), '2,2,2', 'parents come first') FROM pythia.sync_all_tables('keys');

DELETE FROM src.customer WHERE id = 1;
DELETE FROM src."order" WHERE id = 10;
INSERT INTO src.customer VALUES (3, 'Cy');
INSERT INTO src."order" VALUES (30, 3);
UPDATE src.item SET "order" = 30 WHERE id = 100;
SELECT is(string_agg(coalesce(error, concat_ws(' ', "table", rows_inserted, rows_updated, rows_deleted)), ', '),
	'src.customer 1 0 1, src.order 1 0 1, src.item 0 1 0', 'and what is gone goes last') FROM pythia.sync_all_tables('keys');
SELECT is((SELECT array_agg(id ORDER BY id) FROM z_customer), '{2,3}', 'the customers');
SELECT is((SELECT array_agg(id ORDER BY id) FROM y_order), '{20,30}', 'the orders');
SELECT is((SELECT sum(rows_deleted)::int FROM pythia.sync_state WHERE table_name = 'src.customer'), 1, 'it is counted for the worker');
SELECT is(string_agg(coalesce(error, 'ok'), ','), 'ok,ok,ok', 'replaced, too') FROM pythia.sync_tables('anew', '{src.item,src.customer,src.order}');

-- a table that others still need
DELETE FROM src.customer WHERE id = 3;
SELECT matches(string_agg(coalesce(error, 'ok'), ','), 'violates foreign key constraint.*Synchronise both tables in one run',
	'a row that the source itself still refers to is an error') FROM pythia.sync_tables('keys', '{src.customer,src.order}');
INSERT INTO src.customer VALUES (3, 'Cy');

-- a trigger that names its table without a schema
CREATE TABLE audit (name text);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit VALUES (NEW.name); RETURN NEW; END';
CREATE TRIGGER keep AFTER INSERT ON z_customer FOR EACH ROW EXECUTE FUNCTION keep();
INSERT INTO src.customer VALUES (4, 'Dee');
SELECT is((SELECT error FROM pythia.sync_table('keys', 'src.customer', '{"deletes": "ignore", "search_path": ["public"]}')), NULL, 'the path that is given');
SELECT is((SELECT string_agg(name, ',') FROM audit), 'Dee', 'is where it looks');
INSERT INTO src.customer VALUES (5, 'Eve');
CREATE SCHEMA own;
SELECT throws_like($$SELECT pythia.sync_table('keys', 'src.customer', '{"deletes": "ignore", "search_path": "own"}')$$, '%audit%', 'and nowhere else');
SELECT is(current_setting('search_path'), (SELECT reset_val FROM pg_settings WHERE name = 'search_path'), 'the session''s own path stays');
SELECT * FROM finish();
