# mirrorctl for images without Python: the root of this image is a program that runs from wherever it is mounted.
#
#   docker build --tag mirrorctl .          (buildah build is as good; arm64: --platform linux/arm64)
#
# In another Dockerfile, so that not a byte of it stays in the image:
#
#   RUN --mount=from=mirrorctl,target=/opt/m /opt/m/mirrorctl run -- apk add --no-cache curl
#
# To have it in the image:
#
#   COPY --from=mirrorctl / /opt/mirrorctl/
#   RUN ln -s /opt/mirrorctl/mirrorctl /usr/local/bin/
ARG PYTHON_IMAGE=python:3.13-alpine
ARG ALPINE_IMAGE=alpine:3.22

FROM ${PYTHON_IMAGE} AS build
# Where pip shall get packages from, if not from its usual index: --build-arg PIP_INDEX_URL=…
ARG PIP_INDEX_URL
COPY . /src
RUN pip install --no-cache-dir --root-user-action=ignore /src 'pyinstaller>=6.11,<7'
# PyInstaller wants objdump and objcopy, and strip to make it smaller.
RUN command -v objdump || { mirrorctl pick --no-backup --best-effort && apk add --no-cache binutils; }
RUN pyinstaller --log-level=WARN --distpath=/bundle --workpath=/tmp/work /src/packaging/mirrorctl.spec

# What does not run where there is no Python is not handed out.
FROM ${ALPINE_IMAGE} AS tried
COPY --from=build /bundle /bundle
RUN /bundle/mirrorctl --version && /bundle/mirrorctl mirrors list > /dev/null

FROM scratch
COPY --from=tried /bundle /
