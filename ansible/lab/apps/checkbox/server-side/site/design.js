// The rendering of a survey: needs no database.
'use strict';

const fs = require('fs');

const template = fs.readFileSync('templates/survey.html', 'utf8');

exports.preview = function preview({ body, reply }) {
  reply({ preview: template.replace('{{survey}}', () => render(body.markdown)) });
};

function render(markdown) {
  return markdown.split('\n').map(line).join('\n');
}

function line(text) {
  const heading = /^(#{1,6}) +(.*)$/.exec(text);
  if (heading) return `<h${heading[1].length}>${escape(heading[2])}</h${heading[1].length}>`;
  const choice = /^\* +(.*)$/.exec(text);
  if (choice) return `<label><input type="checkbox"> ${escape(choice[1])}</label>`;
  return text.trim() ? `<p>${escape(text)}</p>` : '';
}

function escape(text) {
  return text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]);
}
