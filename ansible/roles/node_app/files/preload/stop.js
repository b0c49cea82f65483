// Told to stop, the process takes no more connections, finishes its requests and ends.
'use strict';

const identity = require('./identity.js');

const LIMIT_MS = identity.milliseconds('CHECKBOX_REQUEST_TIMEOUT', 8000) + 1000;
const servers = new Set();

exports.watch = function watch(server) {
  if (servers.size === 0) process.once('SIGTERM', finish);
  servers.add(server);
};

function finish() {
  setTimeout(() => process.exit(0), LIMIT_MS).unref();
  const closed = [...servers].map((server) => new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections();
  }));
  Promise.all(closed).then(() => process.exit(0));
}
