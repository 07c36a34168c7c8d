-- The account that tests connect by: what doc/urls.md says that one needs, and nothing else.
CREATE USER 'pythia'@'%' IDENTIFIED BY 'secret';
GRANT PROCESS ON *.* TO 'pythia'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, CREATE TEMPORARY TABLES, LOCK TABLES, TRIGGER ON `%`.* TO 'pythia'@'%';
