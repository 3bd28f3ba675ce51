# In the place of the official image of nginx, which needs a registry: Debian's package.
ARG BASE
FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends nginx \
 && rm -rf /etc/nginx/conf.d /etc/nginx/nginx.conf \
 && mkdir /etc/nginx/conf.d
ENTRYPOINT ["nginx", "-g", "daemon off;"]
