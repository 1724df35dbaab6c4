# One image for every role, which ROLE chooses. TypeScript is run directly, so nothing is built.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image has Node, and Redis runs elsewhere: neither the Node in the optional packages nor the
# development tools are needed. `npm install` keeps to the lock file, see service/setup.mjs.
RUN npm install --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY schemas ./schemas
COPY store ./store
COPY loaders ./loaders
COPY service ./service
COPY docs/integrating.md docs/lookup-examples.md ./docs/
COPY docs/operating/alerts.md ./docs/operating/
RUN mkdir -m 0700 /data && mkdir node_modules/.cache && chown node:node /data node_modules/.cache
USER node
# Compiled once here: the root file system is read-only later, and a start takes half the time. Lookup processes run with
# a flag of V8 (service/start/young-space.ts), and what was compiled with other flags is of no use to them.
RUN node service/cli.mjs --version && ROLE=lookup node service/cli.mjs serve --help > /dev/null
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["node", "service/cli.mjs"]
CMD ["serve"]
