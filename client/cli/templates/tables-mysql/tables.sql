-- What the tables of {{name}} need in MySQL or MariaDB: a column that the server
-- itself stamps at every change, and an index on it.
-- usage: mariadb DATABASE < tables.sql
{{#example}}
-- An example table, to see the worker run.
CREATE TABLE IF NOT EXISTS {{table}} (
    id bigint AUTO_INCREMENT PRIMARY KEY,
    name varchar(200) NOT NULL,
    amount decimal(10,2) NOT NULL DEFAULT 0,
    {{timestamp_column_sql}} timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
    INDEX {{table_index}} ({{timestamp_column_sql}})
) ENGINE = InnoDB;
{{/example}}
{{^example}}
-- Where a table has them already, leave its statement out.
{{#tables}}
ALTER TABLE {{table}}
    ADD COLUMN {{timestamp_column_sql}} timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
    ADD INDEX {{table_index}} ({{timestamp_column_sql}});
{{/tables}}
{{/example}}
