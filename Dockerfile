# docker build -t coalmine .
# docker run -p 80:80 -v ./coalmine.toml:/etc/coalmine/coalmine.toml:ro coalmine

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcap2-bin \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The mounts keep downloads and objects from one build to the next, and out of the layers.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && install target/release/coalmine /usr/local/bin/coalmine
# Port 80 without root. Where all capabilities are dropped, NET_BIND_SERVICE has to be added again, or exec is refused.
RUN setcap cap_net_bind_service=+ep /usr/local/bin/coalmine

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin coalmine
COPY --from=build /usr/local/bin/coalmine /usr/local/bin/coalmine
USER coalmine
# 9900 is reached from outside only when admin.listen or admin.metrics_listen says so; the default is loopback.
EXPOSE 80 9900
ENTRYPOINT ["coalmine"]
CMD ["serve", "-c", "/etc/coalmine/coalmine.toml"]
