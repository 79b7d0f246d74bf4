# One image for every role.
#
#   docker build -t edgecache .
#   docker run --rm -p 8080:8080 -p 8081:8081 -v edgecache:/var/lib/edgecache edgecache
#
# Control is reached from outside where the environment says so, by who signs or has a token:
#   docker run ... -e EDGECACHE_CONTROL_LISTEN=0.0.0.0:8090 -p 127.0.0.1:8090:8090 edgecache
#
# A role alone: `docker run ... edgecache edge --config /etc/edgecache/my.toml --location LHR50`, with
# `-e EDGECACHE_HEALTH=http://HEALTH_LISTEN/ready`, or `-e EDGECACHE_HEALTH=` to ask control.
#
# The same image twice: `--build-arg BASE=python:3.11-slim@sha256:...`, with the digest that was tested.

ARG BASE=python:3.11-slim
FROM ${BASE} AS builder
RUN python -m venv /opt/build && python -m venv /opt/edgecache
WORKDIR /src
COPY pyproject.toml hatch_build.py requirements-image.lock README.md LICENSE ./
# Wheels alone, each by its hash; whatever is installed below comes from them, nothing from a network.
RUN /opt/build/bin/pip download --no-cache-dir --require-hashes --no-deps --only-binary :all: \
    --dest /wheels --requirement requirements-image.lock
RUN /opt/build/bin/pip install --no-index --find-links /wheels hatchling
COPY edgecache edgecache
COPY examples examples
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /package . \
    && /opt/edgecache/bin/pip install --no-cache-dir --no-index --find-links /wheels \
       "$(echo /package/*.whl)[dns,functions,http3,postgresql]"
COPY config /etc/edgecache
# In a container the loopback is nobody else's, and what is to stay goes on the volume. Who asks for
# its health asks the first location, which is ready once it may serve what it has.
RUN sed -i \
    -e 's|^state_dir = .*|state_dir = "/var/lib/edgecache"|' \
    -e '/^\[control\]/,/^$/s|^listen = "\([^"]*\)"|listen = "${EDGECACHE_CONTROL_LISTEN:-\1}"|' \
    -e '/^\[\[locations\]\]/,/^$/s|"127\.0\.0\.1:|"0.0.0.0:|' \
    -e 's|^name = "LHR50".*|&\nhealth_listen = "127.0.0.1:8091"|' \
    /etc/edgecache/demo.toml

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin edgecache
COPY --from=builder /opt/edgecache /opt/edgecache
COPY --from=builder /etc/edgecache /etc/edgecache
# The state, and the folder where the demo makes its video, are all the user may write.
RUN mkdir -p /var/lib/edgecache \
    && chmod 0700 /var/lib/edgecache \
    && chown edgecache:edgecache /var/lib/edgecache /etc/edgecache/bucket/media
ENV PATH=/opt/edgecache/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EDGECACHE_CONFIG=/etc/edgecache/demo.toml \
    EDGECACHE_HEALTH=http://127.0.0.1:8091/ready
USER 10001
WORKDIR /var/lib/edgecache
VOLUME /var/lib/edgecache
EXPOSE 8080 8081 8090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["edgecache", "health"]
ENTRYPOINT ["edgecache"]
CMD ["up"]
