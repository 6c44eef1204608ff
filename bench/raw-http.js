/** Holds responses open and does nothing else: what an open stream costs before anybody adds to it. */
export function openRawHttp() {
  return {
    handler(_request, response) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('event: ready\ndata: {}\n\n')
    },
    async close() {},
  }
}
