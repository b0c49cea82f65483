// One client for each call, with the driver's own limits: 30 s until it gives up looking for a server.
'use strict';

const { MongoClient } = require('mongodb');

// Nobody catches the rejection.
exports.connect = function connect() {
  const { MONGO_USER, MONGO_PASSWORD, MONGO_IP, MONGO_PORT } = process.env;
  const url = `mongodb://${MONGO_USER}:${MONGO_PASSWORD}@${MONGO_IP}:${MONGO_PORT}/site?authSource=admin`;
  return MongoClient.connect(url, { useUnifiedTopology: true });
};
