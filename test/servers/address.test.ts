import { readFileSync } from 'node:fs'
import http from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { shareApp } from './app.js'
import type { RunningCell } from './cell.js'
import { cells } from './cells.js'
import { needLayer, needServers } from './need-servers.js'
import { nginxFile, startNginx } from './nginx.js'
import { userFolder } from './user.js'

/** Not the address of the servers, which the app trusts. */
const CLIENT = '127.0.0.2'
const FORGED = '6.6.6.6'
const HEADERS = { 'x-forwarded-for': FORGED }

describe('a client that sends X-Forwarded-For', function () {
  // Passenger's module for nginx may have to be built.
  this.timeout(120_000)

  for (const cell of cells.filter(({ form }) => form === 'ours')) {
    it(`is not believed through ${cell.name}`, async function () {
      needServers(this, cell)
      const running = await cell.start()
      try {
        expect(await addressAt(running, '/address.sse')).to.equal(CLIENT)
      } finally {
        await running.stop()
      }
    })
  }

  it('is not believed through the nginx of docs/hosting.md, on streams and on pages', async function () {
    needLayer(this, 'nginx')
    await behindNginx(
      (port) => vpsBlock(port),
      async (url) => {
        for (const path of ['/address.sse', '/address']) {
          expect(await addressAt({ url, ca: undefined }, path), path).to.equal(CLIENT)
        }
      },
    )
  })

  it('is believed through an nginx that was not told to append, as its default is', async function () {
    needLayer(this, 'nginx')
    await behindNginx(
      (port) => `location / { proxy_pass http://127.0.0.1:${port}; }`,
      async (url) => expect(await addressAt({ url, ca: undefined }, '/address')).to.equal(FORGED),
    )
  })
})

async function behindNginx(
  server: (appPort: number) => string,
  check: (url: string) => Promise<unknown>,
): Promise<void> {
  const app = await shareApp()
  try {
    const nginx = await startNginx({ server: server(app.port) })
    try {
      await check(`http://127.0.0.1:${nginx.port}`)
    } finally {
      await nginx.stop()
    }
  } finally {
    await app.stop()
  }
}

/** What the page for a VPS has inside its server block, with its file in the place of the include. */
function vpsBlock(appPort: number): string {
  const page = readFileSync(new URL('../../docs/hosting.md', import.meta.url), 'utf8')
  const inside = /```nginx\n\s*server \{([\s\S]*?)\}\s*```/.exec(page)?.[1]
  if (!inside) throw new Error('docs/hosting.md has no server block for nginx')
  return inside
    .replace('listen 80;', '')
    .replace('/home/me/app/public', userFolder())
    .replace(/include \S+\/nginx\/proxy\.conf;/, () => nginxFile('proxy.conf', appPort))
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${appPort}`)
}

/** What the app takes for the address of a client that claims another one. */
function addressAt({ url, ca }: Pick<RunningCell, 'url' | 'ca'>, path: string): Promise<string> {
  return ca === undefined ? askHttp1(url + path) : askHttp2(url, path, ca)
}

function askHttp1(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { localAddress: CLIENT, headers: HEADERS, agent: false }, (answer) => resolve(text(answer)))
      .on('error', reject)
  })
}

async function askHttp2(origin: string, path: string, ca: string): Promise<string> {
  const { hostname, port } = new URL(origin)
  const session = connectHttp2(origin, {
    createConnection: () =>
      connectTls({
        socket: connect({ host: hostname, port: Number(port), localAddress: CLIENT }),
        host: hostname,
        ca,
        ALPNProtocols: ['h2'],
      }),
  })
  try {
    return await text(session.request({ ':path': path, ...HEADERS }))
  } finally {
    session.destroy()
  }
}
