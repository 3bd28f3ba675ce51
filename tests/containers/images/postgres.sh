# As the official image does: a new cluster with POSTGRES_PASSWORD for its superuser, who may come from anywhere.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
data=/var/lib/postgresql/data
if [ ! -d "$data" ]; then
    printf %s "$POSTGRES_PASSWORD" > /tmp/password
    initdb --pgdata="$data" --username=postgres --pwfile=/tmp/password --auth=scram-sha-256 --auth-local=trust
    echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
fi
exec postgres -D "$data" -c listen_addresses='*'
