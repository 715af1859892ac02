# syntax=docker/dockerfile:1
# A static binary and nothing else. For another platform: docker buildx build --platform linux/arm64 .

FROM docker.io/library/rust:1.95-alpine AS build
# ring compiles C.
RUN apk add --no-cache musl-dev gcc make
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY tests tests
# The admission policies are part of the binary, which holds them against what is on the server.
COPY charts charts
COPY src src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package towpath --bin towpath \
    && cp target/release/towpath /towpath

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="towpath" \
      org.opencontainers.image.description="Release management for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /towpath /towpath
COPY LICENSE /LICENSE
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/towpath"]
