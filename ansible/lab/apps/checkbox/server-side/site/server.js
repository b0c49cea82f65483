// The server: finds the route, reads the body, answers. Start it with its own folder as the working folder.
'use strict';

const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');

const admin = require('./admin.js');
const design = require('./design.js');
const faults = require('./faults.js');
const studies = require('./studies.js');

const BODY_LIMIT = 20 * 1024 * 1024;
const VERSION = readVersion();
const HOST = process.env.APP_HOST || os.hostname();

// Exact paths first: `admin/open` is no token.
const ROUTES = [
  ['POST', /^\/api\/design\/survey\/?$/, design.preview],
  ['POST', /^\/api\/study\/create\/?$/, studies.create],
  ['GET', /^\/api\/study\/listing\/?$/, studies.listing],
  ['GET', /^\/api\/study\/load\/([^/]+)\/?$/, studies.load],
  ['GET', /^\/api\/study\/status\/([^/]+)\/?$/, studies.status],
  ['GET', /^\/api\/study\/vote\/status\/?$/, studies.voteStatus],
  ['POST', /^\/api\/study\/vote\/submit\/?$/, studies.submitVote],
  ['POST', /^\/api\/study\/admin\/open\/?$/, admin.open],
  ['POST', /^\/api\/study\/admin\/close\/?$/, admin.close],
  ['POST', /^\/api\/study\/admin\/notify\/?$/, admin.notify],
  ['GET', /^\/api\/study\/admin\/download\/([^/]+)\/?$/, admin.download],
  ['GET', /^\/api\/study\/admin\/assign\/([^/]+)\/?$/, admin.assign],
  ['GET', /^\/api\/study\/admin\/([^/]+)\/?$/, admin.load],
];

const server = http.createServer((req, res) => {
  res.setHeader('X-App-Version', VERSION);
  res.setHeader('X-App-Host', HOST);
  const url = new URL(req.url, 'http://localhost');
  faults.before(url.pathname, res, () => dispatch(req, res, url));
});

const port = process.env.APP_PORT;
server.listen(port);
console.log(`Listening on port ${port}, version ${VERSION}`);

function dispatch(req, res, url) {
  for (const [method, pattern, handler] of ROUTES) {
    const match = req.method === method && pattern.exec(url.pathname);
    if (match) return readBody(req, res, (body) => handle(handler, { res, req, body, id: match[1], query: url.searchParams }));
  }
  send(res, 404, 'text/plain', `Cannot ${req.method} ${url.pathname}\n`);
}

// What a handler throws at once is answered with its stack, as the framework of the original does. What it throws later
// is nobody's.
function handle(handler, { res, req, body, id, query }) {
  const reply = (value) => send(res, 200, 'application/json', JSON.stringify(value));
  try {
    handler({ req, id, query, reply, body: body.length ? JSON.parse(body) : {} });
  } catch (error) {
    send(res, 500, 'text/plain', `${error.stack}\n`);
  }
}

function readBody(req, res, done) {
  const parts = [];
  let size = 0;
  req.on('data', (part) => {
    size += part.length;
    if (size <= BODY_LIMIT) parts.push(part);
  });
  req.on('end', () => {
    if (size > BODY_LIMIT) return send(res, 413, 'text/plain', 'too large\n');
    done(Buffer.concat(parts).toString());
  });
}

function send(res, status, type, text) {
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  res.end(text);
}

function readVersion() {
  try {
    return fs.readFileSync(path.join('..', '..', 'VERSION'), 'utf8').trim();
  } catch {
    return require('./package.json').version;
  }
}
