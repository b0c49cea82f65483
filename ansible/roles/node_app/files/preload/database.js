// The application's own MongoDB driver, found from its working folder: bounded in time, its clients closed, and asked
// for /readyz.
'use strict';

const { createRequire } = require('module');
const path = require('path');

const identity = require('./identity.js');
const requests = require('./requests.js');

const SELECTION_MS = identity.milliseconds('CHECKBOX_DATABASE_TIMEOUT', 2000);
const PING_MS = 1000;
// An application may go on with its client for a moment after it has answered.
const GRACE_MS = 5000;
const RETRY_MS = 1000;
// A process that keeps one client for all requests must not lose it with the first of them.
const CLOSES = process.env.CHECKBOX_CLOSE_CLIENTS !== '0';

const driver = load();
let connect;
let client;
let flight;

exports.wrap = function wrap() {
  if (!driver) return;
  const { MongoClient } = driver;
  if (driver.major >= 3) {
    const original = MongoClient.prototype.connect;
    connect = (url, options) => original.call(new MongoClient(url, options));
    MongoClient.prototype.connect = function connectBounded(callback) {
      this.s.options = { connectTimeoutMS: SELECTION_MS, serverSelectionTimeoutMS: SELECTION_MS, ...this.s.options };
      return promiseOrCallback(() => original.call(this), callback);
    };
  } else {
    const original = MongoClient.connect;
    connect = (url, options) => original.call(MongoClient, url, options);
    const bounds = { connectTimeoutMS: SELECTION_MS, reconnectTries: Number.MAX_SAFE_INTEGER, bufferMaxEntries: 0 };
    MongoClient.connect = function connectBounded(url, ...rest) {
      const callback = rest.find((each) => typeof each === 'function');
      const given = rest.find((each) => each && typeof each === 'object');
      return promiseOrCallback(() => original.call(MongoClient, url, { ...bounds, ...given }), callback);
    };
  }
};

// One ping on one client, whoever asks meanwhile; a client that failed is replaced.
exports.ping = function ping() {
  flight ??= requests.outside(() => inTime(askOnce(), PING_MS)).catch(forget).finally(() => {
    flight = undefined;
  });
  return flight;
};

exports.isConfigured = () => Boolean(driver && process.env.MONGO_IP);

async function askOnce() {
  client ??= connect(url(), pingOptions());
  await (await client).db('admin').command({ ping: 1 });
}

function forget(error) {
  const old = client;
  client = undefined;
  if (old) old.then((each) => each.close(true)).catch(() => {});
  throw error;
}

// The driver may answer by a callback or a promise; a failed connection that no request waits for is tried again, since
// nobody would ask a second time.
function promiseOrCallback(open, callback) {
  const request = requests.current();
  const promise = request ? open() : openAtLast(open);
  promise.then((opened) => request && CLOSES && closeAfter(request, opened), () => {});
  if (!callback) return promise;
  // In a tick of its own: what the callback throws is a fault, no rejection of this promise.
  promise.then((opened) => process.nextTick(callback, null, opened), (error) => process.nextTick(callback, error));
  return undefined;
}

async function openAtLast(open) {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      console.error(`the database is away: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function closeAfter(request, opened) {
  request.atEnd.push(() => setTimeout(() => opened.close(true, () => {}), GRACE_MS).unref());
}

function inTime(promise, limit) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${limit} ms`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Forks of 2018 listen on MONGO_PORT; CHECKBOX_DATABASE_PORT is the database's own port then.
function url() {
  const { MONGO_USER, MONGO_PASSWORD, MONGO_IP, MONGO_PORT, CHECKBOX_DATABASE_PORT } = process.env;
  const login = `${encodeURIComponent(MONGO_USER)}:${encodeURIComponent(MONGO_PASSWORD)}`;
  return `mongodb://${login}@${MONGO_IP}:${CHECKBOX_DATABASE_PORT || MONGO_PORT || 27017}/site?authSource=admin`;
}

function pingOptions() {
  const limits = { poolSize: 1, connectTimeoutMS: PING_MS };
  return driver.major < 3 ? limits : { ...limits, useUnifiedTopology: true, serverSelectionTimeoutMS: PING_MS };
}

function load() {
  try {
    const find = createRequire(path.join(process.cwd(), 'preload.js'));
    const major = Number(find('mongodb/package.json').version.split('.')[0]);
    return { MongoClient: find('mongodb').MongoClient, major };
  } catch {
    return undefined;
  }
}
