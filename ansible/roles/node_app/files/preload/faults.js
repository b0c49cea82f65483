// What nobody caught. A fault of a request is answered as that request; a fault of nobody is counted, and too many of
// them in a minute end the process, because then more than one request is broken.
'use strict';

const identity = require('./identity.js');
const requests = require('./requests.js');

const ALLOWED_A_MINUTE = identity.milliseconds('CHECKBOX_FAULTS_A_MINUTE', 20);
const MINUTE_MS = 60_000;
const AWAY = /^Mongo(Network|ServerSelection|Timeout|NetworkTimeout)Error$/;
const AWAY_OLD = /failed to (re)?connect|no primary|topology (was destroyed|is closed)|server instance pool was destroyed/i;

let serving = false;
let total = 0;
let orphans = [];

exports.watch = function watch() {
  process.on('uncaughtException', (error) => exports.settle(error, requests.current()));
  process.on('unhandledRejection', (error) => exports.settle(error, requests.current()));
};

// Before the first server listens a fault is a failed start.
exports.started = () => {
  serving = true;
};

exports.total = () => total;

exports.settle = function settle(error, request) {
  total += 1;
  console.error(`${request ? 'a request failed' : 'a fault of no request'}: ${(error && error.stack) || error}`);
  if (!serving) process.exit(1);
  if (request) {
    if (isAway(error)) requests.answer(request, 503, 'the database is away');
    else requests.answer(request, 500, 'internal error');
    requests.leave(request);
  } else if (!isAway(error)) {
    countOrphan();
  }
};

function countOrphan() {
  const now = Date.now();
  orphans = [...orphans.filter((at) => now - at < MINUTE_MS), now];
  if (orphans.length <= ALLOWED_A_MINUTE) return;
  console.error(`${orphans.length} faults of no request in a minute: the process ends`);
  process.exit(1);
}

// A database that is away is no reason to end: the process could not bring it back.
function isAway(error) {
  return Boolean(error) && (AWAY.test(error.name) || (/^Mongo/.test(error.name) && AWAY_OLD.test(error.message)));
}
