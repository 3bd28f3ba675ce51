-- The two roles and the database, made once by a superuser:
--   psql -v owner_password=... -v application_password=... -f roles.sql postgres
-- The owner migrates and maintains; the application may do what it must and can change nothing that is logged
-- (config/database_roles.py, run by `keyward migrate`, grants it table by table).
\set ON_ERROR_STOP on

CREATE ROLE keyward_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE keyward_app LOGIN PASSWORD :'application_password';
CREATE DATABASE keyward OWNER keyward_owner ENCODING 'UTF8' TEMPLATE template0;

\connect keyward
REVOKE ALL ON DATABASE keyward FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE keyward TO keyward_app;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO keyward_owner;
