// Faults on demand, for tests of a bad canary.
'use strict';

const fs = require('fs');

const READ_EACH_MS = 200;
const SPARED = new Set(['/healthz', '/readyz']);

const own = read('faults.json');
let asked = {};
let readAt = 0;

exports.before = function before(pathname, res, next) {
  if (SPARED.has(pathname)) return next();
  const { status500 = 0, delay_ms: delay = 0 } = current();
  const go = () => {
    if (Math.random() >= status500) return next();
    res.writeHead(500, { 'Content-Type': 'text/plain' });
    res.end('a fault on demand\n');
  };
  if (delay > 0) setTimeout(go, delay);
  else go();
};

function current() {
  const file = process.env.CHECKBOX_FAULT_FILE;
  if (file && Date.now() - readAt >= READ_EACH_MS) {
    readAt = Date.now();
    asked = read(file);
  }
  return { ...own, ...asked };
}

function read(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
