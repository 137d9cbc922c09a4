# docker build -t weight-init . && docker run -p 8000:8000 weight-init
# docker run --rm weight-init init --shape 512,784 --activation relu --seed 7 > w.npy
# The image needs no writable file system and no capabilities: docker run --read-only --cap-drop all --security-opt no-new-privileges ...
ARG PYTHON_TAG=3.11-slim

FROM python:${PYTHON_TAG} AS build
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
COPY deploy/requirements.txt deploy/requirements-build.txt ./
# The last step removes the test suites of the packages, which the image does not need.
RUN python3 -m venv --without-pip /opt/weight-init \
    && python3 -m pip --python /opt/weight-init/bin/python3 install --require-hashes -r requirements.txt \
    && python3 -m venv tools \
    && tools/bin/pip install --require-hashes -r requirements-build.txt \
    && find /opt/weight-init -type d -name tests -prune -exec rm -r {} +
COPY pyproject.toml README.md LICENSE ./
COPY service service
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
    && python3 -m pip --python /opt/weight-init/bin/python3 install --no-deps wheel/*.whl \
    && /opt/weight-init/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/weight-init
# The kernel cache depends on the path of the sources. Leave /build, so that it uses the installed sources, at their path in the image.
WORKDIR /
ENV WEIGHT_INIT_KERNEL_CACHE=/opt/weight-init/kernels
RUN /opt/weight-init/bin/weight-init kernels

FROM python:${PYTHON_TAG}
COPY --from=build /opt/weight-init /opt/weight-init
# Listen on all interfaces, because nothing outside the container reaches its loopback. /dev/shm is writable even with --read-only.
ENV PATH=/opt/weight-init/bin:$PATH \
    WEIGHT_INIT_HOST=0.0.0.0 \
    WEIGHT_INIT_KERNEL_CACHE=/opt/weight-init/kernels \
    TMPDIR=/dev/shm \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python3", "-c", \
         "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('WEIGHT_INIT_PORT', 8000)}/readyz\", timeout=2)"]
ENTRYPOINT ["weight-init"]
CMD ["serve"]
