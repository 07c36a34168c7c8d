# shellcheck shell=bash disable=SC2034
# What trigger capture adds to a writer, against audit triggers in PL/pgSQL: one
# by row, one with transition tables, at statements of 1,000 rows.

statements=$((ROWS / 5000))

write_rows()
{
    psql_ -c "DO \$\$BEGIN FOR s IN 1..$statements LOOP UPDATE orders SET amount = amount + 1 WHERE id > (s - 1) * 1000 AND id <= s * 1000; END LOOP; END\$\$"
}

no_trigger()
{
    psql_ -c "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE kind = 'cdc'" \
        -c 'DROP TRIGGER IF EXISTS audit ON orders' -c 'VACUUM orders' -c 'TRUNCATE change_log' -c CHECKPOINT >/dev/null
}

row_trigger()
{
    no_trigger
    psql_ -c 'CREATE TRIGGER audit AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit_row()'
}

transition_trigger()
{
    no_trigger
    psql_ -c 'CREATE TRIGGER audit AFTER UPDATE ON orders REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION audit_statement()'
}

our_trigger()
{
    no_trigger
    psql_ -c "SELECT pythia.create_cdc_worker('bench', '{orders}', options => '{\"capture\": \"trigger\"}')" >/dev/null
}

# writer_seconds PREPARE: the writer's time
writer_seconds()
{
    local start
    "$1"
    start=$EPOCHREALTIME
    write_rows
    awk "BEGIN { print $EPOCHREALTIME - $start }"
}

bench_main()
{
    local bare='' by_row='' by_statement='' ours='' round
    orders_postgres
    fill_postgres
    psql_ <<'SQL'
SET client_min_messages = warning;
DROP TABLE IF EXISTS change_log;
CREATE TABLE change_log (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), op text, key jsonb, before jsonb, after jsonb);
CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO change_log (op, key, before, after) VALUES (TG_OP, jsonb_build_object('id', NEW.id), to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL; END$$;
CREATE OR REPLACE FUNCTION audit_statement() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO change_log (op, key, before, after)
    SELECT TG_OP, jsonb_build_object('id', come.id), to_jsonb(gone), to_jsonb(come) FROM come JOIN gone USING (id);
    RETURN NULL; END$$;
SQL
    title "$((statements * 1000)) rows updated by statements of 1000: what a trigger adds"
    # turn by turn, so that a busy moment is not one alternative's alone
    for ((round = 0; round < ROUNDS; round++)); do
        bare+=" $(writer_seconds no_trigger)"
        by_row+=" $(writer_seconds row_trigger)"
        by_statement+=" $(writer_seconds transition_trigger)"
        ours+=" $(writer_seconds our_trigger)"
    done
    bare=$(median "$bare") by_row=$(median "$by_row") by_statement=$(median "$by_statement") ours=$(median "$ours")
    no_trigger
    figure 'no trigger' "$bare" s
    figure 'PL/pgSQL, each row: adds' "$(awk "BEGIN { print $by_row - $bare }")" s
    figure 'PL/pgSQL, transition tables: adds' "$(awk "BEGIN { print $by_statement - $bare }")" s
    figure 'pythia, capture trigger: adds' "$(awk "BEGIN { print $ours - $bare }")" s
    figure 'ratio to PL/pgSQL, each row' "$(awk "BEGIN { printf \"%.2f\", ($ours - $bare) / ($by_row - $bare) }")" '' 0.5
    figure 'ratio to PL/pgSQL, transition tables' "$(awk "BEGIN { printf \"%.2f\", ($ours - $bare) / ($by_statement - $bare) }")" '' 1.2
}
