-- What the tables of {{name}} need in SQLite: a column that tells when a row changed,
-- an index on it, and triggers that keep it true.
-- usage: sqlite3 FILE < tables.sql
.bail on
BEGIN IMMEDIATE;
{{#example}}
-- An example table, to see the worker run.
CREATE TABLE IF NOT EXISTS {{table}} (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    amount REAL NOT NULL DEFAULT 0,
    {{timestamp_column_sql}} TIMESTAMP
);
{{/example}}
{{^example}}
-- Where a table has the column already, leave its ALTER TABLE out.
{{/example}}
{{#tables}}
{{^example}}
ALTER TABLE {{table}} ADD COLUMN {{timestamp_column_sql}} TIMESTAMP; -- TEXT in a STRICT table
{{/example}}
CREATE INDEX IF NOT EXISTS {{table_index}} ON {{table}} ({{timestamp_column_sql}});
UPDATE {{table}} SET {{timestamp_column_sql}} = strftime('%Y-%m-%d %H:%M:%f', 'now')
    WHERE {{timestamp_column_sql}} IS NULL;
SELECT rowid FROM {{table}} LIMIT 0; -- where there is none (WITHOUT ROWID), write the key in its place below
CREATE TRIGGER IF NOT EXISTS {{table_insert_trigger}} AFTER INSERT ON {{table}}
    WHEN NEW.{{timestamp_column_sql}} IS NULL
BEGIN
    UPDATE {{table}} SET {{timestamp_column_sql}} = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER IF NOT EXISTS {{table_update_trigger}} AFTER UPDATE ON {{table}}
    WHEN NEW.{{timestamp_column_sql}} IS OLD.{{timestamp_column_sql}}
BEGIN
    UPDATE {{table}} SET {{timestamp_column_sql}} = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE rowid = NEW.rowid;
END;
{{/tables}}
COMMIT;
