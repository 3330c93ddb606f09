#!/bin/sh
# Gets the first certificate for docker-compose.prod.yaml. Once, before its first start; certbot renews it from then on.
# Reads DOMAIN and EMAIL from .env. STAGING=1 tries without using up Let's Encrypt's limits.
set -eu
cd "$(dirname "$0")"

[ -f .env ] || { echo "There is no .env: copy deploy/env.example to .env and fill it in." >&2; exit 1; }
# shellcheck disable=SC1091 # made by the operator
set -a && . ./.env && set +a
: "${DOMAIN:?set DOMAIN in .env to the name of this server, such as chat.example.com}"
: "${EMAIL:?set EMAIL in .env: it is told when a certificate is about to end}"

compose() {
    docker compose -f docker-compose.prod.yaml "$@"
}

if compose run --rm --entrypoint test certbot -f "/etc/letsencrypt/live/$DOMAIN/fullchain.pem"; then
    echo "There is a certificate for $DOMAIN already. Nothing was done."
    exit 0
fi

# nginx with the small configuration, for the question that Let's Encrypt asks.
compose run -d --rm --no-deps --name chatter-letsencrypt --publish 80:80 \
    --volume "$PWD/deploy/nginx/init.conf:/etc/nginx/conf.d/default.conf:ro" \
    --entrypoint nginx nginx -g "daemon off;"
trap 'docker stop chatter-letsencrypt >/dev/null 2>&1 || true' EXIT

compose run --rm --entrypoint certbot certbot certonly --webroot --webroot-path /var/www/certbot \
    --domain "$DOMAIN" --email "$EMAIL" --agree-tos --no-eff-email --non-interactive \
    ${STAGING:+--staging}

echo "The certificate for $DOMAIN is there. Start everything: docker compose -f docker-compose.prod.yaml up -d --build"
