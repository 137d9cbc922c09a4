# docker build -t weight-init . && docker run -p 8000:8000 weight-init
# docker run --rm weight-init init --shape 512,784 --activation relu --seed 7 > w.npy
ARG PYTHON_TAG=3.11-slim

FROM python:${PYTHON_TAG} AS build
WORKDIR /build
RUN python3 -m venv /opt/weight-init
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY service service
RUN /opt/weight-init/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM python:${PYTHON_TAG}
COPY --from=build /opt/weight-init /opt/weight-init
# within a container, loopback would be out of everybody's reach
ENV PATH=/opt/weight-init/bin:$PATH \
    WEIGHT_INIT_HOST=0.0.0.0 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["weight-init"]
CMD ["serve"]
