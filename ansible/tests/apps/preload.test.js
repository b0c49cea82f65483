// The preload module around small applications that misbehave, and around the stand-in with its database away.
// Run: node --test ansible/tests/apps
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, test } = require('node:test');

const PRELOAD = path.join(__dirname, '../../roles/node_app/files/preload/preload.js');
const STAND_IN = path.join(__dirname, '../../lab/apps/checkbox/server-side/site');
const DEADLINE_MS = 30_000;
const folders = [];

after(() => folders.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

// The application says where it listens; `app` is its handler's source.
async function start(t, app, environment = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'preload-'));
  folders.push(folder);
  fs.writeFileSync(path.join(folder, 'server.js'), `
    const server = require('http').createServer((req, res) => { ${app} });
    server.listen(0, '0.0.0.0', () => console.log(JSON.stringify(server.address())));
  `);
  return run(t, folder, environment);
}

async function run(t, cwd, environment) {
  const child = spawn(process.execPath, ['--require', PRELOAD, 'server.js'], {
    cwd, env: { PATH: process.env.PATH, APP_HOST: 'web1', ...environment }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const first = await new Promise((resolve) => {
    child.stdout.once('data', (data) => resolve(String(data)));
    ended.then(() => resolve(''));
  });
  const address = first.startsWith('{') ? JSON.parse(first) : {};
  return { child, ended, address, log: () => log, get: (target, options) => get(address.port, target, options) };
}

function get(port, target, { method = 'GET', body } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path: target, method, agent: false, timeout: DEADLINE_MS }, (res) => {
      let text = '';
      res.on('data', (data) => { text += data; });
      res.on('end', () => resolve({ status: res.statusCode, text, headers: res.headers }));
      res.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
    request.end(body);
  });
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function standIn(t, mongoPort) {
  const port = await freePort();
  const app = await run(t, STAND_IN, {
    APP_PORT: port, MONGO_USER: 'u', MONGO_PASSWORD: 'p', MONGO_IP: '127.0.0.1', MONGO_PORT: mongoPort,
  });
  const ask = (target, options) => get(port, target, options);
  await eventually(() => ask('/healthz').then(() => true, () => false));
  return { ...app, get: ask };
}

async function eventually(holds) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!await holds()) {
    assert.ok(Date.now() < deadline, 'in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('whatever address the application asks for, it listens on loopback', async (t) => {
  const app = await start(t, "res.end('fine')");
  assert.equal(app.address.address, '127.0.0.1');
  const answer = await app.get('/');
  assert.equal(answer.text, 'fine');
  assert.equal(answer.headers['x-app-host'], 'web1');
});

test('healthz says that the process lives, and its version', async (t) => {
  const app = await start(t, "res.statusCode = 500; res.end()");
  const answer = await app.get('/healthz?probe=1');
  assert.equal(answer.status, 200);
  assert.match(answer.text, /^ok unknown\nfaults 0\n$/);
});

test('readyz without a database is ready', async (t) => {
  const app = await start(t, 'res.end()');
  assert.equal((await app.get('/readyz')).status, 200);
});

const FAULTS = {
  'thrown at once': "throw new Error('secret')",
  'thrown in a callback': "setTimeout(() => { throw new Error('secret') }, 5)",
  'a rejection': "Promise.reject(new Error('secret'))",
  'a rejection after a wait': "(async () => { await new Promise((r) => setTimeout(r, 5)); throw new Error('secret') })()",
  'an error event': "new (require('events'))().emit('error', new Error('secret'))",
};

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`${name} is a 500 of that request alone`, async (t) => {
    const app = await start(t, `if (req.url === '/bad') { ${fault} } else res.end('fine')`);
    const answers = await Promise.all([app.get('/bad'), app.get('/good'), app.get('/bad'), app.get('/good')]);
    assert.deepEqual(answers.map((each) => each.status), [500, 200, 500, 200]);
    assert.ok(!answers[0].text.includes('secret'));
    assert.match((await app.get('/healthz')).text, /faults 2/);
    assert.match(app.log(), /secret/);
  });
}

test('any number of bad requests leaves the process alive', async (t) => {
  const app = await start(t, FAULTS['a rejection'], { CHECKBOX_FAULTS_A_MINUTE: '3' });
  for (let count = 0; count < 10; count += 1) assert.equal((await app.get('/')).status, 500);
  assert.equal((await app.get('/healthz')).status, 200);
});

test('a fault after the answer changes nothing', async (t) => {
  const app = await start(t, "res.end('fine'); setImmediate(() => { throw new Error('late') })");
  assert.equal((await app.get('/')).text, 'fine');
  assert.equal((await app.get('/')).text, 'fine');
});

test('too many faults of no request in a minute end the process', async (t) => {
  const app = await start(t, 'res.end()', { CHECKBOX_FAULTS_A_MINUTE: '3', NODE_OPTIONS: `--require ${orphanMaker()}` });
  assert.equal(await app.ended, 1);
  assert.match(app.log(), /4 faults of no request in a minute/);
});

// Faults from a timer of the process, each in its own turn.
function orphanMaker() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'preload-'));
  folders.push(folder);
  const file = path.join(folder, 'orphans.js');
  fs.writeFileSync(file, "setInterval(() => { throw new Error('orphan') }, 300)");
  return file;
}

test('a fault before the application listens is a failed start', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'preload-'));
  folders.push(folder);
  fs.writeFileSync(path.join(folder, 'server.js'), "require('./missing.js')");
  const app = await run(t, folder, {});
  assert.equal(await app.ended, 1);
});

test('a request that is never answered gets 503, and its late answer harms nobody', async (t) => {
  const app = await start(t, "setTimeout(() => { res.writeHead(200, { a: 'b' }); res.write('x'); res.end('late'); console.error('late') }, 400)",
    { CHECKBOX_REQUEST_TIMEOUT: '100' });
  const answer = await app.get('/');
  assert.equal(answer.status, 503);
  assert.equal(answer.text, 'no answer in time\n');
  await eventually(() => app.log().includes('late'));
  assert.match((await app.get('/healthz')).text, /faults 0/);
});

for (const [name, send] of Object.entries({
  'with headers of its own': "res.writeHead(500, 'Oh', { 'Content-Type': 'text/html', 'Content-Length': text.length }); res.end(text)",
  'without': 'res.statusCode = 500; res.end(Buffer.from(text))',
})) {
  test(`a stack trace in an answer ${name} is not passed on`, async (t) => {
    const app = await start(t, `const text = new Error('secret').stack; ${send}`);
    const answer = await app.get('/');
    assert.equal(answer.status, 500);
    assert.equal(answer.text, 'internal error\n');
  });
}

test('an error of the application itself keeps its words and headers', async (t) => {
  const app = await start(t, "res.writeHead(404, ['X-Kind', 'own']); res.end('no such study')");
  const answer = await app.get('/');
  assert.equal(answer.status, 404);
  assert.equal(answer.text, 'no such study');
  assert.equal(answer.headers['x-kind'], 'own');
});

test('told to stop, it finishes what runs and ends with 0', async (t) => {
  const app = await start(t, "console.error('running'); setTimeout(() => res.end('done'), 500)");
  const answer = app.get('/');
  await eventually(() => app.log().includes('running'));
  app.child.kill('SIGTERM');
  assert.equal((await answer).text, 'done');
  assert.equal(await app.ended, 0);
});

test('the stand-in outlives a database that is away', { skip: !hasDriver() && 'npm ci in lab/apps/checkbox/server-side/site first' },
  async (t) => {
    const app = await standIn(t, await freePort());
    const [alive, ready, listing, again] = await Promise.all(['/healthz', '/readyz', '/api/study/listing', '/readyz'].map((each) => app.get(each)));
    assert.deepEqual([alive, ready, listing, again].map((each) => each.status), [200, 503, 503, 503]);
    const preview = await app.get('/api/design/survey', { method: 'POST', body: '{"markdown": "# Title"}' });
    assert.match(preview.text, /<h1>Title<\/h1>/);
    assert.equal((await app.get('/api/study/load/no-id')).text, 'internal error\n');
    assert.match((await app.get('/healthz')).text, /^ok 1\.0\.0\nfaults 1\n$/);
  });

test('the stand-in outlives a database that takes connections and says nothing', { skip: !hasDriver() && 'npm ci first' }, async (t) => {
  const sockets = new Set();
  const frozen = net.createServer((socket) => sockets.add(socket.on('error', () => {})));
  await new Promise((resolve) => frozen.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    sockets.forEach((socket) => socket.destroy());
    frozen.close();
  });
  const app = await standIn(t, frozen.address().port);
  const answers = await Promise.all(['/readyz', '/api/study/listing'].map((each) => app.get(each)));
  assert.deepEqual(answers.map((each) => each.status), [503, 503]);
  assert.equal((await app.get('/healthz')).status, 200);
});

function hasDriver() {
  return fs.existsSync(path.join(STAND_IN, 'node_modules/mongodb'));
}
