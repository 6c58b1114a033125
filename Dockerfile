# One image for web, worker, beat, watcher and migrate: docker-compose.yml gives each its command.
FROM python:3.11-slim-bookworm AS build
COPY locks/uv.txt locks/runtime.txt /locks/
RUN pip install --no-cache-dir --require-hashes -r /locks/uv.txt \
    && uv venv /opt/fleetui \
    && uv pip sync --python /opt/fleetui/bin/python --require-hashes --compile-bytecode /locks/runtime.txt

FROM python:3.11-slim-bookworm
# git brings changes to the fleet's repository; openssh-client is for those reached by ssh and, as
# gnupg, for signed commits.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git gnupg openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home fleetui \
    && install -d -o fleetui -g fleetui /data
COPY --from=build /opt/fleetui /opt/fleetui
COPY manage.py /app/
COPY fleetui /app/fleetui
COPY onboarding /app/onboarding
COPY templates /app/templates
COPY static /app/static
WORKDIR /app
ENV PATH=/opt/fleetui/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLEETUI_DATA=/data \
    FLEETUI_STATIC=/app/staticfiles
# All is compiled once, here: who runs it can write nothing, and would compile it at every start. The
# static files are the image's; nothing of this build's settings stays in it.
RUN python -m compileall -q --invalidation-mode unchecked-hash fleetui onboarding \
    && FLEETUI_EMBEDDED=1 FLEETUI_DATA=/tmp/build python manage.py collectstatic --no-input \
    && rm -rf /tmp/build
USER fleetui
EXPOSE 8000
CMD ["uvicorn", "fleetui.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "5"]
