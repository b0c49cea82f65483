// The life of one request: who it is, how long it may take, and how it is answered when the application cannot.
'use strict';

const { AsyncLocalStorage } = require('async_hooks');

const identity = require('./identity.js');

const LIMIT_MS = identity.milliseconds('CHECKBOX_REQUEST_TIMEOUT', 8000);

// What runs now runs for this request.
const context = new AsyncLocalStorage();
const STACK = /\bat .{0,300}?:\d+:\d+\b/;

exports.current = () => context.getStore();

// Work that is nobody's request.
exports.outside = (work) => context.run(undefined, work);

// `failed` hears what is thrown before the first wait: the context is gone where the process would see it.
exports.run = function run(res, next, failed) {
  const request = { res, atEnd: [] };
  identity.mark(res);
  hideStacks(res);
  const timer = setTimeout(() => exports.answer(request, 503, 'no answer in time'), LIMIT_MS);
  res.once('close', () => {
    clearTimeout(timer);
    exports.leave(request);
  });
  try {
    return context.run(request, next);
  } catch (error) {
    failed(error, request);
    return true;
  }
};

// Answers in the application's place, unless it has answered; whatever it does with the answer later does nothing.
exports.answer = function answer({ res }, status, text) {
  if (res.writableEnded) return;
  if (res.headersSent) {
    res.destroy();
  } else {
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    identity.mark(res);
    res.statusCode = status;
    res.setHeader('Content-Type', 'text/plain');
    res.setHeader('Connection', 'close');
    if (status === 503) res.setHeader('Retry-After', '2');
    res.end(`${text}\n`);
  }
  mute(res);
};

// Runs what was left for the end of the request, once.
exports.leave = function leave(request) {
  for (const each of request.atEnd.splice(0)) each();
};

function mute(res) {
  for (const name of ['setHeader', 'removeHeader', 'appendHeader', 'writeHead', 'end', 'flushHeaders', 'addTrailers']) {
    res[name] = () => res;
  }
  res.write = () => true;
}

// Frameworks put the stack of an error into their answer. The headers of an error wait for its body, so that both can
// be changed.
function hideStacks(res) {
  const { writeHead, write, flushHeaders, end } = res;
  const release = () => {
    res.writeHead = writeHead;
  };
  res.writeHead = function holdBack(status, ...rest) {
    if (status < 400 || res.headersSent) return writeHead.call(res, status, ...rest);
    res.statusCode = status;
    if (typeof rest[0] === 'string') res.statusMessage = rest[0];
    for (const [name, value] of headers(rest.at(-1))) res.setHeader(name, value);
    return res;
  };
  res.write = function writeOut(...args) {
    release();
    return write.apply(res, args);
  };
  res.flushHeaders = function flushOut() {
    release();
    return flushHeaders.call(res);
  };
  res.end = function endWithoutStack(chunk, ...rest) {
    release();
    if (res.statusCode < 400 || res.headersSent || !STACK.test(text(chunk))) return end.call(res, chunk, ...rest);
    for (const name of ['Content-Length', 'Content-Encoding', 'ETag']) res.removeHeader(name);
    res.setHeader('Content-Type', 'text/plain');
    return end.call(res, 'internal error\n', ...rest.filter((each) => typeof each === 'function'));
  };
}

function headers(given) {
  if (!Array.isArray(given)) return given && typeof given === 'object' ? Object.entries(given) : [];
  if (Array.isArray(given[0])) return given;
  return Array.from({ length: given.length / 2 }, (_, at) => [given[2 * at], given[2 * at + 1]]);
}

function text(chunk) {
  return typeof chunk === 'string' || Buffer.isBuffer(chunk) ? chunk.toString() : '';
}
