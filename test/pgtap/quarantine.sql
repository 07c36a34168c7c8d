-- Rows that the target cannot hold go to quarantine, are seen by their owner
-- alone, and can be tried again.
SELECT no_plan();
CREATE TABLE items (id int, part text, name text, updated_at timestamptz DEFAULT now(), PRIMARY KEY (id, part));
INSERT INTO items SELECT g, 'p''' || g, 'name ' || g FROM generate_series(1, 10) g;
UPDATE items SET name = repeat('x', 50) WHERE id IN (3, 7);
CREATE TABLE small (id int, part text, name varchar(10), updated_at timestamptz, PRIMARY KEY (id, part));
SELECT lives_ok($$SELECT pythia.create_sync_worker('q', 'local', 'local', '{"table_map": {"items": "small"}, "on_bad_row": "quarantine"}', '{items}')$$, 'a worker');
SELECT is(row(rows_inserted, rows_quarantined)::text, '(8,2)', 'two rows do not fit') FROM pythia.sync_table('q', 'items');
SELECT is(string_agg(format('%s %s %s', row_data->>'id', table_name, coalesce(column_name, '-')), ', ' ORDER BY row_data->>'id'), '3 items name, 7 items name', 'they are in quarantine') FROM pythia.quarantine;
SELECT ok(bool_and(reason <> ''), 'with the reason') FROM pythia.quarantine;
UPDATE items SET name = 'short' WHERE id = 3;
SELECT is(row(rows_inserted, rows_quarantined)::text, '(1,1)', 'one is mended and tried again') FROM pythia.replay_quarantine('q', 'items');
SELECT is(string_agg(row_data->>'id', ','), '7', 'the other one stays') FROM pythia.quarantine;
SELECT is((SELECT name::text FROM small WHERE id = 3), 'short', 'the mended one is there');
ALTER TABLE small ALTER name TYPE text;
SELECT is(row(rows_inserted, rows_quarantined)::text, '(1,0)', 'the target can grow too') FROM pythia.replay_quarantine('q', 'items');
SELECT is((SELECT count(*)::int FROM pythia.quarantine), 0, 'the quarantine is empty');
SELECT is(rows_inserted, 0::bigint, 'and a replay does nothing then') FROM pythia.replay_quarantine('q', 'items');
SELECT is(is_valid, true, 'both are equal') FROM pythia.validate_sync('q', 'items');
SELECT throws_ok($$SELECT pythia.replay_quarantine('none', 'items')$$, '42704', NULL, 'an unknown worker');

-- what the target itself refuses is looked for by the source's names, whatever they are there
CREATE TABLE mapped (item_id int PRIMARY KEY, name text);
INSERT INTO mapped SELECT g, 'name ' || g FROM generate_series(1, 4) g;
CREATE TABLE renamed ("ItemId" int PRIMARY KEY, title text CHECK (title <> 'name 3'));
SELECT lives_ok($$SELECT pythia.create_sync_worker('m', 'local', 'local', '{"table_map": {"mapped": "renamed"}, "column_map": {"name": "title"}, "mode": "full", "on_bad_row": "quarantine"}', '{mapped}')$$, 'a worker that maps names');
SELECT is(row(rows_inserted, rows_quarantined)::text, '(3,1)', 'the target refuses a row') FROM pythia.sync_table('m', 'mapped');
SELECT is(row_data, '{"item_id": 3, "name": "name 3"}', 'which is kept by the source''s names') FROM pythia.quarantine;
UPDATE mapped SET name = 'other' WHERE item_id = 3;
SELECT is(row(rows_inserted, rows_quarantined)::text, '(1,0)', 'and found again when it is mended') FROM pythia.replay_quarantine('m', 'mapped');
SELECT is((SELECT title FROM renamed WHERE "ItemId" = 3), 'other', 'it is there');
SELECT is((SELECT count(*)::int FROM pythia.quarantine), 0, 'nothing is left');

CREATE ROLE other LOGIN;
SELECT lives_ok($$SELECT pythia.grant_use('other')$$, 'grant_use');
INSERT INTO pythia.quarantine (owner, table_name, row_data, reason) VALUES (current_user::regrole, 't', '{}', 'r');
SET ROLE other;
SELECT is((SELECT count(*)::int FROM pythia.quarantine), 0, 'another role sees none');
RESET ROLE;
SELECT is((SELECT count(*)::int FROM pythia.quarantine), 1, 'the owner does');
SELECT lives_ok($$SELECT pythia.revoke_use('other')$$, 'revoke_use');
DROP ROLE other;
SELECT * FROM finish();
