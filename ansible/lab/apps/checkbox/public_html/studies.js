// Lists the studies.
'use strict';

fetch('/api/study/listing').then((answer) => answer.json()).then(({ studies }) => {
  const list = document.getElementById('studies');
  for (const study of studies) {
    const item = document.createElement('li');
    item.textContent = `${study.name}: ${study.votes} votes`;
    list.append(item);
  }
});
