# One image per service, each with its own locked requirements and nothing else: no shell, no pip, no compiler, where
# RUNTIME has none.
#   make images                                             build all of them here
#   docs/install-images.md                                  the release command for several architectures
# BUILDER: Python 3.11 with venv. RUNTIME: /usr/bin/python3 of the same version and the same libc.
ARG BUILDER=docker.io/library/python:3.11-slim-bookworm
ARG RUNTIME=gcr.io/distroless/python3-debian12:nonroot

FROM ${BUILDER} AS installer
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
RUN python3 -m venv /installer
WORKDIR /build
COPY hack/images/install hack/images/

# What a service needs: hash-checked wheels, our sources, one program. Everything carries the same time.
FROM installer AS collector-files
COPY requirements/collector.txt requirements/
RUN hack/images/install requirements collector
COPY shared/src shared/src
COPY services/collector/src services/collector/src
ARG SOURCE_DATE_EPOCH=0
RUN hack/images/install program collector

FROM installer AS optimizer-files
COPY requirements/optimizer.txt requirements/
RUN hack/images/install requirements optimizer
COPY shared/src shared/src
COPY services/optimizer/src services/optimizer/src
ARG SOURCE_DATE_EPOCH=0
RUN hack/images/install program optimizer

FROM installer AS actuator-files
COPY requirements/actuator.txt requirements/
RUN hack/images/install requirements actuator
COPY shared/src shared/src
COPY services/actuator/src services/actuator/src
ARG SOURCE_DATE_EPOCH=0
RUN hack/images/install program actuator

# No HEALTHCHECK: the probes of the pod ask /healthz and /readyz. Any uid will do; this one is for those who name none.
FROM ${RUNTIME} AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.created=${CREATED} \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.vendor="Inferno-Autoscaler"
ENV PATH=/opt/inferno/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/inferno/site \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    INFERNO_HOST=0.0.0.0
WORKDIR /tmp
USER 65532:0

FROM runtime AS collector
LABEL org.opencontainers.image.title=inferno-collector \
      org.opencontainers.image.description="Gathers inventory, SLO classes, prices and load of LLM inference"
COPY --from=collector-files /opt/inferno /opt/inferno
EXPOSE 8081
ENTRYPOINT ["inferno-collector"]

FROM runtime AS optimizer
LABEL org.opencontainers.image.title=inferno-optimizer \
      org.opencontainers.image.description="Turns a snapshot into the cheapest plan that keeps every latency promise"
COPY --from=optimizer-files /opt/inferno /opt/inferno
EXPOSE 8082
ENTRYPOINT ["inferno-optimizer"]

FROM runtime AS controller
LABEL org.opencontainers.image.title=inferno-controller \
      org.opencontainers.image.description="Owns the loop: snapshot, plan, status, desired-replicas metric"
COPY --from=actuator-files /opt/inferno /opt/inferno
EXPOSE 8443
ENTRYPOINT ["inferno-actuator"]

# The development cluster of compose.yaml: fake kubelet with vLLM emulators, Service proxy, load. Not for production.
FROM installer AS devcluster
COPY requirements/devcluster.txt requirements/
RUN /installer/bin/pip install --quiet --require-hashes --only-binary :all: --requirement requirements/devcluster.txt
COPY shared/src shared/src
COPY hack hack
COPY config config
ENV PATH=/installer/bin:/usr/bin:/bin \
    PYTHONPATH=/build/hack:/build/hack/vllme:/build/shared/src \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 65532:0
ENTRYPOINT ["python3"]
