# One image: the worker is `sealflow worker …`, the embedded manager `sealflow devnet …`. What it is
# made with stays in the stages before: it holds no compiler, no uv and no source.

FROM rust:1.89.0-bookworm AS processor
WORKDIR /src/seal-processor
COPY seal-processor/ ./
RUN cargo install --locked --path . --root /opt/processor

FROM python:3.13.7-slim-bookworm AS environment
WORKDIR /src
COPY scripts/python.sh scripts/
RUN pip install "uv==$(sed -n 's/^UV_VERSION=//p' scripts/python.sh)"
ENV UV_PROJECT_ENVIRONMENT=/opt/sealflow UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
# What others wrote first: it changes rarely, and is a layer of its own.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project --extra s3 --extra encryption
COPY README.md LICENSE ./
COPY sealing/ sealing/
COPY activities/ activities/
COPY workflows/ workflows/
COPY workers/ workers/
RUN uv sync --frozen --no-dev --no-editable --extra s3 --extra encryption
COPY --from=processor /opt/processor/bin/seal-processor /opt/sealflow/bin/

# The same Python, because the environment is bound to it.
FROM python:3.13.7-slim-bookworm
# The folders of the volumes: a new volume takes over what is here, and whose it is.
RUN groupadd --gid 10001 sealflow \
    && useradd --uid 10001 --gid sealflow --no-create-home --home-dir /var/lib/sealflow --shell /usr/sbin/nologin sealflow \
    && install --directory --owner sealflow --group sealflow \
        /var/cache/sealflow /var/lib/sealflow /var/lib/sealflow/manager /var/lib/sealflow/store \
        /var/lib/sealflow/sealing /var/lib/sealflow/sealing/0 /var/lib/sealflow/sealing/1 /var/lib/sealflow/sealing/upgrade
COPY --from=environment /opt/sealflow /opt/sealflow
ENV PATH=/opt/sealflow/bin:$PATH SEALFLOW_CACHE=/var/cache/sealflow
WORKDIR /var/lib/sealflow
USER 10001:10001
ENTRYPOINT ["sealflow"]
