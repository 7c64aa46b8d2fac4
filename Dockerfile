# syntax=docker/dockerfile:1
FROM rust:1.95.0-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends nodejs npm python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The libraries change seldom, the sources often: first things first, so that a build repeats little.
COPY scripts scripts
RUN scripts/setup.sh libduckdb extensions
COPY . .
RUN cargo build --release --locked --package ducksync --bin ducksync \
 && mkdir -p /out/bin /out/lib \
 && cp target/release/ducksync /out/bin/ \
 && cp .deps/libduckdb/libduckdb.so /out/lib/ \
 && cp -r .deps/extensions /out/extensions \
 && cp LICENSE /out/

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --user-group --uid 10001 --home-dir /var/lib/ducksync --create-home --shell /usr/sbin/nologin ducksync
# The program looks for its library in ../lib.
COPY --from=build /out /opt/ducksync
ENV PATH=/opt/ducksync/bin:$PATH \
    DUCKSYNC__ENGINE__EXTENSION_DIRECTORY=/opt/ducksync/extensions
USER ducksync
WORKDIR /var/lib/ducksync
VOLUME /var/lib/ducksync
EXPOSE 31337 8089
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["ducksync", "healthcheck"]
# Buffers of chunks go back to the system when they are free: see docs/benchmarks.md.
ENV MALLOC_MMAP_THRESHOLD_=1048576
ENTRYPOINT ["ducksync"]
CMD ["serve"]
