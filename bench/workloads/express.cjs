const express = require('express');
const { port, answerAfter } = require('./setup.json');

const version = 0; // Replaced at each save.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

const app = express();
app.get('/', (_request, response) => {
  setTimeout(() => response.set('X-Version', String(version)).json({ version }), answerAfter);
});
app.listen(port);
