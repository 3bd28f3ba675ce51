# In the place of the official image of PostgreSQL, which needs a registry: Debian's package.
ARG BASE
FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql \
 && rm -rf /var/lib/postgresql/* \
 && chown postgres: /var/lib/postgresql
USER postgres
COPY postgres.sh /
ENTRYPOINT ["sh", "/postgres.sh"]
