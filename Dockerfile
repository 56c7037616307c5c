# syntax=docker/dockerfile:1
# Parley in one image: `docker compose up -d`, or see docs/operating.md. The image holds what the npm packages
# hold, and nothing of npm.

# Builds the packages as they are published. Nothing of this stage but its result is in the image.
FROM node:24-trixie-slim AS build
WORKDIR /parley
# The image has the Node it needs; the one that npm would bring for older machines stays out.
COPY package.json package-lock.json .npmrc ./
COPY packages/sdk/package.json packages/sdk/
COPY packages/web/package.json packages/web/
COPY packages/server/package.json packages/server/
COPY packages/parley-chat/package.json packages/parley-chat/
RUN npm ci --ignore-scripts
COPY scripts scripts
COPY packages packages
COPY LICENSE tsconfig.json ./
RUN node scripts/prepare.js
RUN mkdir /packed /app \
  && npm pack --ignore-scripts -w @parley-chat/web -w @parley-chat/server --pack-destination /packed \
  && npm install --prefix /app --omit=optional --no-package-lock --ignore-scripts /packed/*.tgz

FROM node:24-trixie-slim
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-* \
  && mkdir /data /backups \
  && chown node:node /data /backups
COPY --from=build /app /app
RUN ln -s /app/node_modules/.bin/parley /usr/local/bin/parley
# In the container every network is the container's own; who reaches it is said where its port is published.
ENV HOST=0.0.0.0 \
  PORT=8666 \
  PARLEY_DATA_DIR=/data
USER node
WORKDIR /data
VOLUME ["/data", "/backups"]
EXPOSE 8666
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["parley", "start"]
