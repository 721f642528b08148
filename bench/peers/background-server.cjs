// A server with one child process. Dials home when it listens, or when it cannot listen.
const { spawn } = require('node:child_process');
const http = require('node:http');
const dial = require(process.env.TEST_DIAL);

http
  .createServer((_, response) => response.end('fine'))
  .once('error', ({ code }) => dial({ error: code }).end(() => process.exit(1)))
  .listen(Number(process.env.PORT ?? 0), '127.0.0.1', function listening() {
    const child = spawn('sleep', ['86400'], { stdio: 'ignore' });
    dial({ port: this.address().port, child: child.pid });
  });
