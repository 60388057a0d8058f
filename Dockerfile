FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 DATA_DIR=/data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install --no-cache-dir -c constraints.txt -e . \
    && useradd --create-home chosen && mkdir /data && chown chosen /data
COPY manage.py ./
COPY config config
COPY datasets datasets
COPY annotate annotate
COPY templates templates
COPY static static
COPY locale locale
RUN python -m config.translations

USER chosen
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}), timeout=4)"]
CMD ["sh", "-c", "python manage.py migrate --verbosity 0 && python manage.py take_up_imports && exec granian --interface wsgi --host 0.0.0.0 --port 8000 --workers ${WORKERS:-2} --blocking-threads 16 --log-level warning config.wsgi:application"]
