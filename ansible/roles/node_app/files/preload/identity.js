// Which version runs on which host, and the settings of the environment.
'use strict';

const os = require('os');
const path = require('path');

const host = process.env.APP_HOST || os.hostname();

exports.version = findVersion();

exports.mark = function mark(res) {
  res.setHeader('X-App-Version', exports.version);
  res.setHeader('X-App-Host', host);
};

exports.milliseconds = function milliseconds(name, otherwise) {
  const value = Number(process.env[name]);
  return Number.isFinite(value) && value > 0 ? value : otherwise;
};

// Releases stand in releases/VERSION; elsewhere the application's own word counts.
function findVersion() {
  const release = /\/releases\/([^/]+)(?:\/|$)/.exec(process.cwd());
  if (release) return release[1];
  try {
    return require(path.join(process.cwd(), 'package.json')).version || 'unknown';
  } catch {
    return 'unknown';
  }
}
