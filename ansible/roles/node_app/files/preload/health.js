// /healthz: the process lives. /readyz: its database answers too. Nothing else decides either of them, so that a
// database that is away takes nobody out of a pool that asks for /healthz.
'use strict';

const database = require('./database.js');
const faults = require('./faults.js');
const identity = require('./identity.js');

exports.answers = function answers(req, res) {
  const pathname = req.url.split('?', 1)[0];
  if (pathname !== '/healthz' && pathname !== '/readyz') return false;
  req.resume();
  if (pathname === '/healthz') send(res, 200, `ok ${identity.version}\nfaults ${faults.total()}\n`);
  else ready(res);
  return true;
};

function ready(res) {
  if (!database.isConfigured()) return send(res, 200, `ready ${identity.version}, no database\n`);
  return database.ping().then(
    () => send(res, 200, `ready ${identity.version}\n`),
    (error) => {
      console.error(`not ready: ${error.message}`);
      send(res, 503, `not ready ${identity.version}: the database is away\n`);
    },
  );
}

function send(res, status, text) {
  identity.mark(res);
  res.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(text), 'Cache-Control': 'no-store' });
  res.end(text);
}
