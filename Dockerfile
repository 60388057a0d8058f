FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 DATA_DIR=/data LOG_FORMAT=json
WORKDIR /app
COPY pyproject.toml requirements.txt requirements-hub.txt README.md LICENSE ./
ARG EXTRAS
RUN pip install --no-cache-dir --require-hashes -r "requirements${EXTRAS:+-$EXTRAS}.txt" \
    && pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin chosen \
    && mkdir /data && chown chosen:chosen /data
COPY manage.py ./
COPY config config
COPY datasets datasets
COPY annotate annotate
COPY analyze analyze
COPY api api
COPY optimize optimize
COPY templates templates
COPY static static
COPY locale locale
COPY docs docs
# The app writes only to /data and /tmp: the rest of the file system may be read-only.
RUN python -m config.translations && python -m compileall -q config datasets annotate analyze optimize api

USER chosen
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-m", "config.healthcheck"]
CMD ["sh", "-c", "python manage.py migrate --verbosity 0 && python manage.py take_up_imports && exec python -m config.serve --host 0.0.0.0 --port 8000 --workers ${WORKERS:-2} --log-level warning"]
