// Studies and votes.
'use strict';

const crypto = require('crypto');
const { ObjectID } = require('mongodb');

const { connect } = require('./database.js');

const INVITE_CODE = 'RESEARCH';

exports.create = function create({ body, reply }) {
  if (body.invitecode !== INVITE_CODE) return reply({ error: 'Invalid invitecode' });
  const study = {
    name: body.name,
    description: body.description,
    studyKind: body.studyKind || 'survey',
    status: 'open',
    markdown: body.markdown,
    invitecode: body.invitecode,
    token: crypto.randomBytes(48).toString('hex'),
  };
  connect().then(async (client) => {
    await client.db('site').collection('studies').insertOne(study);
    reply({ admin_url: `/studies/admin/?token=${study.token}`, id: study._id });
    client.close();
  });
};

exports.listing = function listing({ reply }) {
  connect().then(async (client) => {
    const site = client.db('site');
    const counts = await site.collection('votes').aggregate([{ $group: { _id: '$studyId', votes: { $sum: 1 } } }]).toArray();
    const votes = new Map(counts.map((each) => [String(each._id), each.votes]));
    const found = await site.collection('studies').find({}, { limit: 500, sort: { _id: -1 } }).toArray();
    reply({
      studies: found.map(({ _id, name, status, studyKind, description }) =>
        ({ id: _id, name, status, studyKind, description, votes: votes.get(String(_id)) || 0 })),
    });
    client.close();
  });
};

// The callback takes a study for granted.
exports.load = function load({ id, reply }) {
  const _id = new ObjectID(id);
  connect().then((client) => {
    client.db('site').collection('studies').findOne({ _id }, (error, study) => {
      delete study.token;
      delete study.invitecode;
      reply(study);
      client.close();
    });
  });
};

// The client stays open.
exports.status = function status({ id, reply }) {
  const studyId = new ObjectID(id);
  connect().then((client) => {
    client.db('site').collection('votes').find({ studyId }).toArray((error, votes) => reply({ votes: votes.length }));
  });
};

exports.voteStatus = function voteStatus({ req, query, reply }) {
  const vote = { studyId: new ObjectID(query.get('studyId')), ip: visitor(req), fingerprint: query.get('fingerprint') };
  connect().then(async (client) => {
    const found = await client.db('site').collection('votes').find(vote).toArray();
    reply(found.length ? { status: 'voted' } : { status: 'ok' });
    client.close();
  });
};

exports.submitVote = function submitVote({ req, body, reply }) {
  const vote = {
    studyId: new ObjectID(body.studyId),
    timestamp: new Date(),
    ip: visitor(req),
    fingerprint: body.fingerprint,
    answers: typeof body.answers === 'string' ? JSON.parse(body.answers) : body.answers,
    email: body.email,
  };
  connect().then(async (client) => {
    await client.db('site').collection('votes').insertOne(vote);
    reply({ done: true });
    client.close();
  });
};

// Whoever sends the header chooses.
function visitor(req) {
  return (req.headers['x-forwarded-for'] || '').split(',')[0].trim() || req.socket.remoteAddress;
}
