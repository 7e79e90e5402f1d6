# One image, every role: `docker build .`, then `docker run IMAGE gateway|activities|users|frontend-proxy|console|...`.
# BuildKit and the classic builder both take it, on amd64 and arm64; so there are no mounts and no heredocs.
# A changed line of ours leaves the layers of `npm ci` and of the dependencies' compilation as they are.

FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY package.json package-lock.json ./
COPY frontend-proxy/web/package.json frontend-proxy/web/
COPY crates/console/ui/package.json crates/console/ui/
RUN npm ci --no-fund --no-audit
COPY frontend-proxy/web frontend-proxy/web
COPY crates/console/ui crates/console/ui
RUN npm run build

# What Cargo has to see to compile the dependencies: the manifests, and an empty file for each target that they find
# by its name. It changes when they do, and with it the layer that is made of it.
FROM rust:1.95-bookworm AS skeleton
WORKDIR /src
COPY . .
RUN mkdir /skeleton \
    && cp -r --parents Cargo.toml Cargo.lock .cargo /skeleton \
    && find crates frontend-proxy -name Cargo.toml -exec cp --parents {} /skeleton ';' \
    && find crates frontend-proxy -path '*/src/lib.rs' -o -path '*/src/main.rs' -o -path '*/benches/*.rs' \
        | while read -r target; do mkdir -p "/skeleton/${target%/*}" && echo 'fn main() {}' >"/skeleton/$target"; done

FROM rust:1.95-bookworm AS build
# Neither cmake nor anything else that this base lacks is needed for aws-lc.
ENV AWS_LC_SYS_CMAKE_BUILDER=0 CARGO_NET_RETRY=10 \
    CARGO_TERM_PROGRESS_WHEN=never
WORKDIR /src
COPY --from=skeleton /skeleton ./
# Panics name file and line (the profile's `debug`); for dependencies the name of the function does.
RUN cargo build --release --locked --package throughline --config 'profile.release.package."*".debug = false'
COPY crates crates
COPY frontend-proxy frontend-proxy
COPY deploy/xray deploy/xray
# `git describe --tags`; the repository itself is not part of the context.
ARG THROUGHLINE_VERSION
# Cargo goes by age, and the sources are older than the stubs that they replace.
RUN find crates frontend-proxy -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package throughline --config 'profile.release.package."*".debug = false' \
    && objcopy --compress-debug-sections=zlib target/release/throughline /throughline

# The root file system: the binary, the C library it was linked with, certificates, a name for the user. No shell.
FROM debian:bookworm-slim AS root
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /throughline /root/usr/bin/throughline
RUN cd /root \
    && cp -L --parents $(ldd usr/bin/throughline | grep -o '/[^ ]*') . \
    && cp -L --parents /etc/ssl/certs/ca-certificates.crt /etc/os-release /etc/nsswitch.conf . \
    && cp --parents /usr/share/doc/libc6/copyright /usr/share/doc/libgcc-s1/copyright \
        /usr/share/doc/ca-certificates/copyright . \
    && echo 'throughline:x:10001:10001::/:/nonexistent' >etc/passwd \
    && echo 'throughline:x:10001:' >etc/group \
    && install -d -m 1777 tmp \
    && install -d -o 10001 -g 10001 data

FROM scratch
COPY --from=root /root/ /
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/throughline/
COPY --from=web /src/frontend-proxy/web/dist /usr/share/throughline/web
COPY --from=web /src/crates/console/ui/dist /usr/share/throughline/console
ENV WEB_DIR=/usr/share/throughline/web \
    CONSOLE_UI_DIR=/usr/share/throughline/console \
    CONSOLE_DATA_DIR=/data \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
VOLUME /data
ENTRYPOINT ["/usr/bin/throughline"]
CMD ["--help"]
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s CMD ["/usr/bin/throughline", "health"]
ARG THROUGHLINE_VERSION
LABEL org.opencontainers.image.title="Throughline" \
      org.opencontainers.image.description="One request, one trace: from the click in the browser to the plan node in Postgres" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${THROUGHLINE_VERSION}"
