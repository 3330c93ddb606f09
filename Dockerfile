# Chatter in one image: `docker build -t chatter .`; development with a database: docker-compose.yaml.

FROM python:3.11-slim-bookworm AS build

# For the compiled plane; the final image has no compiler.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
ENV PATH=/opt/uv/bin:/opt/chatter/bin:$PATH UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 VIRTUAL_ENV=/opt/chatter

WORKDIR /src
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/chatter && uv pip install --require-hashes -r requirements.lock

COPY pyproject.toml setup.py README.md ./
COPY api api
COPY auth auth
COPY bots bots
COPY chatter chatter
COPY migrations migrations
COPY observability observability
COPY sfu sfu
COPY rooms rooms
COPY signaling signaling
COPY web web
COPY webhooks webhooks
# Here the compiled plane is no option: an image without it is not made.
RUN uv pip install --no-deps .
WORKDIR /
RUN /opt/chatter/bin/python -c "from sfu.plane import fast_plane; fast_plane()"

FROM python:3.11-slim-bookworm

RUN groupadd --gid 10001 chatter \
    && useradd --uid 10001 --gid chatter --no-create-home --shell /usr/sbin/nologin chatter \
    && install -d -o chatter -g chatter -m 0700 /data

COPY --from=build /opt/chatter /opt/chatter
COPY deploy/healthcheck.py /opt/chatter/healthcheck.py

ENV PATH=/opt/chatter/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data
# Where config/config.yaml is looked for.
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8080/tcp 10000/udp 10000/tcp
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s \
    CMD ["python", "/opt/chatter/healthcheck.py"]
ENTRYPOINT ["chatter"]
CMD ["serve"]
