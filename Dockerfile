# One image, every role: `docker build .`, then `docker run IMAGE gateway|activities|users|frontend-proxy|console|...`.
# BuildKit and the classic builder both take it, on amd64 and arm64; so there are no mounts and no heredocs.

FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY package.json package-lock.json ./
COPY frontend-proxy/web/package.json frontend-proxy/web/
COPY crates/console/ui/package.json crates/console/ui/
RUN npm ci --no-fund --no-audit
COPY frontend-proxy/web frontend-proxy/web
COPY crates/console/ui crates/console/ui
RUN npm run build

# The sources in four heaps, from what seldom changes to what often does, so that a changed line compiles its own heap and
# those after it: the dependencies' (the manifests, and an empty file for each target that Cargo finds by its name), our
# libraries, the console, the services. A copied heap that is the same as before leaves its layer as it was.
FROM rust:1.95-bookworm AS sources
WORKDIR /src
COPY . .
RUN mkdir -p /heaps/dependencies /heaps/libraries /heaps/console/crates \
    && cp -r --parents Cargo.toml Cargo.lock .cargo /heaps/dependencies \
    && find crates frontend-proxy -name Cargo.toml -exec cp --parents {} /heaps/dependencies ';' \
    && find crates frontend-proxy -path '*/src/lib.rs' -o -path '*/src/main.rs' -o -path '*/benches/*.rs' \
        | while read -r target; do \
            mkdir -p "/heaps/dependencies/${target%/*}" \
            && echo 'fn main() {}' >"/heaps/dependencies/$target" || exit 1; \
        done \
    && mkdir /services \
    && mv frontend-proxy crates/gateway crates/activities crates/users crates/throughline /services \
    && rm -rf crates/console/ui && mv crates/console /heaps/console/crates \
    && mv crates /heaps/libraries

FROM rust:1.95-bookworm AS build
# aws-lc needs nothing that this base lacks, cmake included.
ENV AWS_LC_SYS_CMAKE_BUILDER=0 CARGO_NET_RETRY=10
WORKDIR /src
COPY --from=sources /heaps/dependencies ./
RUN cargo build --release --locked --package throughline
# Cargo goes by age, and the sources are older than the stubs that they replace: hence `touch`.
COPY --from=sources /heaps/libraries ./
RUN find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package throughline
COPY --from=sources /heaps/console ./
RUN find crates/console -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package throughline
COPY crates crates
COPY frontend-proxy frontend-proxy
COPY deploy/xray deploy/xray
# `git describe --tags`; the repository itself is not part of the context.
ARG THROUGHLINE_VERSION
RUN find frontend-proxy crates/gateway crates/activities crates/users crates/throughline -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package throughline \
    && objcopy --wildcard --strip-symbol='*' --compress-debug-sections=zlib target/release/throughline /throughline

# The root file system: the binary, the C library that it was linked with, certificates, a name for the user. No shell.
FROM debian:bookworm-slim AS root
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /throughline /image/usr/bin/throughline
RUN cd /image \
    && cp -L --parents $(ldd usr/bin/throughline | grep -o '/[^ ]*') . \
    && cp -L --parents /etc/ssl/certs/ca-certificates.crt /etc/os-release /etc/nsswitch.conf . \
    && cp -L --parents /usr/share/doc/libc6/copyright /usr/share/doc/gcc-*-base/copyright \
        /usr/share/doc/ca-certificates/copyright . \
    && echo 'throughline:x:10001:10001::/:/nonexistent' >etc/passwd \
    && echo 'throughline:x:10001:' >etc/group \
    && install -d -m 1777 tmp \
    && install -d -o 10001 -g 10001 data

FROM scratch
COPY --from=root /image/ /
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/throughline/
COPY --from=web /src/frontend-proxy/web/dist /usr/share/throughline/web
COPY --from=web /src/crates/console/ui/dist /usr/share/throughline/console
COPY crates/console/queries /usr/share/throughline/queries
# glibc keeps what a thread freed: 19 MiB for each thread that ever hashed a password, past 256 MiB in all. With few
# arenas, and a threshold that does not grow, large blocks go back to the system.
ENV WEB_DIR=/usr/share/throughline/web \
    CONSOLE_UI_DIR=/usr/share/throughline/console \
    CONSOLE_QUERIES_DIR=/usr/share/throughline/queries \
    CONSOLE_DATA_DIR=/data \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=1048576
USER 10001:10001
ENTRYPOINT ["/usr/bin/throughline"]
CMD ["--help"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["/usr/bin/throughline", "health"]
ARG THROUGHLINE_VERSION
LABEL org.opencontainers.image.title="Throughline" \
      org.opencontainers.image.description="One request, one trace: from the click in the browser to the plan node in Postgres" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${THROUGHLINE_VERSION}"
