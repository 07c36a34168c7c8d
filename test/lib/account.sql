-- The account that tests connect by: what doc/urls.md says that one needs, and REFERENCES, for the foreign keys that
-- tests of C make by it.
CREATE USER 'pythia'@'%' IDENTIFIED BY 'secret';
GRANT PROCESS ON *.* TO 'pythia'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE TEMPORARY TABLES, LOCK TABLES, TRIGGER ON `%`.* TO 'pythia'@'%';
