# docker build -t coalmine .
# docker run -p 80:80 -v ./coalmine.toml:/etc/coalmine/coalmine.toml:ro coalmine
#
# Where the binary is there already, a directory takes the place of the stage `build`, and nothing is compiled:
# docker build -t coalmine --build-context build=DIRECTORY .    with DIRECTORY/usr/local/bin/coalmine
# Without an engine `ansible/lab/image` does that by buildah, and tries the result.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The mounts keep downloads and objects from one build to the next, and out of the layers.
# Two cores, and several minutes: the program is compiled, run under a load and compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    make release \
    && install -D target/trained/coalmine /usr/local/bin/coalmine

FROM debian:bookworm-slim
# Port 80 without root. Where all capabilities are dropped, NET_BIND_SERVICE has to be added again, or exec is refused.
# The capability is given in the layer that has the file: not every builder copies it from one stage to the next.
RUN --mount=type=bind,from=build,source=/usr/local/bin,target=/mnt \
    export DEBIAN_FRONTEND=noninteractive && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libcap2-bin \
    && install /mnt/coalmine /usr/local/bin/coalmine \
    && setcap cap_net_bind_service=+ep /usr/local/bin/coalmine \
    && apt-get purge -y --auto-remove libcap2-bin \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 10001 coalmine \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin coalmine
# By number, so that Kubernetes sees without the image's passwd that it is not root.
USER 10001:10001
# 9900 is reached from outside only when admin.listen or admin.metrics_listen says so; the default is loopback.
EXPOSE 80 443 9900
# Asks the admin listener, also when the token for changes is set: reading takes none. COALMINE_ADMIN_URL names another.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["coalmine", "status", "--json"]
ENTRYPOINT ["coalmine"]
CMD ["serve", "-c", "/etc/coalmine/coalmine.toml"]
