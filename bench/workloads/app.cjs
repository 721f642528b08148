const express = require('express');
const { z } = require('zod');

const version = 0; // Replaced at each save.
console.log(`bench ${version} ${performance.timeOrigin + performance.now()}`);

const query = z.object({ name: z.string().default('world') });
const app = express();
app.get('/', (request, response) => response.json({ version, ...query.parse(request.query) }));
app.listen(0);
