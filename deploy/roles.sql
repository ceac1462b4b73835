-- The two roles of GVRC Admin on PostgreSQL 16. Run once, as a superuser:
--   psql -v ON_ERROR_STOP=1 -f deploy/roles.sql
-- then give both a password with \password, and set
--   DATABASE_URL=postgres://gvrc_app:...@host/gvrc_admin           what the site, cron and admins work as
--   DATABASE_OWNER_URL=postgres://gvrc_owner:...@host/gvrc_admin   what `manage.py migrate` works as
-- `migrate` grants the application role its rights on every table: rows of all of them, and of the audit trail only SELECT.
CREATE ROLE gvrc_owner LOGIN;
CREATE ROLE gvrc_app LOGIN;
-- a backup is proven in a database beside, and a restore ends the sessions in the one that it replaces
ALTER ROLE gvrc_owner CREATEDB;
GRANT pg_signal_backend TO gvrc_owner;
CREATE DATABASE gvrc_admin OWNER gvrc_owner TEMPLATE template0 ENCODING 'UTF8';
REVOKE CONNECT ON DATABASE gvrc_admin FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE gvrc_admin TO gvrc_app;
\connect gvrc_admin
-- since PostgreSQL 15 only the owner creates in public; said again for databases that were upgraded
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO gvrc_owner;
