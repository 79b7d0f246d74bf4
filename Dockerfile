# One image for every role.
#
#   docker build -t edgecache .
#   docker run --rm -p 8080:8080 -p 8081:8081 -v edgecache:/var/lib/edgecache edgecache
#
# A role alone: `docker run ... edgecache edge --config /etc/edgecache/my.toml --location LHR50`,
# with `--health-cmd "edgecache health 127.0.0.1:8080"` where there is no control to ask.
#
# The same image twice: `--build-arg BASE=python:3.11-slim@sha256:...`, with the digest that was tested.

ARG BASE=python:3.11-slim
FROM ${BASE} AS builder
RUN python -m venv /opt/build && python -m venv /opt/edgecache
WORKDIR /src
COPY pyproject.toml requirements-image.lock README.md ./
# Wheels alone, each by its hash; whatever is installed below comes from them, nothing from a network.
RUN /opt/build/bin/pip download --no-cache-dir --require-hashes --no-deps --only-binary :all: \
    --dest /wheels --requirement requirements-image.lock
RUN /opt/build/bin/pip install --no-index --find-links /wheels hatchling
COPY edgecache edgecache
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /package . \
    && /opt/edgecache/bin/pip install --no-cache-dir --no-index --find-links /wheels \
       "$(echo /package/*.whl)[functions,http3,postgresql]"
COPY config /etc/edgecache
# In a container the loopback is nobody else's, and what is to stay goes on the volume.
RUN sed -i \
    -e 's|^state_dir = .*|state_dir = "/var/lib/edgecache"|' \
    -e '/^\[\[locations\]\]/,/^$/s|"127\.0\.0\.1:|"0.0.0.0:|' \
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
    EDGECACHE_CONFIG=/etc/edgecache/demo.toml
USER 10001
WORKDIR /var/lib/edgecache
VOLUME /var/lib/edgecache
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["edgecache", "health"]
ENTRYPOINT ["edgecache"]
CMD ["up"]
