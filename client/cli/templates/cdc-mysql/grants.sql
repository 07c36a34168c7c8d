-- A user that may read the captured tables and see open transactions (PROCESS), which
-- is what keeps late commits from being lost.  Give it a password of your own.
-- usage: mariadb DATABASE < grants.sql, as an administrator
CREATE USER IF NOT EXISTS '{{user}}'@'%';
GRANT PROCESS ON *.* TO '{{user}}'@'%';
{{#tables}}
GRANT SELECT ON {{table}} TO '{{user}}'@'%';
{{/tables}}
