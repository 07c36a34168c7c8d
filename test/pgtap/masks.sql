-- Masks of a sync worker: the key is the user mapping's, and nobody else's.
SELECT no_plan();
CREATE TABLE people (id int PRIMARY KEY, email text, updated_at timestamptz DEFAULT now());
INSERT INTO people VALUES (1, 'ada@example.com');
CREATE TABLE masked (LIKE people INCLUDING ALL);
SELECT format('postgresql://%s@127.0.0.1:%s/%s', current_user, current_setting('port'), current_database()) AS self \gset
\set file sqlite:/// :scratch /masks.db

SELECT pythia.create_connection('keyed', :'self', '{"mask_key": "a very secret key"}');
SELECT pythia.create_sync_worker('to_here', 'keyed', 'local', '{"masks": {"email": "hash"}, "table_map": {"people": "masked"}}', '{people}');
SELECT is((SELECT error FROM pythia.sync_table('to_here', 'people')), NULL, 'from a connection that has the key');
-- HMAC-SHA-256 of ada@example.com by that key, from another implementation
SELECT is((SELECT email FROM masked), 'ec8b42d59ac7f249a6757f3fbf137a699f4115a5738e88b5b5c45b17d49afedc', 'the digest that everybody makes');
SELECT is((SELECT is_valid FROM pythia.validate_between('keyed', 'local', 'people', '{"masks": {"email": "hash"}, "table_map": {"people": "masked"}}')), true,
    'validation knows it');

TRUNCATE masked;
SELECT pythia.create_sync_worker('to_there', 'local', 'keyed', '{"masks": {"email": "hash"}, "table_map": {"people": "masked"}}', '{people}');
SELECT is((SELECT error FROM pythia.sync_table('to_there', 'people')), NULL, 'of this database, by the key of the other side');
SELECT is((SELECT email FROM masked), 'ec8b42d59ac7f249a6757f3fbf137a699f4115a5738e88b5b5c45b17d49afedc', 'the same digest');

SELECT pythia.create_sync_worker('without', 'local', :'file', '{"masks": {"email": "hash"}}', '{people}');
SELECT throws_matching($$SELECT pythia.sync_table('without', 'people')$$, 'there is no key', 'without one there is no digest');
SELECT doesnt_match((SELECT string_agg(x, '') FROM (SELECT srvoptions::text AS x FROM pg_foreign_server UNION ALL
    SELECT to_jsonb(s)::text FROM pythia.stat_sync s UNION ALL SELECT to_jsonb(w)::text FROM pythia.sync_worker w) AS shown), 'secret', 'the key stands in no view');
SELECT * FROM finish();
