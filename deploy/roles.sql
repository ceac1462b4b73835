-- The roles of GVRC Admin on PostgreSQL 16, and its database. Run as a superuser; it may be run again, and changes nothing then:
--   sudo -u postgres psql -v ON_ERROR_STOP=1 -f deploy/roles.sql
-- Other names: -v database=... -v owner=... -v application=... -v reader=... (then set DATABASE_READER_ROLE, too).
-- Give those that log in with one a password by \password, and set
--   DATABASE_URL=postgres://gvrc_app:...@host/gvrc_admin           what the site, cron and admins work as
--   DATABASE_OWNER_URL=postgres://gvrc_owner:...@host/gvrc_admin   what `manage.py migrate` and backups work as
-- Rights on tables are not given here: `migrate` gives them, as the owner. The application changes rows of all tables, and of
-- the audit trail only reads; the reader reads what core/reading_role.py lists.
\if :{?database}
\else
  \set database gvrc_admin
\endif
\if :{?owner}
\else
  \set owner gvrc_owner
\endif
\if :{?application}
\else
  \set application gvrc_app
\endif
\if :{?reader}
\else
  \set reader gvrc_read
\endif

SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY[:'owner', :'application', :'reader']) AS name
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
-- backups are proven, and restored, in a database of their own that then takes the place of the old one
ALTER ROLE :"owner" CREATEDB;
GRANT pg_signal_backend TO :"owner";

SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8''', :'database', :'owner')
WHERE :'database' NOT IN (SELECT datname FROM pg_database) \gexec
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO :"application";
GRANT CONNECT ON DATABASE :"database" TO :"reader";

-- whoever reads does not hold up who works by mistake; a session may raise these for itself, and gains no right by it. By intent
-- it can: PostgreSQL lets every role take an advisory lock, and an import then ends with 3. Who holds one, as the owner:
--   SELECT usename, pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory';   then pg_terminate_backend(pid)
ALTER ROLE :"reader" CONNECTION LIMIT 5;
ALTER ROLE :"reader" SET default_transaction_read_only = on;
ALTER ROLE :"reader" SET statement_timeout = '60s';
ALTER ROLE :"reader" SET idle_in_transaction_session_timeout = '5min';

\connect :"database"
-- since PostgreSQL 15 only the owner creates in public; said again for databases that were upgraded
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
