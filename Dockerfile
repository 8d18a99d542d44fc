# The image that the action runs in: the program, an OpenSSH client, and what
# these two need to start. It refuses to know what a deployment is.

FROM rust:1-slim-bookworm AS build
WORKDIR /src
# A static program runs on any server's distribution, and in an empty image.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies are a layer of their own: they change less often than the source.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" \
    && rm -r src
COPY src src
# A copied file may be older than the layer above, and cargo goes by age.
RUN find src -type f -exec touch {} + \
    && cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" \
    && install -D -m 755 "target/$(uname -m)-unknown-linux-gnu/release/landfall" "/out/landfall-$(uname -m)"

# `agents` may hold the program for other processors; see agents/README.md.
FROM build AS root
COPY agents /agents
WORKDIR /root-of-image/usr/local/lib/landfall
RUN find /agents -name 'landfall-*' ! -name "landfall-$(uname -m)" -exec install -m 755 {} . ';' \
    && cp "/out/landfall-$(uname -m)" . \
    && mkdir ../../bin && ln -s "../lib/landfall/landfall-$(uname -m)" ../../bin/landfall \
    && ln -s landfall ../../bin/landfall-post

# The client, its libraries and its loader. `ssh` reaches a jump host through
# `/bin/sh`, and will not start for a user without a name.
FROM debian:bookworm-slim AS client
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates openssh-client
WORKDIR /root-of-image
RUN set -e; \
    programs="/usr/bin/ssh /usr/bin/ssh-keygen /bin/sh"; \
    libraries=$(for program in $programs; do ldd "$program"; done | grep -o '/[^ ]*' | sort -u); \
    cp -L --parents $programs $libraries /etc/ssl/certs/ca-certificates.crt .; \
    for file in $programs $libraries; do \
        dpkg-query --search "$(realpath "$file")" "$file" 2>/dev/null || true; \
    done | cut -d: -f1 | sort -u | while read -r package; do \
        [ ! -e "/usr/share/doc/$package/copyright" ] || cp -L --parents "/usr/share/doc/$package/copyright" .; \
    done; \
    echo 'root:x:0:0:root:/root:/bin/sh' > etc/passwd; \
    echo 'root:x:0:' > etc/group; \
    echo 'hosts: files dns' > etc/nsswitch.conf; \
    mkdir -m 700 root; \
    mkdir -m 1777 tmp

FROM scratch
COPY --from=client /root-of-image /
COPY --from=root /root-of-image /
ENV PATH=/usr/local/bin:/usr/bin:/bin
ENTRYPOINT ["/usr/local/bin/landfall"]
