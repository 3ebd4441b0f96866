const server = require('http').createServer((request, response) => {
  response.setHeader('X-Client', request.socket.remoteAddress);
  response.end(`hello from ${require('os').hostname()}\n`);
});
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : 84);
