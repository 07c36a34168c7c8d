-- The role that tests connect by: what doc/urls.md says that one needs, with tables of its own, and CREATEDB, as tests
-- make databases by it.
CREATE ROLE pythia LOGIN CREATEDB PASSWORD 'secret' IN ROLE pg_read_all_stats;
ALTER DATABASE postgres OWNER TO pythia;
