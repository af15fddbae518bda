# SPDX-License-Identifier: Apache-2.0
# docker build -t spanflow --build-arg VERSION="$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" .
# How to run it, and why it starts by a launcher: docs/running.md.

FROM python:3.13-slim-bookworm AS build

# Not pinned: Debian keeps only the newest fix of a package.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends cmake g++ libndpi-dev libpcap-dev ninja-build \
  && rm -rf /var/lib/apt/lists/*

WORKDIR /source
COPY packaging/container/launcher.c ./
RUN gcc -O2 -Wall -Wextra -Werror -static -o spanflow-launcher launcher.c && strip spanflow-launcher

COPY pyproject.toml README.md ./
COPY daemon daemon
# Without pip inside: nothing is installed there later.
RUN python -m venv --without-pip /opt/spanflow \
  && pip --python /opt/spanflow/bin/python install --no-cache-dir .


FROM python:3.13-slim-bookworm

COPY --from=build /source/spanflow-launcher /usr/local/bin/
# The capability is set here, as some builders lose it when they copy a file between stages.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends libcap2-bin libndpi4.2 libpcap0.8 \
  && setcap cap_net_raw=p /usr/local/bin/spanflow-launcher \
  && apt-get purge -y --auto-remove libcap2-bin \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/spanflow /opt/spanflow
ENV PATH=/opt/spanflow/bin:$PATH

# A number, so that Kubernetes sees that it is not root.
USER 65532:65532
# It starts, and the native core and the classification engine find their libraries.
RUN spanflow-launcher --version && python -I -c "import spanflow._core" && spanflow-launcher protocols >/dev/null

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="spanflow" \
      org.opencontainers.image.description="A flow probe: packets in, IPFIX out, numbers that add up" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 CMD ["spanflow", "healthcheck"]
ENTRYPOINT ["spanflow-launcher"]
# What to capture and where to send come by SPANFLOW_INTERFACE and SPANFLOW_COLLECTOR, or by `run -c FILE`.
CMD ["run"]
