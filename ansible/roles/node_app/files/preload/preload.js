// Loaded before the application (NODE_OPTIONS=--require): what an application needs to live behind a balancer, without
// a change to its own code. It takes every HTTP server that the process opens and
//
// - makes it listen on loopback alone,
// - answers /healthz and /readyz,
// - ends each request in bounded time, and a request that fails with a short answer of its own,
// - lets the process outlive one bad request, and finish its requests when it is told to stop.
'use strict';

const http = require('http');
const net = require('net');

const database = require('./database.js');
const faults = require('./faults.js');
const health = require('./health.js');
const requests = require('./requests.js');
const stop = require('./stop.js');

const LOOPBACK = '127.0.0.1';

database.wrap();
faults.watch();

http.Server.prototype.listen = function listen(...args) {
  return net.Server.prototype.listen.apply(this, onLoopback(args));
};

http.Server.prototype.emit = function emit(event, ...args) {
  const pass = () => net.Server.prototype.emit.call(this, event, ...args);
  if (event === 'listening') {
    faults.started();
    stop.watch(this);
  }
  if (event !== 'request') return pass();
  const [req, res] = args;
  if (health.answers(req, res)) return true;
  return requests.run(res, pass, faults.settle);
};

// A path or a handle stays what it is; a port, in whichever form, is a port of loopback.
function onLoopback(args) {
  const [first] = args;
  const callback = args.find((each) => typeof each === 'function');
  if (first === undefined || first === null || first === callback) return [{ port: 0, host: LOOPBACK }, callback];
  if (typeof first === 'object') return first.port === undefined ? args : [{ ...first, host: LOOPBACK }, callback];
  if (!/^\d+$/.test(String(first))) return args;
  const backlog = args.slice(1).find((each) => typeof each === 'number');
  return [{ port: Number(first), host: LOOPBACK, backlog }, callback];
}
